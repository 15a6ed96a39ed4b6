//! The sending side of one lane: numbers, the open segment, the window, and the ring of what is not yet acknowledged.
//!
//! A message is copied once, into the open segment, whose bytes are what goes to the socket. Segments stay in the queue
//! until they are acknowledged on lanes that are resumed, so the queue is the ring. When the ring is full, the oldest unsent
//! messages give way to a mark that travels in their place. Of what the other lanes have sent only the size is kept.

mod filling;
mod parts;
mod queue;
mod rare;
mod shedding;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use self::queue::{Content, Entry, Part, Queue};
use self::rare::Rare;
use super::super::frame::{FRAGMENT_HEAD, MAX_FRAME, PREFIX, SEGMENT_HEAD};
use super::super::{Lane, SessionId};
use super::budget::{Account, RingBudget};
use super::window::{Window, count};
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
///
/// In this order, so that what an acknowledgement touches is together, and what a short message does.
#[derive(Debug)]
#[repr(C)]
pub struct Outbound {
    lane: Lane,
    idle: bool,
    given_up: bool,
    /// Whether the session that started the lane last is not over.
    in_session: bool,
    open_count: u32,
    next: u64,
    sent_bytes: usize,
    /// The frames that were sent and are not acknowledged, on lanes that are not resumed.
    gone: Window,
    pub(super) rare: Option<Box<Rare>>,
    open: BytesMut,
    pushed: u64,
    session: SessionId,
    max_message: u32,
    ring: usize,
    shed: u64,
    pub(super) account: Option<Account>,
}

impl Outbound {
    /// How many bytes at its front an acknowledgement touches.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) const FOR_ACKNOWLEDGEMENTS: usize = std::mem::offset_of!(Self, open);
    /// How many bytes at its front a short message touches on a lane that is not resumed.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) const FOR_SHORT_MESSAGES: usize = std::mem::offset_of!(Self, ring);

    pub(super) fn new(lane: Lane, settings: &LaneSettings, budget: &Arc<RingBudget>) -> Self {
        let ring = u32::try_from(settings.ring).unwrap_or(u32::MAX);
        let max_message = settings.max_message;
        Self {
            lane,
            idle: true,
            given_up: false,
            in_session: false,
            open_count: 0,
            next: 0,
            sent_bytes: 0,
            gone: Window::new(0),
            rare: None,
            open: BytesMut::new(),
            pushed: 0,
            session: SessionId(0),
            max_message: if lane.is_resumed() { max_message.min(ring) } else { max_message },
            ring: settings.ring,
            shed: 0,
            account: lane.is_resumed().then(|| Account::open(budget)),
        }
    }

    #[inline]
    pub(super) fn is_resumed(&self) -> bool {
        self.lane.is_resumed()
    }

    /// The number after those of all messages so far.
    pub(in crate::proto) fn next(&self) -> u64 {
        self.next + self.rare.as_ref().map_or(0, |rare| rare.aside.numbers())
    }

    /// Whether there was nothing to send when the lane was last polled, and nothing has come since.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.idle
    }

    pub(super) fn lag(&self) -> LaneLag {
        let queued = self.rare.as_ref().map_or(0, |rare| rare.queue.unsent_messages() + rare.aside.parts());
        LaneLag {
            unsent_bytes: self.unsent(),
            unacknowledged_bytes: self.sent_bytes,
            unsent_messages: queued + u64::from(self.open_count),
            pushed: self.pushed,
            shed: self.shed,
            oldest_since: self.rare.as_ref().and_then(|rare| rare.marks.since(self.first_held())),
        }
    }

    /// The first number that is held: not acknowledged, or on the lanes that are not resumed not sent.
    pub(super) fn first_held(&self) -> u64 {
        let first = self.queue().and_then(Queue::first);
        first.unwrap_or(self.next - u64::from(self.open_count))
    }

    /// How many bytes a lane that does not shed lets wait.
    fn capacity(&self) -> usize {
        if self.lane == Lane::Control { CONTROL_CAPACITY } else { self.longest() }
    }

    /// Bytes that wait to be sent, the open segment included.
    #[inline]
    pub(super) fn unsent(&self) -> usize {
        self.open_bytes() + self.rare.as_ref().map_or(0, |rare| rare.unsent(self.lane))
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
        self.window().saturating_sub(self.unacknowledged())
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
        count(self.max_message)
    }

    /// How many bytes may be unacknowledged.
    #[inline]
    fn window(&self) -> usize {
        self.gone.size()
    }

    /// How many bytes the lane may hold.
    #[inline]
    pub(super) fn may_hold(&self) -> usize {
        if self.lane.is_resumed() { self.ring } else { self.capacity() }
    }

    fn enqueue(&mut self, first: u64, end: u64, head: Bytes, payload: Option<Bytes>, part: Part) {
        let bytes = head.len() + payload.as_ref().map_or(0, Bytes::len);
        self.rare().queue.push(Entry { first, end, bytes, content: Content::Frame { head, payload, part } });
    }

    /// The next frame that the window lets out, if there is one. With none, the lane is idle: the next push asks for a wake.
    ///
    /// Only the session that started the lane last gets anything: another would carry it to a link that is given up.
    pub(in crate::proto) fn poll(&mut self, session: SessionId) -> Option<Sent> {
        if !self.is_in(session) {
            return None;
        }
        if self.next_bytes().is_none() && !self.is_over_window(self.open_bytes()) {
            self.seal();
        }
        self.next_part();
        let Some(bytes) = self.next_bytes() else {
            self.idle = self.open_count == 0;
            return None;
        };
        if self.is_over_window(bytes) {
            self.idle = false;
            return None;
        }
        self.sent_bytes += bytes;
        let (lane, rare) = (self.lane, self.rare.as_mut()?);
        if lane.is_resumed() {
            return rare.queue.send(lane);
        }
        let entry = rare.queue.take()?;
        if entry.takes_turn() {
            rare.aside.turn_is_over();
        }
        self.gone.add(entry.first, entry.bytes);
        Some(entry.once(lane))
    }

    /// How long the frame is that is the next one in the queue.
    fn next_bytes(&self) -> Option<usize> {
        self.queue().and_then(Queue::next).map(|entry| entry.bytes)
    }

    /// The open segment of a lane that is not resumed, if that is all there is to send and the window lets it out: so the last word
    /// of a turn can go into the same piece. The lane is idle then.
    pub(super) fn poll_alone(&mut self, session: SessionId) -> Option<BytesMut> {
        let has_more = |rare: &Rare| !rare.queue.is_empty() || !rare.aside.is_empty();
        let is_alone = self.open_count > 0 && !self.rare.as_deref().is_some_and(has_more);
        let may = self.is_in(session) && !self.is_resumed();
        if !is_alone || !may || self.is_over_window(self.open.len()) {
            return None;
        }
        let first = self.first_held();
        let segment = self.close();
        self.idle = true;
        self.sent_bytes += segment.len();
        self.gone.add(first, segment.len());
        Some(segment)
    }

    /// Whether so many more bytes have to wait for acknowledgements.
    fn is_over_window(&self, bytes: usize) -> bool {
        self.sent_bytes > 0 && self.sent_bytes + bytes > self.window()
    }

    /// Whether this session started the lane last, and is not over.
    fn is_in(&self, session: SessionId) -> bool {
        self.in_session && self.session == session
    }

    /// The number after the last one that was sent.
    pub(super) fn sent_end(&self) -> u64 {
        // What is sent leaves the queue of a lane that is not resumed.
        self.queue().and_then(Queue::sent_end).unwrap_or_else(|| self.first_held())
    }

    /// Takes an acknowledgement in. False if it speaks of what was not sent.
    pub(in crate::proto) fn acknowledged(&mut self, next: u64) -> bool {
        let end = self.sent_end();
        if next > end {
            return false;
        }
        self.sent_bytes -= self.gone.take_below(next, end);
        if let Some(rare) = &mut self.rare {
            self.sent_bytes -= rare.take_acknowledged(next);
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
        (self.session, self.in_session) = (session, true);
        // What was sent cannot give way, so no more than the ring may be.
        let most = if self.lane.is_resumed() { u32::try_from(self.ring) } else { Ok(u32::MAX) };
        self.gone.resize(window.min(most.unwrap_or(u32::MAX)));
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
        if let Some(rare) = &mut self.rare {
            rare.queue.forget_below(wanted);
        }
        Started { first: self.first_held(), continues: true, lost: 0 }
    }

    /// This session is over; what it has sent waits for the next one.
    pub(in crate::proto) fn session_ended(&mut self, session: SessionId) {
        self.in_session &= self.session != session;
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up
    }

    pub(super) fn is_in_session(&self) -> bool {
        self.in_session
    }

    /// What was sent and not acknowledged is to be sent again.
    pub(super) fn unsend(&mut self) {
        self.sent_bytes = 0;
        if let Some(rare) = &mut self.rare {
            rare.queue.unsend();
        }
    }

    /// The next session begins with a gap; the present one, if there is one, goes on.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Gives everything up; returns how many messages nobody will get.
    pub(super) fn clear(&mut self) -> u64 {
        self.seal();
        let rare = self.rare.as_mut();
        let lost = rare.map_or(0, |rare| std::mem::take(&mut rare.queue).lost() + rare.aside.clear());
        self.gone.clear();
        self.sent_bytes = 0;
        self.shed += lost;
        lost
    }
}
