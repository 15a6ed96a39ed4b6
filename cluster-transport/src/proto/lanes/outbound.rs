//! The sending side of one lane: numbers, the open segment, the window, and the ring of what is not yet acknowledged.
//!
//! A message is copied once, into the open segment, whose bytes are what goes to the socket. Segments stay in the queue
//! until they are acknowledged on lanes that are resumed, so the queue is the ring. When the ring is full, the oldest unsent
//! messages give way to a mark that travels in their place. Of what the other lanes have sent only the size is kept.

mod filling;
mod parts;
mod rare;
mod shedding;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use self::rare::Rare;
use super::super::few::Few;
use super::super::frame::{FRAGMENT_HEAD, Frame, Lagged, MAX_FRAME, PREFIX, SEGMENT_HEAD};
use super::super::{Lane, SessionId};
use super::budget::{Account, RingBudget};
use super::{LaneLag, LaneSettings};

/// Up to here a message is copied into the open segment; longer ones go by reference.
const MAX_COPIED: usize = 1024;
/// Before each message in a segment stands its length.
const LENGTH: usize = 2;
/// Everything before the messages of a segment.
const HEAD: usize = PREFIX + SEGMENT_HEAD;
/// The longest message that goes into a segment.
const MAX_IN_SEGMENT: usize = MAX_FRAME - SEGMENT_HEAD - LENGTH;
/// The longest part of a message in parts.
const MAX_PART: usize = MAX_FRAME - FRAGMENT_HEAD;
/// A peer that leaves this much of the control lane unread is not taking part.
const CONTROL_CAPACITY: usize = 1 << 20;
/// No honest peer has had so many numbers; beyond it ours could run out.
const MAX_POSITION: u64 = 1 << 63;

/// What a lane gives to the link.
pub type Sent = [Option<Bytes>; 2];

#[derive(Debug)]
struct Entry {
    first: u64,
    end: u64,
    bytes: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// A frame: its head, and a payload by reference.
    Frame { head: Bytes, payload: Option<Bytes>, part: Part },
    /// Messages that were shed.
    Shed { messages: u64 },
}

impl Entry {
    /// How many messages end in this entry.
    fn messages(&self) -> u64 {
        match self.content {
            Content::Frame { part: Part::None, .. } => self.end - self.first,
            Content::Frame { part: Part::Last, .. } => 1,
            Content::Frame { part: Part::Inner, .. } | Content::Shed { .. } => 0,
        }
    }

    /// How many messages were shed before and are marked by this entry.
    fn marked(&self) -> u64 {
        match self.content {
            Content::Shed { messages } => messages,
            _ => 0,
        }
    }

    #[inline]
    fn is_part(&self) -> bool {
        matches!(self.content, Content::Frame { part: Part::Inner | Part::Last, .. })
    }

    fn is_mark(&self) -> bool {
        matches!(self.content, Content::Shed { .. })
    }
}

impl Content {
    /// What goes to the link, kept so that it can be sent again.
    fn again(&self, lane: Lane, from: u64, to: u64) -> Sent {
        match self {
            Self::Frame { head, payload, .. } => [Some(head.clone()), payload.clone()],
            Self::Shed { messages } => {
                [Some(Frame::Lagged(Lagged { lane, from, to, messages: *messages }).encode()), None]
            }
        }
    }

    /// What goes to the link, once.
    fn once(self, lane: Lane, from: u64, to: u64) -> Sent {
        match self {
            Self::Frame { head, payload, .. } => [Some(head), payload],
            shed @ Self::Shed { .. } => shed.again(lane, from, to),
        }
    }
}

/// A frame that was sent and cannot be sent again on this lane.
#[derive(Debug)]
struct Gone {
    end: u64,
    bytes: usize,
}

/// What a frame is of a message in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Whole messages.
    None,
    Inner,
    Last,
}

/// How a lane begins on a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto) struct Started {
    /// The first number to come.
    pub(in crate::proto) first: u64,
    /// Whether it goes on where the last session ended.
    pub(in crate::proto) continues: bool,
    /// How many messages are given up because the peer does not know where it was.
    pub(in crate::proto) lost: u64,
}

/// The sending side of one lane. Made by [`PeerLanes`](super::PeerLanes).
#[derive(Debug)]
pub struct Outbound {
    lane: Lane,
    idle: bool,
    given_up: bool,
    open_count: u32,
    open: BytesMut,
    next: u64,
    pushed: u64,
    session: Option<SessionId>,
    window: usize,
    max_message: usize,
    sent_bytes: usize,
    unsent_bytes: usize,
    /// Bytes of long messages that take turns and are not in the queue yet.
    aside_bytes: usize,
    /// On lanes that are not resumed: what was sent and is not acknowledged.
    gone: Few<Gone>,
    queue: VecDeque<Entry>,
    /// How many entries at the front of the queue were given to the link.
    sent: usize,
    ring: usize,
    shed: u64,
    pub(super) account: Option<Account>,
    pub(super) rare: Option<Box<Rare>>,
}

impl Outbound {
    pub(super) fn new(lane: Lane, settings: &LaneSettings, budget: &Arc<RingBudget>) -> Self {
        let max_message = usize::try_from(settings.max_message).unwrap_or(usize::MAX);
        Self {
            lane,
            idle: true,
            given_up: false,
            open_count: 0,
            open: BytesMut::new(),
            next: 0,
            pushed: 0,
            session: None,
            window: 0,
            max_message: if lane.is_resumed() { max_message.min(settings.ring) } else { max_message },
            sent_bytes: 0,
            unsent_bytes: 0,
            aside_bytes: 0,
            gone: Few::default(),
            queue: VecDeque::new(),
            sent: 0,
            ring: settings.ring,
            shed: 0,
            account: lane.is_resumed().then(|| Account::open(budget)),
            rare: None,
        }
    }

    #[inline]
    pub(super) fn is_resumed(&self) -> bool {
        self.lane.is_resumed()
    }

    /// The number after those of all messages so far.
    pub(in crate::proto) fn next(&self) -> u64 {
        self.next + self.parts_aside()
    }

    /// Whether there was nothing to send when the lane was last polled, and nothing has come since.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.idle
    }

    pub(super) fn lag(&self) -> LaneLag {
        let queued = self.queue.iter().skip(self.sent).map(|entry| entry.end - entry.first).sum::<u64>();
        LaneLag {
            unsent_bytes: self.unsent(),
            unacknowledged_bytes: self.sent_bytes,
            unsent_messages: queued + u64::from(self.open_count) + self.parts_aside(),
            pushed: self.pushed,
            shed: self.shed,
            oldest_since: self.rare.as_ref().and_then(|rare| rare.marks.since(self.first_held())),
        }
    }

    /// The first number that is held: not acknowledged, or on the lanes that are not resumed not sent.
    pub(super) fn first_held(&self) -> u64 {
        self.queue.front().map_or(self.next - u64::from(self.open_count), |entry| entry.first)
    }

    /// How many bytes a lane that does not shed lets wait.
    fn capacity(&self) -> usize {
        if self.lane == Lane::Control { CONTROL_CAPACITY } else { self.max_message }
    }

    /// Bytes that wait to be sent, the open segment included.
    #[inline]
    pub(super) fn unsent(&self) -> usize {
        self.unsent_bytes + self.open_bytes() + self.aside_bytes
    }

    /// Bytes that are not sent, or not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        self.unsent() + self.sent_bytes
    }

    #[inline]
    fn open_bytes(&self) -> usize {
        if self.open_count == 0 { 0 } else { self.open.len() }
    }

    pub(super) fn room(&self) -> usize {
        self.window.saturating_sub(self.sent_bytes + self.unsent())
    }

    /// Bytes that count against what the lane may hold.
    #[inline]
    pub(super) fn held(&self) -> usize {
        self.unsent() + if self.lane.is_resumed() { self.sent_bytes } else { 0 }
    }

    /// How many bytes the lane takes without shedding or refusing anything.
    #[inline]
    pub(super) fn free(&self) -> usize {
        // What is given up is lost anyway, and nobody need wait for it.
        if self.given_up {
            return usize::MAX;
        }
        let share = self.account.as_ref().map_or(usize::MAX, |account| account.budget().share());
        self.may_hold().min(share).saturating_sub(self.held())
    }

    /// How many bytes a message of this length takes, at most.
    #[inline]
    pub(super) fn cost(len: usize) -> usize {
        len.saturating_add((len / MAX_PART + 1) * (PREFIX + FRAGMENT_HEAD))
    }

    /// The longest message that the lane takes.
    #[inline]
    pub(super) fn longest(&self) -> usize {
        self.max_message
    }

    /// How many bytes the lane may hold.
    #[inline]
    pub(super) fn may_hold(&self) -> usize {
        if self.lane.is_resumed() { self.ring } else { self.capacity() }
    }

    fn enqueue(&mut self, first: u64, end: u64, head: Bytes, payload: Option<Bytes>, part: Part) {
        let bytes = head.len() + payload.as_ref().map_or(0, Bytes::len);
        self.unsent_bytes += bytes;
        self.queue.push_back(Entry { first, end, bytes, content: Content::Frame { head, payload, part } });
    }

    /// The next frame that the window lets out, if there is one. With none, the lane is idle: the next push asks for a wake.
    ///
    /// Only the session that started the lane last gets anything: another would carry it to a link that is given up.
    pub(in crate::proto) fn poll(&mut self, session: SessionId) -> Option<Sent> {
        if self.session != Some(session) {
            return None;
        }
        if self.sent == self.queue.len() && !self.is_over_window(self.open_bytes()) {
            self.seal();
        }
        self.next_part();
        let Some(entry) = self.queue.get(self.sent) else {
            self.idle = self.open_count == 0;
            return None;
        };
        if self.is_over_window(entry.bytes) {
            self.idle = false;
            return None;
        }
        self.unsent_bytes -= entry.bytes;
        self.sent_bytes += entry.bytes;
        if self.is_resumed() {
            let sent = entry.content.again(self.lane, entry.first, entry.end);
            self.sent += 1;
            return Some(sent);
        }
        let entry = self.queue.pop_front()?;
        if entry.is_part() {
            self.rare().aside.part_sent();
        }
        self.gone.push(Gone { end: entry.end, bytes: entry.bytes });
        Some(entry.content.once(self.lane, entry.first, entry.end))
    }

    /// The open segment of a lane that is not resumed, if that is all there is to send and the window lets it out: so the last word
    /// of a turn can go into the same piece. The lane is idle then.
    pub(super) fn poll_alone(&mut self, session: SessionId) -> Option<BytesMut> {
        let is_alone = self.open_count > 0 && self.queue.is_empty() && !self.has_aside();
        let may = self.session == Some(session) && !self.is_resumed();
        if !is_alone || !may || self.is_over_window(self.open.len()) {
            return None;
        }
        let segment = self.close();
        self.idle = true;
        self.sent_bytes += segment.len();
        self.gone.push(Gone { end: self.next, bytes: segment.len() });
        Some(segment)
    }

    /// Whether so many more bytes have to wait for acknowledgements.
    fn is_over_window(&self, bytes: usize) -> bool {
        self.sent_bytes > 0 && self.sent_bytes + bytes > self.window
    }

    /// The number after the last one that was sent.
    pub(super) fn sent_end(&self) -> u64 {
        // What is sent leaves the queue of a lane that is not resumed.
        match self.sent.checked_sub(1).and_then(|last| self.queue.get(last)) {
            Some(entry) => entry.end,
            None => self.first_held(),
        }
    }

    /// Takes an acknowledgement in. False if it speaks of what was not sent.
    pub(in crate::proto) fn acknowledged(&mut self, next: u64) -> bool {
        if next > self.sent_end() {
            return false;
        }
        while let Some(gone) = self.gone.pop_if(|gone| gone.end <= next) {
            self.sent_bytes -= gone.bytes;
        }
        while self.sent > 0 && self.queue.front().is_some_and(|entry| entry.end <= next) {
            let Some(entry) = self.queue.pop_front() else { break };
            self.sent -= 1;
            self.sent_bytes -= entry.bytes;
            if let Content::Frame { head, payload: None, .. } = entry.content {
                self.rare().blocks.keep(head);
            }
        }
        true
    }

    /// Begins on a new session, whose peer grants `window` bytes and expects `position`.
    ///
    /// The position may be older than what has been acknowledged since, and then the peer knows more than it said.
    pub(in crate::proto) fn start(
        &mut self,
        session: SessionId,
        window: u32,
        position: Option<u64>,
    ) -> Started {
        self.session = Some(session);
        let window = usize::try_from(window).unwrap_or(usize::MAX);
        // What was sent cannot give way, so no more than the ring may be.
        self.window = if self.lane.is_resumed() { window.min(self.ring) } else { window };
        self.idle = false;
        if std::mem::take(&mut self.given_up) {
            let lost = self.clear();
            // One number that never comes: the peer sees that it does not continue.
            self.next += 1;
            return Started { first: self.next, continues: false, lost };
        }
        let wanted = position.filter(|p| self.lane.is_resumed() && *p <= self.next);
        let Some(wanted) = wanted else {
            let lost = self.clear();
            // Numbers that this side has forgotten: below them, all that is new would be taken for repeats.
            let known = position.filter(|p| self.lane.is_resumed() && *p > self.next && *p < MAX_POSITION);
            self.next = known.map_or(self.next, |known| known + 1);
            return Started { first: self.next, continues: false, lost };
        };
        self.unsend();
        while self.queue.front().is_some_and(|entry| entry.end <= wanted) {
            let Some(entry) = self.queue.pop_front() else { break };
            self.unsent_bytes -= entry.bytes;
        }
        Started { first: self.first_held(), continues: true, lost: 0 }
    }

    /// This session is over; what it has sent waits for the next one.
    pub(in crate::proto) fn session_ended(&mut self, session: SessionId) {
        self.session.take_if(|current| *current == session);
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up
    }

    pub(super) fn is_in_session(&self) -> bool {
        self.session.is_some()
    }

    /// What was sent and not acknowledged is to be sent again.
    pub(super) fn unsend(&mut self) {
        self.unsent_bytes += self.sent_bytes;
        (self.sent, self.sent_bytes) = (0, 0);
    }

    /// The next session begins with a gap; the present one, if there is one, goes on.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Gives everything up; returns how many messages nobody will get.
    pub(super) fn clear(&mut self) -> u64 {
        self.seal();
        let lost: u64 = self.queue.drain(..).skip(self.sent).map(|entry| entry.messages()).sum();
        let lost = lost + self.clear_aside();
        self.gone = Few::default();
        (self.sent, self.sent_bytes, self.unsent_bytes) = (0, 0, 0);
        self.shed += lost;
        lost
    }
}
