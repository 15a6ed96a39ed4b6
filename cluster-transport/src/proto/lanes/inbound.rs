//! The receiving side of the lanes: numbers, duplicates, parts put together, and the peer held to its window.

use bytes::BytesMut;

use super::super::frame::{self, Fragment, Lagged, LaneStart, Segment};
use super::super::{Lane, PerLane, SessionId};
use super::LaneSettings;
use super::apart::{Apart, Partial};
use super::batch::Batch;
use super::window::Window;

/// What a peer did against the rules of a lane.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InboundFault {
    /// A message before its lane was started, or of another session.
    #[error("the {lane} lane was not started in this session")]
    NotStarted {
        /// The lane.
        lane: Lane,
    },
    /// A lane that was started twice in one session.
    #[error("the {lane} lane was started twice")]
    StartedTwice {
        /// The lane.
        lane: Lane,
    },
    /// Numbers that skip some without a word.
    #[error("the {lane} lane jumps to number {got}, {expected} was expected")]
    Jump {
        /// The lane.
        lane: Lane,
        /// The number expected.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// More unacknowledged bytes than the window allows.
    #[error("the {lane} lane carries {bytes} unacknowledged bytes, the window is {window}")]
    OverWindow {
        /// The lane.
        lane: Lane,
        /// How many bytes are unacknowledged.
        bytes: usize,
        /// How many may be.
        window: usize,
    },
    /// A message in parts that is longer than this node takes.
    #[error("a message of {total} bytes on the {lane} lane is over the limit of {limit}")]
    TooLong {
        /// The lane.
        lane: Lane,
        /// How long it announces to be.
        total: u32,
        /// How long it may be.
        limit: u32,
    },
    /// More bytes in unfinished messages than this node keeps.
    #[error("unfinished messages of {bytes} bytes, the limit is {limit}")]
    OverReassembly {
        /// How many bytes they announce.
        bytes: usize,
        /// How many may be.
        limit: usize,
    },
    /// A message in parts that does not go on as it began.
    #[error("message {message} does not go on at {offset} as it began")]
    Discontinuous {
        /// The message's number.
        message: u64,
        /// Where in the message.
        offset: u32,
    },
}

/// What became of a frame of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proto) enum Taken {
    /// Nothing new.
    Duplicate,
    /// A part of a message that is not complete; its number can be acknowledged once all before it are.
    Absorbed,
    /// Messages for the application.
    Batch(Batch),
}

/// How far the one session is whose input counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tenure {
    /// There is none yet.
    Unowned,
    /// It is offered to the peer; until it begins, the one before tells the peer what is handed over.
    Offered,
    /// It has begun.
    Begun,
}

/// The receiving side of all lanes, owned by one session at a time.
///
/// In this order, so that what the control lane takes in touches is together.
#[derive(Debug)]
#[repr(C)]
pub(in crate::proto) struct Inbound {
    /// The one session whose input counts, once there is one.
    owner: SessionId,
    lanes: PerLane<InboundLane>,
    tenure: Tenure,
    /// Whose input counted before the owner's: it acknowledges until the owner begins, and may find its peer's leave complete as long as
    /// the owner has started no lane.
    before: Option<SessionId>,
    pub(in crate::proto) stale_frames: u64,
    apart: PerLane<Apart>,
}

impl Inbound {
    pub(super) fn new(settings: &LaneSettings) -> Self {
        Self {
            owner: SessionId(0),
            lanes: PerLane::from_fn(|lane| InboundLane::new(settings.windows[lane])),
            tenure: Tenure::Unowned,
            before: None,
            stale_frames: 0,
            apart: PerLane::default(),
        }
    }

    /// The one session whose input counts.
    pub(in crate::proto) fn owner(&self) -> Option<SessionId> {
        (self.tenure != Tenure::Unowned).then_some(self.owner)
    }

    /// Whether the input of a session counts that has begun.
    ///
    /// Looks at the number alone, which is in the first cache line: whoever asks has begun, so somebody owns this side, and the number is
    /// not the 0 that stands there before.
    #[inline]
    pub(in crate::proto) fn is_owned_by(&self, session: SessionId) -> bool {
        self.owner == session
    }

    /// From now on only this session's input counts, lane by lane once it has started them. False if that was so before.
    pub(super) fn fence(&mut self, session: SessionId) -> bool {
        if self.owner() == Some(session) {
            return false;
        }
        self.before = self.owner();
        (self.owner, self.tenure) = (session, Tenure::Offered);
        for (_, lane) in self.lanes.iter_mut() {
            lane.was_started = lane.is_started;
            lane.is_started = false;
        }
        true
    }

    /// This session begins: only its input counts, and it tells its peer itself whatever is handed over from here on. Returns what
    /// [`fence`](Self::fence) does.
    pub(super) fn begin(&mut self, session: SessionId) -> bool {
        let is_news = self.fence(session);
        self.tenure = Tenure::Begun;
        self.lanes.iter_mut().for_each(|(_, lane)| lane.acknowledged = lane.handed);
        is_news
    }

    /// Whether it is this session that tells its peer what is handed over.
    #[inline]
    pub(super) fn is_told_by(&self, session: SessionId) -> bool {
        self.is_owned_by(session) || (self.tenure == Tenure::Offered && self.before == Some(session))
    }

    pub(in crate::proto) fn lane(&self, lane: Lane) -> &InboundLane {
        &self.lanes[lane]
    }

    #[inline]
    pub(in crate::proto) fn lane_mut(&mut self, lane: Lane) -> &mut InboundLane {
        &mut self.lanes[lane]
    }

    /// Whether this session has started all lanes, no other has since, and everything below these numbers has arrived.
    pub(in crate::proto) fn has_reached(&self, session: SessionId, ends: &PerLane<u64>) -> bool {
        let (is_owner, was_owner) = (self.is_owned_by(session), self.before == Some(session));
        self.lanes.iter().all(|(lane, inbound)| {
            let is_started = if is_owner { inbound.is_started } else { was_owner && inbound.was_started };
            is_started && inbound.expected >= ends[lane]
        })
    }

    /// Starts a lane of the owner. Returns whether its numbers continue; lanes that are not resumed always begin anew.
    pub(in crate::proto) fn start(&mut self, start: LaneStart) -> Result<bool, InboundFault> {
        self.lanes[start.lane].start(start, &mut self.apart[start.lane])
    }

    #[inline]
    pub(in crate::proto) fn segment(&mut self, segment: Segment) -> Result<Taken, InboundFault> {
        let lane = segment.lane;
        self.lanes[lane].segment(segment, &self.apart[lane])
    }

    pub(in crate::proto) fn fragment(
        &mut self,
        fragment: &Fragment,
        limits: InboundLimits,
    ) -> Result<Taken, InboundFault> {
        self.lanes[fragment.lane].fragment(fragment, limits, &mut self.apart[fragment.lane])
    }

    /// Takes in that messages will not come; how many of them are news, if any number is.
    pub(in crate::proto) fn lagged(&mut self, lagged: &Lagged) -> Result<Option<u64>, InboundFault> {
        self.lanes[lagged.lane].lagged(lagged, &mut self.apart[lagged.lane])
    }

    /// The application has taken everything of a lane below `end`.
    #[inline]
    pub(super) fn done(&mut self, lane: Lane, end: u64) {
        self.lanes[lane].done(end, &mut self.apart[lane]);
    }

    /// Forgets what has come of a message in parts.
    pub(super) fn forget_parts(&mut self, lane: Lane) {
        self.apart[lane].partial = None;
    }

    /// Bytes announced by unfinished messages.
    pub(in crate::proto) fn reassembling(&self) -> usize {
        self.apart.iter().filter_map(|(_, apart)| apart.partial.as_ref()).map(|partial| partial.total()).sum()
    }
}

#[cfg(all(test, target_os = "linux"))]
impl Inbound {
    /// How many bytes at its front what comes on the control lane touches.
    pub(super) const FOR_CONTROL: usize = std::mem::offset_of!(Self, lanes) + size_of::<InboundLane>();
}

/// The receiving side of one lane.
#[derive(Debug)]
pub(in crate::proto) struct InboundLane {
    /// The frames taken in this session that were not acknowledged.
    unacknowledged: Window,
    /// The next number expected, since the first session of the pair.
    expected: u64,
    /// The first number that was not handed over yet.
    handed: u64,
    /// Up to where the peer was told so.
    acknowledged: u64,
    /// Whether the owner has started it.
    is_started: bool,
    /// Whether the owner before that had, and nobody since.
    was_started: bool,
    /// Whether any session has.
    is_known: bool,
    has_apart: bool,
}

/// The limits that a lane is held to.
#[derive(Clone, Copy, Debug)]
pub(in crate::proto) struct InboundLimits {
    pub(in crate::proto) max_message: u32,
    pub(in crate::proto) reassembly_left: usize,
    pub(in crate::proto) reassembly: usize,
}

impl InboundLane {
    fn new(window: u32) -> Self {
        Self {
            unacknowledged: Window::new(window),
            expected: 0,
            handed: 0,
            acknowledged: 0,
            is_started: false,
            was_started: false,
            is_known: false,
            has_apart: false,
        }
    }

    pub(in crate::proto) fn position(&self) -> Option<u64> {
        self.is_known.then_some(self.expected)
    }

    /// Whether so much is not acknowledged that the peer should hear of it though there is nothing else to say to it.
    #[inline]
    pub(in crate::proto) fn owes_much(&self) -> bool {
        self.unacknowledged.bytes() > self.unacknowledged.size() / 4
    }

    fn start(&mut self, start: LaneStart, apart: &mut Apart) -> Result<bool, InboundFault> {
        if self.is_started {
            return Err(InboundFault::StartedTwice { lane: start.lane });
        }
        let continues = start.lane.is_resumed() && self.is_known && start.first <= self.expected;
        (self.is_started, self.was_started, self.is_known) = (true, false, true);
        self.unacknowledged.clear();
        if !continues {
            (self.expected, self.acknowledged, self.handed) = (start.first, start.first, start.first);
            *apart = Apart::default();
            self.has_apart = false;
        }
        Ok(continues)
    }

    fn segment(&mut self, segment: Segment, apart: &Apart) -> Result<Taken, InboundFault> {
        let Segment { lane, first, count, mut packed } = segment;
        let end = first.saturating_add(u64::from(count));
        let expected = self.expected(lane)?;
        if first > expected {
            return Err(InboundFault::Jump { lane, expected, got: first });
        }
        if end <= expected {
            return Ok(Taken::Duplicate);
        }
        if self.has_apart
            && lane != Lane::Requests
            && let Some(partial) = &apart.partial
        {
            let offset = u32::try_from(partial.received.len()).unwrap_or(u32::MAX);
            return Err(InboundFault::Discontinuous { message: partial.message, offset });
        }
        self.take_bytes(lane, packed.len())?;
        for _ in first..expected {
            let Some((message, _)) = frame::split_message(&packed) else { break };
            let skip = message.len() + 2;
            packed = packed.split_off(skip);
        }
        self.expected = end;
        let count = u32::try_from(end - expected).unwrap_or(u32::MAX);
        Ok(Taken::Batch(Batch::packed(lane, end, packed, count)))
    }

    fn fragment(
        &mut self,
        fragment: &Fragment,
        limits: InboundLimits,
        apart: &mut Apart,
    ) -> Result<Taken, InboundFault> {
        let &Fragment { lane, number, message, total, offset, .. } = fragment;
        let expected = self.expected(lane)?;
        if number > expected {
            return Err(InboundFault::Jump { lane, expected, got: number });
        }
        if number < expected {
            return Ok(Taken::Duplicate);
        }
        let end = number.saturating_add(1);
        self.take_bytes(lane, fragment.part.len())?;
        if offset == 0 {
            apart.partial = Some(Box::new(begun(fragment, limits)?));
        }
        let partial = apart.partial.as_mut().filter(|partial| {
            partial.message == message
                && partial.total == total
                && u32::try_from(partial.received.len()).is_ok_and(|received| received == offset)
        });
        let Some(partial) = partial else { return Err(InboundFault::Discontinuous { message, offset }) };
        partial.received.extend_from_slice(&fragment.part);
        self.expected = end;
        if !fragment.is_last() {
            self.absorbed(number, end, apart);
            return Ok(Taken::Absorbed);
        }
        let whole = apart.partial.take().map(|partial| partial.received.freeze()).unwrap_or_default();
        Ok(Taken::Batch(Batch::whole(lane, end, whole)))
    }

    fn lagged(&mut self, lagged: &Lagged, apart: &mut Apart) -> Result<Option<u64>, InboundFault> {
        let expected = self.expected(lagged.lane)?;
        if lagged.from > expected {
            return Err(InboundFault::Jump { lane: lagged.lane, expected, got: lagged.from });
        }
        if lagged.to <= expected {
            return Ok(None);
        }
        self.unacknowledged.close(expected);
        self.expected = lagged.to;
        apart.partial = None;
        self.absorbed(lagged.from, lagged.to, apart);
        Ok(Some(lagged.messages.min(lagged.to - expected)))
    }

    /// These numbers were taken in without anything to hand over.
    fn absorbed(&mut self, from: u64, to: u64, apart: &mut Apart) {
        self.handed = apart.absorb(from, to, self.handed);
        self.has_apart = !apart.is_empty();
    }

    #[inline]
    fn done(&mut self, end: u64, apart: &mut Apart) {
        // The batch may be of an earlier pairing, which had more numbers than this one yet.
        self.handed = self.handed.max(end.min(self.expected));
        if self.has_apart {
            self.handed = apart.after(self.handed);
            self.has_apart = !apart.is_empty();
        }
    }

    /// What is to be acknowledged, if that is news. From now on it counts as acknowledged.
    ///
    /// Also whether much is left.
    pub(super) fn settle(&mut self) -> Option<(u64, bool)> {
        let next = Some(self.handed).filter(|next| *next > self.acknowledged)?;
        self.acknowledged = next;
        self.unacknowledged.take_below(next, self.expected);
        Some((next, self.owes_much()))
    }

    fn expected(&self, lane: Lane) -> Result<u64, InboundFault> {
        if self.is_started { Ok(self.expected) } else { Err(InboundFault::NotStarted { lane }) }
    }

    /// One frame may go over the window: the sender may always have one under way.
    fn take_bytes(&mut self, lane: Lane, bytes: usize) -> Result<(), InboundFault> {
        let (unacknowledged, window) = (self.unacknowledged.bytes(), self.unacknowledged.size());
        if unacknowledged > window {
            return Err(InboundFault::OverWindow { lane, bytes: unacknowledged, window });
        }
        self.unacknowledged.add(self.expected, bytes);
        Ok(())
    }
}

fn begun(fragment: &Fragment, limits: InboundLimits) -> Result<Partial, InboundFault> {
    let &Fragment { lane, message, total, .. } = fragment;
    if total > limits.max_message {
        return Err(InboundFault::TooLong { lane, total, limit: limits.max_message });
    }
    let bytes = usize::try_from(total).unwrap_or(usize::MAX);
    if bytes > limits.reassembly_left {
        let bytes = (limits.reassembly - limits.reassembly_left).saturating_add(bytes);
        return Err(InboundFault::OverReassembly { bytes, limit: limits.reassembly });
    }
    Ok(Partial { message, total, received: BytesMut::new() })
}

#[cfg(test)]
mod tests;
