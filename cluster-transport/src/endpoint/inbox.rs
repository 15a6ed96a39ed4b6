//! Messages kept until they are asked for: [`Inbox::recv_batch`], and [`Inbox::recv`] for one at a time.
//!
//! A [`Handler`] is given batches as they come, which is the fastest way and leaves what to do with them to it. This one keeps
//! them instead. What is kept has not been acknowledged, so the windows of the peers bound it: a receiver that takes its time
//! slows down whoever waits for room, and nobody else.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::handler::{Event, Handler, Incoming};
use super::session::SessionHandle;
use crate::proto::Lane;
use crate::proto::lanes::{Batch, Messages};
use crate::proto::session::{Direction, Missed};

/// The receiving end: messages of all peers, on the lanes of events and notifications, in the order in which they came.
///
/// Worst case of memory: for each peer the windows of both lanes, 5 MiB with the defaults.
#[derive(Debug)]
pub struct Inbox {
    queue: Arc<Queue>,
    current: Option<Current>,
}

/// Messages of a peer that will not come. They stand in their lane in place of what is missing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("messages of {} on the {lane} lane are missing: {missed:?}", .session.peer())]
pub struct Lagged {
    /// The peer.
    pub session: Arc<SessionHandle>,
    /// The lane.
    pub lane: Lane,
    /// How many. A session whose numbers do not go on from an earlier one begins with [`Missed::Unknown`].
    pub missed: Missed,
}

/// Messages of one peer, borrowed from the buffer they were read into. They are acknowledged when this is dropped.
#[derive(Debug)]
pub struct Delivery<'a> {
    session: Arc<SessionHandle>,
    batch: Batch,
    _inbox: &'a mut Inbox,
}

/// One message, which shares the buffer it was read into.
#[derive(Clone, Debug)]
pub struct Message {
    /// Whose it is.
    pub session: Arc<SessionHandle>,
    /// The lane.
    pub lane: Lane,
    /// What it says.
    pub payload: Bytes,
}

impl Inbox {
    /// An inbox, and the handler to give to the endpoint. Events, requests, the other lanes, and what is lost on the way out
    /// go to `rest`.
    pub fn new(rest: Arc<dyn Handler>) -> (Self, Arc<dyn Handler>) {
        let queue = Arc::new(Queue::default());
        let handler = Keeper { queue: Arc::clone(&queue), rest };
        (Self { queue, current: None }, Arc::new(handler))
    }

    /// The next messages of a peer, as many as came in one segment; `None` once the endpoint is gone.
    ///
    /// Costs neither an allocation nor a copy. What [`recv`](Self::recv) has left of a batch is passed over. Cancel safe.
    ///
    /// # Errors
    /// In place of messages that will not come; the next call goes on after them.
    pub async fn recv_batch(&mut self) -> Option<Result<Delivery<'_>, Lagged>> {
        self.current = None;
        match self.queue.next().await? {
            Kept::Batch(session, batch) => Some(Ok(Delivery { session, batch, _inbox: self })),
            Kept::Lagged(lagged) => Some(Err(lagged)),
        }
    }

    /// The next message; `None` once the endpoint is gone. It is acknowledged with those that came with it, when the first one
    /// after them is asked for. Cancel safe.
    ///
    /// # Errors
    /// In place of messages that will not come; the next call goes on after them.
    pub async fn recv(&mut self) -> Option<Result<Message, Lagged>> {
        loop {
            if let Some(message) = self.current.as_mut().and_then(Current::next) {
                return Some(Ok(message));
            }
            self.current = None;
            match self.queue.next().await? {
                Kept::Batch(session, batch) => self.current = Some(Current::of(session, batch)),
                Kept::Lagged(lagged) => return Some(Err(lagged)),
            }
        }
    }
}

impl Delivery<'_> {
    /// Whose they are.
    pub fn session(&self) -> &Arc<SessionHandle> {
        &self.session
    }

    /// The messages.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }
}

impl<'a> IntoIterator for &'a Delivery<'_> {
    type Item = &'a [u8];
    type IntoIter = Messages<'a>;

    fn into_iter(self) -> Messages<'a> {
        self.batch.iter()
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        self.session.done(self.batch.lane(), self.batch.end());
    }
}

/// A batch of which messages are handed out one by one.
struct Current {
    session: Arc<SessionHandle>,
    lane: Lane,
    end: u64,
    messages: Box<dyn Iterator<Item = Bytes> + Send + Sync>,
}

impl Current {
    fn of(session: Arc<SessionHandle>, batch: Batch) -> Self {
        Self { session, lane: batch.lane(), end: batch.end(), messages: Box::new(batch.into_messages()) }
    }

    fn next(&mut self) -> Option<Message> {
        let payload = self.messages.next()?;
        Some(Message { session: Arc::clone(&self.session), lane: self.lane, payload })
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("lane", &self.lane).field("end", &self.end).finish_non_exhaustive()
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        self.session.done(self.lane, self.end);
    }
}

#[derive(Debug)]
enum Kept {
    Batch(Arc<SessionHandle>, Batch),
    Lagged(Lagged),
}

#[derive(Debug, Default)]
struct Queue {
    kept: Mutex<VecDeque<Kept>>,
    news: Notify,
    gone: AtomicBool,
}

impl Queue {
    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, kept: Kept) {
        self.kept().push_back(kept);
        self.news.notify_one();
    }

    async fn next(&self) -> Option<Kept> {
        loop {
            if let Some(kept) = self.kept().pop_front() {
                return Some(kept);
            }
            if self.gone.load(Ordering::Acquire) {
                return None;
            }
            self.news.notified().await;
        }
    }
}

/// The handler's side.
struct Keeper {
    queue: Arc<Queue>,
    rest: Arc<dyn Handler>,
}

impl Keeper {
    fn is_ours(lane: Lane) -> bool {
        matches!(lane, Lane::Events | Lane::Notifications)
    }
}

impl Handler for Keeper {
    fn on_event(&self, event: Event) {
        self.rest.on_event(event);
    }

    fn on_incoming(&self, session: &Arc<SessionHandle>, incoming: Incoming) {
        match incoming {
            Incoming::Batch(batch) if Self::is_ours(batch.lane()) => {
                self.queue.keep(Kept::Batch(Arc::clone(session), batch));
            }
            Incoming::Lagged { lane, direction: Direction::Inbound, missed } if Self::is_ours(lane) => {
                self.queue.keep(Kept::Lagged(Lagged { session: Arc::clone(session), lane, missed }));
            }
            other => self.rest.on_incoming(session, other),
        }
    }

    fn on_heard(&self, session: &Arc<SessionHandle>) {
        self.rest.on_heard(session);
    }

    fn before_sending(&self, session: &Arc<SessionHandle>) {
        self.rest.before_sending(session);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.queue.gone.store(true, Ordering::Release);
        self.queue.news.notify_one();
    }
}
