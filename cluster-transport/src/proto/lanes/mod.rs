//! The numbers, windows and rings of one ordered pair of incarnations. They outlive the links that carry them.
//!
//! [`PeerLanes`] is shared by whoever sends to the peer (a lane's lock is held for one copy into its open segment), by the
//! session that carries the lanes just now, and by whoever hands received messages to the application. A session must own
//! the receiving side: [`PeerLanes::fence`] names the one session whose input counts, anything else is dropped and counted.

mod age;
mod apart;
mod batch;
mod blocks;
mod budget;
mod flags;
mod inbound;
mod outbound;
mod outcome;
mod room;
mod settings;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

pub use batch::{Batch, Messages};
pub use budget::RingBudget;
pub use inbound::InboundFault;
pub use outbound::{Outbound, Sent};
pub use outcome::{LaneLag, Pushed, SendError};
pub use room::RoomFor;
pub use settings::LaneSettings;

pub(super) use self::flags::Lanes;
use self::flags::{Flag, Flags};
pub(super) use self::inbound::{Inbound, InboundLimits, Taken};
use super::body::Positions;
use super::requests::{Head, RequestId, Requests};
use super::{Instant, Lane, PerLane, SessionId};

/// Everything that one node keeps of its exchange with one incarnation of another.
///
/// In this order, so that all that a heartbeat and its acknowledgement touch is in three cache lines.
#[derive(Debug)]
#[repr(C)]
pub struct PeerLanes {
    flags: Flags,
    outbound: PerLane<Mutex<Outbound>>,
    inbound: Aligned<Mutex<Inbound>>,
    settings: Arc<LaneSettings>,
    budget: Arc<RingBudget>,
    requests: Mutex<Requests>,
}

impl PeerLanes {
    /// Lanes of a pair that has not exchanged anything yet, whose rings share their memory with nobody.
    pub fn new(settings: &LaneSettings) -> Self {
        Self::with_budget(&Arc::new(settings.clone()), RingBudget::new(settings.ring_total))
    }

    /// Lanes of a pair that has not exchanged anything yet, whose rings share their memory with those of others.
    pub fn sharing(settings: &Arc<LaneSettings>, budget: &Arc<RingBudget>) -> Arc<Self> {
        let lanes = Arc::new(Self::with_budget(settings, Arc::clone(budget)));
        budget.add(&lanes);
        lanes
    }

    fn with_budget(settings: &Arc<LaneSettings>, budget: Arc<RingBudget>) -> Self {
        Self {
            flags: Flags::default(),
            outbound: PerLane::from_fn(|lane| Mutex::new(Outbound::new(lane, settings, &budget))),
            inbound: Aligned(Mutex::new(Inbound::new(settings))),
            settings: Arc::clone(settings),
            budget,
            requests: Mutex::new(Requests::new(settings.max_requests)),
        }
    }

    /// The limits that these lanes keep.
    pub fn settings(&self) -> &LaneSettings {
        &self.settings
    }

    /// Copies a message into a lane, or takes it by reference when it is longer than 1 KiB.
    ///
    /// Never waits. On the events and notifications lanes the oldest unsent messages give way when the ring is full; the
    /// outcome says how many. The other lanes refuse instead.
    ///
    /// # Errors
    /// When the message is longer than the lane takes, or the lane does not shed and is full.
    pub fn push(&self, lane: Lane, message: Payload<'_>) -> Result<Pushed, SendError> {
        self.push_with_head(lane, &[], message)
    }

    /// As [`push`](Self::push), with a head that is copied in front of the message.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    #[inline]
    pub fn push_with_head(&self, lane: Lane, head: &[u8], message: Payload<'_>) -> Result<Pushed, SendError> {
        // What gives way makes room for those who wait.
        let pushed = self.changing(lane, |outbound| outbound.push(head, &message))?;
        Ok(self.relieved(lane, pushed))
    }

    /// Has rings shed if all together hold too much.
    #[inline]
    fn relieved(&self, lane: Lane, pushed: Pushed) -> Pushed {
        if lane.is_resumed() && self.budget.is_over() { self.relieve(lane, pushed) } else { pushed }
    }

    #[cold]
    fn relieve(&self, lane: Lane, mut pushed: Pushed) -> Pushed {
        self.budget.relieve();
        pushed.shed += self.take_untold(lane);
        pushed
    }

    /// Time has passed: sheds what has waited for too long, and gives memory back that was kept for more. To be called about once a second, and then
    /// [`take_untold`](Self::take_untold).
    pub fn tick(&self, now: Instant) {
        for lane in self.flags.lanes(Flag::Kept).iter() {
            self.changing(lane, |outbound| outbound.tick(now, self.settings.ring_age));
        }
    }

    /// How many messages of a lane gave way since this was asked last, other than by a push that said so: because they had waited
    /// for too long, or because all rings together held too much.
    pub fn take_untold(&self, lane: Lane) -> u64 {
        if !self.keeps(lane) {
            return 0;
        }
        self.outbound(lane).take_untold()
    }

    /// Whether a lane holds anything. Of the control lane it says nothing about what was sent.
    fn keeps(&self, lane: Lane) -> bool {
        self.flags.lanes(Flag::Kept).contains(lane)
    }

    /// A session is over, and nothing is sent before the next one.
    pub(super) fn session_ended(&self, session: SessionId) {
        for lane in budget::resumed() {
            self.outbound(lane).session_ended(session);
        }
    }

    /// How many bytes a lane takes before its window is full.
    pub fn room(&self, lane: Lane) -> usize {
        self.outbound(lane).room()
    }

    /// What a lane has sent, shed and not yet been acknowledged.
    pub fn lag(&self, lane: Lane) -> LaneLag {
        self.outbound(lane).lag()
    }

    /// How many bytes of a lane are not sent, or not acknowledged yet.
    pub fn held(&self, lane: Lane) -> usize {
        if lane != Lane::Control && !self.keeps(lane) {
            return 0;
        }
        self.outbound(lane).unacknowledged()
    }

    /// The next numbers expected from the peer.
    pub fn positions(&self) -> Positions {
        let inbound = self.inbound();
        Positions {
            events: inbound.lane(Lane::Events).position(),
            notifications: inbound.lane(Lane::Notifications).position(),
        }
    }

    /// From now on only this session's input counts. To be called before a position is stated.
    pub fn fence(&self, session: SessionId) {
        let is_news = self.inbound().fence(session);
        self.fenced(is_news);
    }

    /// Requests belong to the session whose input counted before.
    fn fenced(&self, is_news: bool) {
        if is_news {
            self.requests().handle_link_lost();
        }
    }

    /// This session begins: only its input counts, and whatever is handed over from here on it tells its peer.
    pub(super) fn begin(&self, session: SessionId) {
        let is_news = self.inbound().begin(session);
        self.fenced(is_news);
    }

    /// Gives up what the lanes hold whose numbers outlive a link. A later session begins with a gap that both sides are told of, even if
    /// nothing was held: what would have been sent meanwhile is not kept.
    pub fn give_up(&self) {
        for lane in budget::resumed() {
            self.changing(lane, Outbound::give_up);
        }
    }

    /// The session whose input counts.
    pub fn owner(&self) -> Option<SessionId> {
        self.inbound().owner()
    }

    /// How many frames of a fenced-off session were dropped.
    pub fn stale_frames(&self) -> u64 {
        self.inbound().stale_frames
    }

    /// Records that the application has taken a batch, so that it can be acknowledged.
    pub fn done(&self, lane: Lane, end: u64) {
        let mut inbound = self.inbound();
        inbound.done(lane, end);
        self.flags.note_owing(lane, true);
    }

    /// Records that numbers were taken in that have nothing to hand over, so that they can be acknowledged.
    pub(super) fn absorbed(&self, lane: Lane) {
        let _inbound = self.inbound();
        self.flags.note_owing(lane, true);
    }

    /// Ends all requests, unless another session has taken over. What has come of a long one is of no use to anybody.
    pub(super) fn end_requests(&self, session: SessionId) {
        let mut inbound = self.inbound();
        if inbound.owner() == Some(session) {
            inbound.forget_parts(Lane::Requests);
            drop(inbound);
            self.requests().handle_link_lost();
        }
    }

    /// The next frame of a lane that its window lets out.
    pub(super) fn poll(&self, lane: Lane, session: SessionId) -> Option<Sent> {
        self.changing(lane, |outbound| outbound.poll(session))
    }

    /// The open segment of a lane that is not resumed, if that is all it has to send and the window lets it out. There is room behind it for an
    /// acknowledgement.
    pub(super) fn poll_alone(&self, lane: Lane, session: SessionId) -> Option<BytesMut> {
        self.changing(lane, |outbound| outbound.poll_alone(session))
    }

    /// The lanes that may have something to send. On any other a push asks for a wake.
    pub(super) fn busy(&self) -> Lanes {
        self.flags.lanes(Flag::Busy)
    }

    /// The lanes on which the application may have taken something that is not acknowledged.
    pub(super) fn owing(&self) -> Lanes {
        self.flags.owing()
    }

    /// What this session is to acknowledge of a lane, if that is news, and whether much is left that is not. From now on it counts as
    /// acknowledged.
    pub(super) fn settle(&self, lane: Lane, session: SessionId) -> Option<(u64, bool)> {
        let mut inbound = self.inbound();
        if !inbound.is_told_by(session) {
            return None;
        }
        self.flags.note_owing(lane, false);
        inbound.lane_mut(lane).settle()
    }

    #[inline]
    pub(super) fn outbound(&self, lane: Lane) -> MutexGuard<'_, Outbound> {
        lock(&self.outbound[lane])
    }

    pub(super) fn inbound(&self) -> MutexGuard<'_, Inbound> {
        lock(&self.inbound.0)
    }

    /// Gives a request up, and what is unsent of it if it is long; the peer does the same with its reply. The head of the message that
    /// tells the peer, unless the request has ended already.
    pub fn cancel(&self, id: RequestId) -> Option<Head> {
        let head = self.requests().cancel(id)?;
        self.withdraw(Head::of_request(id));
        Some(head)
    }

    /// Gives up what is unsent of the long message of the requests lane that begins with this head.
    pub(super) fn withdraw(&self, head: Head) {
        self.changing(Lane::Requests, |outbound| outbound.withdraw(head.as_slice()));
    }

    /// The requests under way in both directions.
    pub fn requests(&self) -> MutexGuard<'_, Requests> {
        let requests = lock(&self.requests);
        self.flags.note_asking(true);
        requests
    }

    /// As [`requests`](Self::requests), unless there are none: most pairs never ask each other anything, and their sessions ask this at
    /// every turn.
    #[inline]
    pub(super) fn requests_under_way(&self) -> Option<MutexGuard<'_, Requests>> {
        if self.flags.is_asking() { self.requests_if_any() } else { None }
    }

    fn requests_if_any(&self) -> Option<MutexGuard<'_, Requests>> {
        let requests = lock(&self.requests);
        if requests.is_idle() {
            self.flags.note_asking(false);
            return None;
        }
        Some(requests)
    }
}

/// Begins where a cache line does.
#[derive(Debug)]
#[repr(align(64))]
struct Aligned<T>(T);

/// A message on its way into a lane.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// Bytes that are copied.
    Copied(&'a [u8]),
    /// Bytes that are copied up to 1 KiB, and referred to beyond.
    Shared(Bytes),
}

impl Payload<'_> {
    /// How many bytes it has.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    fn to_shared(&self) -> Bytes {
        match self {
            Self::Copied(bytes) => Bytes::copy_from_slice(bytes),
            Self::Shared(bytes) => bytes.clone(),
        }
    }
}

/// A panic under one of these locks has ended its task already; the numbers themselves are consistent between calls.
#[inline]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// Elsewhere locks are larger.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::mem::offset_of;

    use super::*;

    const CACHE_LINE: usize = 64;

    #[test]
    fn what_a_heartbeat_touches_is_in_three_cache_lines_and_what_an_acknowledgement_touches_in_one_of_them() {
        assert_eq!((align_of::<PeerLanes>(), offset_of!(PeerLanes, flags)), (CACHE_LINE, 0));
        let lock = size_of::<Mutex<Outbound>>() - size_of::<Outbound>();
        let sending = offset_of!(PeerLanes, outbound) + lock;
        assert!(sending + Outbound::FOR_ACKNOWLEDGEMENTS <= CACHE_LINE);
        assert!(sending + Outbound::FOR_SHORT_MESSAGES <= 2 * CACHE_LINE);
        assert_eq!(offset_of!(PeerLanes, inbound) % CACHE_LINE, 0);
        assert!(lock + Inbound::FOR_CONTROL <= CACHE_LINE);
    }
}
