//! The places for plain HTTP connections. When all are taken, the connection that has been idle for longest gives way: whoever
//! only holds places holds none against somebody who asks for something, such as a front for the node's health.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::load::{Bound, Load, Present, Thing};

/// For how long the last answer of an idle connection may still be on its way.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// The places of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Arc<Semaphore>,
    idle: Mutex<Idle>,
    fell_idle: Notify,
    load: Load,
}

/// Who is idle, in the order in which they fell idle.
#[derive(Debug, Default)]
struct Idle {
    next: u64,
    connections: BTreeMap<u64, CancellationToken>,
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    doing: Mutex<Doing>,
    gives_way: CancellationToken,
    _present: Present,
    _permit: OwnedSemaphorePermit,
}

/// What a connection does.
#[derive(Clone, Copy, Debug)]
enum Doing {
    /// Nothing, or it sends the head of a request, which may never end. Since its last answer, if there was one.
    Idle { number: u64, answered: Option<Instant> },
    /// It is being answered, or its events are read.
    Answering,
}

/// An answer that is under way until this is dropped.
#[derive(Debug)]
pub(super) struct Answering(Arc<Place>);

impl Places {
    pub(super) fn new(connections: usize, load: Load) -> Self {
        let free = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner { free, idle: Mutex::default(), fell_idle: Notify::new(), load }))
    }

    /// A place, for which another connection may have to go. Waits while none is idle; those who wait get one in their order. Cancel
    /// safe.
    pub(super) async fn take(&self) -> Arc<Place> {
        let permit = match Arc::clone(&self.0.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.make_room().await,
        };
        let gives_way = CancellationToken::new();
        let number = self.idle().enter(&gives_way);
        Arc::new(Place {
            places: self.clone(),
            doing: Mutex::new(Doing::Idle { number, answered: None }),
            gives_way,
            _present: self.0.load.enter(Thing::PlainConnection),
            _permit: permit,
        })
    }

    async fn make_room(&self) -> OwnedSemaphorePermit {
        let mut permit = pin!(Arc::clone(&self.0.free).acquire_owned());
        let permit = tokio::select! {
            biased;
            permit = permit.as_mut() => permit,
            () = self.somebody_goes() => permit.await,
        };
        #[expect(clippy::expect_used, reason = "nobody closes it")]
        permit.expect("an open semaphore")
    }

    /// Has the connection go that has been idle for longest, as soon as one is.
    async fn somebody_goes(&self) {
        loop {
            let mut fell_idle = pin!(self.0.fell_idle.notified());
            // From here on: others may be waiting for the same.
            fell_idle.as_mut().enable();
            if let Some((_, longest)) = self.idle().connections.pop_first() {
                self.0.load.meets(Bound::PlainConnections);
                longest.cancel();
                return;
            }
            fell_idle.await;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn enter(&mut self, gives_way: &CancellationToken) -> u64 {
        self.next += 1;
        self.connections.insert(self.next, gives_way.clone());
        self.next
    }
}

impl Place {
    /// Resolves when the connection has to go for another one's sake.
    pub(super) async fn gives_way(&self) {
        self.gives_way.cancelled().await;
    }

    /// How long it may take to go: nobody waits for a request that has not come whole.
    pub(super) fn goes_within(&self) -> Duration {
        match *self.doing() {
            Doing::Idle { answered: None, .. } => Duration::ZERO,
            Doing::Idle { answered: Some(at), .. } => LAST_ANSWER.saturating_sub(at.elapsed()),
            Doing::Answering => LAST_ANSWER,
        }
    }

    /// The connection is asked for something.
    pub(super) fn is_asked(self: &Arc<Self>) -> Answering {
        self.changes(Doing::Answering);
        Answering(Arc::clone(self))
    }

    fn has_answered(&self) {
        let number = self.places.idle().enter(&self.gives_way);
        self.changes(Doing::Idle { number, answered: Some(Instant::now()) });
        self.places.0.fell_idle.notify_one();
    }

    fn changes(&self, doing: Doing) {
        let before = std::mem::replace(&mut *self.doing(), doing);
        if let Doing::Idle { number, .. } = before {
            self.places.idle().connections.remove(&number);
        }
    }

    fn doing(&self) -> MutexGuard<'_, Doing> {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.changes(Doing::Answering);
    }
}

impl Answering {
    /// Keeps the answer under way until its body has been given to the connection: that of events never ends.
    pub(super) fn until_given(self, body: Body) -> Answer {
        Answer { body, _answering: self }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.has_answered();
    }
}

/// The body of an answer that is under way.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    _answering: Answering,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_has_been_idle_for_longest_gives_way_and_who_answers_does_not() {
        let load = Load::new(1);
        let places = Places::new(3, load.clone());
        let [first, second, third] = [places.take().await, places.take().await, places.take().await];
        let first_answer = first.is_asked();
        drop(second.is_asked());
        let mut fourth = Box::pin(places.take());
        assert!(fourth.as_mut().now_or_never().is_none());
        let gone = [&first, &second, &third].map(|place| place.gives_way().now_or_never().is_some());
        assert_eq!(gone, [false, false, true]);
        drop(third);
        let fourth = fourth.await;
        let _answers = [fourth.is_asked(), second.is_asked()];
        let mut fifth = Box::pin(places.take());
        assert!(fifth.as_mut().now_or_never().is_none());
        drop(first_answer);
        assert!(fifth.as_mut().now_or_never().is_none());
        assert!(first.gives_way().now_or_never().is_some(), "it has fallen idle while another one waited");
        drop(first);
        drop(fifth.await);
        assert_eq!(load.met(Bound::PlainConnections), 2);
        assert!(places.idle().connections.is_empty());
    }

    #[tokio::test]
    async fn for_each_who_waits_one_goes_and_nobody_goes_twice() {
        let load = Load::new(1);
        let places = Places::new(2, load.clone());
        let places_taken = [places.take().await, places.take().await];
        let answers = places_taken.each_ref().map(Place::is_asked);
        let mut waiting = [(); 3].map(|()| Box::pin(places.take()));
        let mut are_waiting = || waiting.each_mut().map(|taking| taking.as_mut().now_or_never().is_none());
        assert_eq!(are_waiting(), [true; 3]);
        drop(answers);
        assert_eq!(are_waiting(), [true; 3]);
        let gone = places_taken.each_ref().map(|place| place.gives_way().now_or_never().is_some());
        assert_eq!((gone, load.met(Bound::PlainConnections)), ([true; 2], 2));
        drop(places_taken);
        let taken = waiting.each_mut().map(|taking| taking.as_mut().now_or_never());
        assert_eq!(taken.each_ref().map(Option::is_some), [true, true, false], "in their order");
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_last_answer_has_time_to_get_there() {
        let places = Places::new(1, Load::new(1));
        let place = places.take().await;
        assert_eq!(place.goes_within(), Duration::ZERO);
        let answering = place.is_asked();
        assert_eq!(place.goes_within(), LAST_ANSWER);
        drop(answering.until_given(Body::empty()));
        tokio::time::advance(LAST_ANSWER / 4).await;
        assert_eq!(place.goes_within(), LAST_ANSWER * 3 / 4);
        tokio::time::advance(LAST_ANSWER).await;
        assert_eq!(place.goes_within(), Duration::ZERO);
    }
}
