//! The sessions by peer. A session that has ended stays until the member is removed: what is owed to it waits in its lanes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cluster_transport::endpoint::SessionHandle;
use cluster_transport::proto::{Incarnation, Instant, Lane, NodeId, SessionId};

use super::pacing::Pace;

/// A peer's last session.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) session: Arc<SessionHandle>,
    /// Whether the engine may have something for its state lane, and its session's task is going to look.
    wants_state: AtomicBool,
    /// How many notifications were published before this peer came.
    before: u64,
    /// How many of those since then were for it.
    notified: AtomicU64,
    /// How this node's own changes are told to it.
    pace: Mutex<Pace>,
}

impl Peer {
    /// A notification is for this peer.
    pub(super) fn count_notified(&self) {
        self.notified.fetch_add(1, Ordering::Relaxed);
    }

    /// How many notifications were for this peer since it came, and how many were not, of so many that were published.
    pub(super) fn interest(&self, published: u64) -> (u64, u64) {
        let sent = self.notified.load(Ordering::Relaxed);
        (sent, published.saturating_sub(self.before).saturating_sub(sent))
    }

    /// The engine may have something for the state lane: the session's task will ask. Cheap while it is going to anyway.
    pub(super) fn state_is_waiting(&self) {
        if !self.wants_state.swap(true, Ordering::AcqRel) {
            self.session.wake();
        }
    }

    /// Has the session's task look again, if it has held something back.
    pub(super) fn release_state(&self) {
        if self.wants_state.load(Ordering::Acquire) {
            self.session.wake();
        }
    }

    /// Whether the engine may have something for the state lane that waits for more: while the peer has not acknowledged what
    /// it was told just now.
    pub(super) fn holds_state_back(&self, now: Instant) -> bool {
        let lag = self.session.lag(Lane::State);
        let on_their_way = lag.unacknowledged_bytes + lag.unsent_bytes;
        self.wants_state.load(Ordering::Acquire) && self.pace().holds(now, on_their_way)
    }

    pub(super) fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the mark; whoever takes it has to ask the engine.
    pub(super) fn take_wants_state(&self) -> bool {
        self.wants_state.swap(false, Ordering::AcqRel)
    }

    pub(super) fn put_wants_state_back(&self) {
        self.wants_state.store(true, Ordering::Release);
    }
}

/// The peers that are or were in session, until they are removed.
#[derive(Debug, Default)]
pub(super) struct Peers(BTreeMap<NodeId, Arc<Peer>>);

impl Peers {
    /// A session has begun, in place of an earlier one. So many notifications were published until now.
    pub(super) fn begin(&mut self, session: Arc<SessionHandle>, published: u64) {
        let earlier = self.0.get(session.peer());
        let earlier = earlier.map(|peer| (peer.before, peer.notified.load(Ordering::Relaxed)));
        let (before, notified) = earlier.unwrap_or((published, 0));
        let (wants_state, notified) = (AtomicBool::new(true), AtomicU64::new(notified));
        let pace = Mutex::default();
        let peer = Peer { session: Arc::clone(&session), wants_state, pace, before, notified };
        self.0.insert(session.peer().clone(), Arc::new(peer));
    }

    /// This life of the node is no member any more.
    pub(super) fn remove(&mut self, node: &NodeId, incarnation: Incarnation) {
        if self.0.get(node).is_some_and(|peer| peer.session.incarnation() == incarnation)
            && let Some(peer) = self.0.remove(node)
        {
            // From now on nothing is kept for it: if it comes back, both sides are told of the gap.
            peer.session.give_up();
        }
    }

    pub(super) fn get(&self, node: &NodeId) -> Option<&Arc<Peer>> {
        self.0.get(node)
    }

    /// The peer, if this is its session.
    pub(super) fn of(&self, node: &NodeId, session: SessionId) -> Option<&Arc<Peer>> {
        self.0.get(node).filter(|peer| peer.session.id() == session)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Arc<Peer>)> {
        self.0.iter()
    }
}
