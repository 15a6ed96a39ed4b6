//! The sessions by peer. A session that has ended stays until the member is removed: what is owed to it waits in its lanes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cluster_transport::endpoint::SessionHandle;
use cluster_transport::proto::{Incarnation, NodeId, SessionId};

/// A peer's last session.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) session: Arc<SessionHandle>,
    /// Whether the engine may have something for its state lane.
    wants_state: AtomicBool,
    /// How many notifications were published before this peer came.
    before: u64,
    /// How many of those since then were for it.
    notified: AtomicU64,
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

    /// The engine may have something for the state lane: the session's task will ask.
    pub(super) fn state_is_waiting(&self) {
        self.wants_state.store(true, Ordering::Release);
        self.session.wake();
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
        let peer = Peer { session: Arc::clone(&session), wants_state, before, notified };
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
