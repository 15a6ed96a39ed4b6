//! The places for plain HTTP connections. When all are taken, the connection that has been idle for longest gives way: whoever
//! only holds places holds none against somebody who asks for something, such as a front for the node's health.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::load::{Bound, Load, Present, Thing};

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

/// The place of one connection, which is idle to begin with.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    /// When it fell idle; nothing while it is asked for something.
    idle: Mutex<Option<u64>>,
    gives_way: CancellationToken,
    _present: Present,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(connections: usize, load: Load) -> Self {
        let free = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner { free, idle: Mutex::default(), fell_idle: Notify::new(), load }))
    }

    /// A place, for which another connection may have to go. Waits while none is idle. Cancel safe.
    pub(super) async fn take(&self) -> Place {
        let permit = match Arc::clone(&self.0.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.make_room().await,
        };
        let gives_way = CancellationToken::new();
        let number = self.idle().enter(&gives_way);
        Place {
            places: self.clone(),
            idle: Mutex::new(Some(number)),
            gives_way,
            _present: self.0.load.enter(Thing::PlainConnection),
            _permit: permit,
        }
    }

    async fn make_room(&self) -> OwnedSemaphorePermit {
        let mut somebody_goes = false;
        loop {
            if !somebody_goes && let Some((_, longest)) = self.idle().connections.pop_first() {
                self.0.load.meets(Bound::PlainConnections);
                longest.cancel();
                somebody_goes = true;
            }
            tokio::select! {
                biased;
                permit = Arc::clone(&self.0.free).acquire_owned() => {
                    #[expect(clippy::expect_used, reason = "nobody closes it")]
                    return permit.expect("an open semaphore");
                }
                () = self.0.fell_idle.notified(), if !somebody_goes => {}
            }
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

    /// The connection was asked for something.
    pub(super) fn is_asked(&self) {
        if let Some(number) = self.own().take() {
            self.places.idle().connections.remove(&number);
        }
    }

    /// The connection has answered.
    pub(super) fn has_answered(&self) {
        *self.own() = Some(self.places.idle().enter(&self.gives_way));
        self.places.0.fell_idle.notify_one();
    }

    fn own(&self) -> MutexGuard<'_, Option<u64>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.is_asked();
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
        first.is_asked();
        second.is_asked();
        second.has_answered();
        let mut fourth = Box::pin(places.take());
        assert!(fourth.as_mut().now_or_never().is_none());
        let gone = [&first, &second, &third].map(|place| place.gives_way().now_or_never().is_some());
        assert_eq!(gone, [false, false, true]);
        drop(third);
        let fourth = fourth.await;
        fourth.is_asked();
        second.is_asked();
        let mut fifth = Box::pin(places.take());
        assert!(fifth.as_mut().now_or_never().is_none());
        first.has_answered();
        assert!(fifth.as_mut().now_or_never().is_none());
        assert!(first.gives_way().now_or_never().is_some(), "it has fallen idle while another one waited");
        drop(first);
        drop((fifth.await, second, fourth));
        assert_eq!(load.met(Bound::PlainConnections), 2);
        assert!(places.idle().connections.is_empty());
    }
}
