//! The handle of a session: send, ask, answer, and see how far the peer is behind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::error::{RequestError, SendFailure};
use crate::link::{LinkInfo, TransportKind};
use crate::proto::body::CloseCode;
use crate::proto::lanes::{LaneLag, Payload, Pushed, RoomFor};
use crate::proto::requests::{Begun, FailureCode, Outcome, RequestId};
use crate::proto::session::SessionStart;
use crate::proto::tunnel::TunnelFrame;
use crate::proto::{Incarnation, Instant, Lane, NodeId, SessionId};

/// What a session's task is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Leave,
    Close(CloseCode, String),
    Tunnel(TunnelFrame),
}

/// A session with a peer. All methods may be called from any thread; none waits, but for
/// [`request`](Self::request) and [`send_waiting`](Self::send_waiting).
pub struct SessionHandle {
    start: SessionStart,
    info: LinkInfo,
    clock: Clock,
    /// Shared with the sessions before and after it on the same lanes.
    wake: Arc<Notify>,
    asks: Mutex<Vec<Ask>>,
    waiting: Mutex<BTreeMap<RequestId, oneshot::Sender<Outcome>>>,
    heard: AtomicU64,
    closed: AtomicBool,
    has_life_line: AtomicBool,
    ended: CancellationToken,
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle")
            .field("peer", &self.start.peer)
            .field("session", &self.start.session)
            .finish_non_exhaustive()
    }
}

impl SessionHandle {
    pub(super) fn new(start: SessionStart, info: LinkInfo, clock: Clock, wake: Arc<Notify>) -> Self {
        let heard = AtomicU64::new(nanos(clock.now()));
        Self {
            start,
            info,
            clock,
            wake,
            asks: Mutex::default(),
            waiting: Mutex::default(),
            heard,
            closed: AtomicBool::new(false),
            has_life_line: AtomicBool::new(false),
            ended: CancellationToken::new(),
        }
    }

    /// The peer.
    pub fn peer(&self) -> &NodeId {
        &self.start.peer
    }

    /// Which life of the peer.
    pub fn incarnation(&self) -> Incarnation {
        self.start.incarnation
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.start.session
    }

    /// The version of the wire.
    pub fn version(&self) -> u16 {
        self.start.version
    }

    /// Whether this side dialled.
    pub fn we_dialled(&self) -> bool {
        self.start.we_dialled
    }

    /// Whether both are sessions of the same lanes: one goes on where the other ended.
    pub fn shares_lanes_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.start.lanes, &other.start.lanes)
    }

    /// What carries the session.
    pub fn link(&self) -> &LinkInfo {
        &self.info
    }

    /// Whether a connection beside a session over QUIC tells of the end of the peer's process.
    pub fn has_life_line(&self) -> bool {
        self.has_life_line.load(Ordering::Relaxed)
    }

    /// When the last byte of the peer was read.
    pub fn last_heard(&self) -> Instant {
        Instant::after_origin(Duration::from_nanos(self.heard.load(Ordering::Relaxed)))
    }

    /// How many bytes a lane takes before its window is full.
    pub fn room(&self, lane: Lane) -> usize {
        self.start.lanes.room(lane)
    }

    /// How far the peer is behind on a lane.
    pub fn lag(&self, lane: Lane) -> LaneLag {
        self.start.lanes.lag(lane)
    }

    /// Puts a message into a lane; `head` goes before it and is always copied. Costs one copy of up to 1 KiB under the lane's lock.
    ///
    /// After the session has ended, the events and notifications lanes still take messages: the next session of the same pair
    /// goes on with them.
    ///
    /// # Errors
    /// When the session has ended, the message is too long, or the lane does not shed and is full.
    #[inline]
    pub fn send(&self, lane: Lane, head: &[u8], message: Payload<'_>) -> Result<Pushed, SendFailure> {
        if self.is_over_for(lane) {
            return Err(SendFailure::Ended);
        }
        Ok(self.pushed(self.start.lanes.push_with_head(lane, head, message)?))
    }

    /// As [`send`](Self::send), but waits for room first, at most for so long. Then it sheds, or is refused, as `send` is.
    ///
    /// While the peer takes what is sent, nothing is lost at any rate. Those who wait for the same lane are served in their order,
    /// before those who begin to wait; a caller of `send` does not stand in that queue. Costs what `send` costs if there is room, and a
    /// future, which [`send_if_room`](Self::send_if_room) before it spares a caller in a hurry.
    ///
    /// Cancel safe: dropped before it is ready, nothing was sent.
    ///
    /// # Errors
    /// As [`send`](Self::send). On a lane whose numbers end with the session, the end of the session ends the wait.
    pub async fn send_waiting(
        &self,
        lane: Lane,
        head: &[u8],
        message: Payload<'_>,
        at_most: Duration,
    ) -> Result<Pushed, SendFailure> {
        if let Some(pushed) = self.send_if_room(lane, head, &message)? {
            return Ok(pushed);
        }
        let mut room = self.room_for(lane, head.len() + message.len());
        let deadline = tokio::time::Instant::now() + at_most;
        loop {
            tokio::select! {
                biased;
                () = self.ended.cancelled(), if !lane.is_resumed() => return Err(SendFailure::Ended),
                () = tokio::time::sleep_until(deadline) => break,
                () = &mut room => {}
            }
            if let Some(pushed) = room.push(head, &message)? {
                return Ok(self.pushed(pushed));
            }
        }
        drop(room);
        self.send(lane, head, message)
    }

    /// As [`send`](Self::send), if there is room: nothing gives way, and nobody who waits is overtaken. `None` if there is none.
    ///
    /// # Errors
    /// When the session has ended or the message is too long.
    #[inline]
    pub fn send_if_room(
        &self,
        lane: Lane,
        head: &[u8],
        message: &Payload<'_>,
    ) -> Result<Option<Pushed>, SendFailure> {
        if self.is_over_for(lane) {
            return Err(SendFailure::Ended);
        }
        let pushed = self.start.lanes.push_if_room(lane, head, message)?;
        Ok(pushed.map(|pushed| self.pushed(pushed)))
    }

    /// Waits until a lane has room for a message of so many bytes, its head included. Cancel safe.
    pub fn room_for(&self, lane: Lane, len: usize) -> RoomFor {
        self.start.lanes.room_for(lane, len)
    }

    #[inline]
    fn pushed(&self, pushed: Pushed) -> Pushed {
        if pushed.wake {
            self.wake();
        }
        pushed
    }

    /// Whether the session has ended, and nothing goes on with what this lane takes.
    #[inline]
    fn is_over_for(&self, lane: Lane) -> bool {
        self.closed.load(Ordering::Relaxed) && !lane.is_resumed()
    }

    /// Has the session's task look for something to send, and call the handler's `before_sending`.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Records that a batch has been taken, so that its messages are acknowledged.
    pub fn done(&self, lane: Lane, end: u64) {
        self.start.lanes.done(lane, end);
        self.wake();
    }

    /// As [`done`](Self::done), from within the handler: the session's task acknowledges anyway.
    pub fn done_inline(&self, lane: Lane, end: u64) {
        self.start.lanes.done(lane, end);
    }

    /// Asks the peer and waits for its reply. Requests and replies of more than 64 KiB may be overtaken by shorter ones.
    ///
    /// Costs an allocation and a wake of the task that waits; [`ask`](Self::ask) costs neither. Dropping the future cancels the
    /// request and tells the peer.
    ///
    /// # Errors
    /// When it cannot be sent, the peer refuses, the deadline passes or the link is lost; each request has exactly one outcome.
    pub async fn request(&self, payload: Payload<'_>, timeout: Duration) -> Result<Bytes, RequestError> {
        let (sender, outcome) = oneshot::channel();
        let id = self.begin(payload, timeout, None, |id| {
            self.waiting().insert(id, sender);
        });
        let cancel = CancelOnDrop { session: self, id: id? };
        let outcome = outcome.await.unwrap_or(Outcome::LinkLost);
        cancel.disarm();
        match outcome {
            Outcome::Reply(payload) => Ok(payload),
            Outcome::Failed { code, text } => Err(RequestError::Failed { code, text }),
            Outcome::DeadlinePassed => Err(RequestError::DeadlinePassed),
            Outcome::LinkLost => Err(RequestError::LinkLost),
        }
    }

    /// Asks the peer. The outcome comes to the handler, as [`Incoming::Answered`](super::Incoming::Answered) with this token,
    /// which may be before this returns.
    ///
    /// Costs no task, allocation or wake: a handler that answers an outcome with the next request sends those of one read in one
    /// write. Each request that was taken has exactly one outcome, unless it is [cancelled](Self::cancel).
    ///
    /// # Errors
    /// When it cannot be sent; then there is no outcome.
    pub fn ask(
        &self,
        payload: Payload<'_>,
        timeout: Duration,
        token: u64,
    ) -> Result<RequestId, RequestError> {
        self.begin(payload, timeout, Some(token), |_| {})
    }

    /// Gives a request up and tells the peer. False if it has ended already: then its outcome has come, or is on its way to the
    /// handler.
    pub fn cancel(&self, id: RequestId) -> bool {
        let head = self.start.lanes.cancel(id);
        if let Some(head) = &head {
            // If the lane is full, the peer finds out at the deadline.
            let _ = self.send(Lane::Requests, head.as_slice(), Payload::Copied(&[]));
        }
        head.is_some()
    }

    fn begin(
        &self,
        payload: Payload<'_>,
        timeout: Duration,
        token: Option<u64>,
        register: impl FnOnce(RequestId),
    ) -> Result<RequestId, RequestError> {
        let Begun { id, head, is_next } =
            self.start.lanes.requests().ask(self.clock.now(), timeout, token)?;
        register(id);
        match self.send(Lane::Requests, head.as_slice(), payload) {
            // The task computes its next deadline anew.
            Ok(pushed) if is_next && !pushed.wake => self.wake(),
            Ok(_) => {}
            // With the session that has just ended it has had its outcome.
            Err(_) if self.start.lanes.cancel(id).is_none() => {}
            Err(failure) => {
                self.waiting().remove(&id);
                return Err(failure.into());
            }
        }
        Ok(id)
    }

    /// Answers a request of the peer. False if the peer does not wait for it any more, or the answer does not fit into the lane.
    pub fn reply(&self, id: RequestId, payload: Payload<'_>) -> bool {
        let head = self.start.lanes.requests().reply(id);
        head.is_some_and(|head| self.send(Lane::Requests, head.as_slice(), payload).is_ok())
    }

    /// Tells the peer that its request has no reply.
    pub fn fail(&self, id: RequestId, code: FailureCode, text: &str) -> bool {
        let head = self.start.lanes.requests().fail(id, code);
        head.is_some_and(|head| {
            self.send(Lane::Requests, head.as_slice(), Payload::Copied(text.as_bytes())).is_ok()
        })
    }

    /// Gives up what the events and notifications lanes hold for the peer: the next session of the same pair begins with a gap that
    /// both sides are told of.
    pub fn give_up(&self) {
        self.start.lanes.give_up();
    }

    /// Whether it goes through a tunnel that a third member carries.
    pub fn is_tunnelled(&self) -> bool {
        self.info.transport == TransportKind::Tunnel
    }

    pub(super) fn send_tunnel(&self, frame: TunnelFrame) {
        if !self.closed.load(Ordering::Relaxed) {
            self.tell_task(Ask::Tunnel(frame));
        }
    }

    /// Closes the session with a word to the peer.
    pub fn close(&self, code: CloseCode, text: &str) {
        self.tell_task(Ask::Close(code, text.to_owned()));
    }

    /// Waits until the session has ended.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    pub(super) fn tell_task(&self, ask: Ask) {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner).push(ask);
        self.wake.notify_one();
    }

    pub(super) fn take_asks(&self) -> Vec<Ask> {
        std::mem::take(&mut *self.asks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn woken(&self) {
        // A `Notify` does not count against the task's budget: without this, endless wakes would hold the whole worker.
        tokio::task::coop::consume_budget().await;
        self.wake.notified().await;
    }

    /// Whether the session had no life line; it has one now.
    pub(super) fn take_life_line(&self) -> bool {
        !self.has_life_line.swap(true, Ordering::Relaxed)
    }

    pub(super) fn give_life_line_back(&self) {
        self.has_life_line.store(false, Ordering::Relaxed);
    }

    pub(super) fn set_heard(&self, at: Instant) {
        self.heard.store(nanos(at), Ordering::Relaxed);
    }

    /// Gives outcomes to those who wait for them: all at once, for whoever is woken asks again, and wants the locks of the next one.
    pub(super) fn requests_ended(&self, outcomes: Vec<(RequestId, Outcome)>) {
        if outcomes.is_empty() {
            return;
        }
        let ended: Vec<_> = {
            let mut waiting = self.waiting();
            // Whoever asked may have gone.
            outcomes.into_iter().filter_map(|(id, outcome)| Some((waiting.remove(&id)?, outcome))).collect()
        };
        for (waiting, outcome) in ended {
            let _ = waiting.send(outcome);
        }
    }

    /// Nothing is sent any more and every request is lost.
    pub(super) fn set_ended(&self) {
        self.closed.store(true, Ordering::Relaxed);
        for (_, waiting) in std::mem::take(&mut *self.waiting()) {
            let _ = waiting.send(Outcome::LinkLost);
        }
        self.ended.cancel();
        // A wake that this session's task took may have been for the next one.
        self.wake.notify_one();
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<RequestId, oneshot::Sender<Outcome>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct CancelOnDrop<'a> {
    session: &'a SessionHandle,
    id: RequestId,
}

impl CancelOnDrop<'_> {
    /// The request has ended.
    fn disarm(self) {
        std::mem::forget(self);
    }
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.session.waiting().remove(&self.id);
        self.session.cancel(self.id);
    }
}

fn nanos(at: Instant) -> u64 {
    u64::try_from(at.since_origin().as_nanos()).unwrap_or(u64::MAX)
}
