//! State messages that vanish between a session, which acknowledges them, and its engine: no transport sends them again.

use std::collections::BTreeSet;

use cluster_transport::proto::{Lane, NodeId};

/// Whose next state message a process is to lose.
#[derive(Debug, Default)]
pub(super) struct Swallows {
    next_of: BTreeSet<NodeId>,
    /// How many it has lost.
    pub(super) done: u64,
}

impl Swallows {
    /// The next state message of a peer vanishes.
    pub(super) fn next_of(&mut self, peer: NodeId) {
        self.next_of.insert(peer);
    }

    /// How many messages at the beginning of a batch vanish.
    pub(super) fn take(&mut self, peer: &NodeId, lane: Lane) -> usize {
        let is_hit = lane == Lane::State && self.next_of.remove(peer);
        self.done += u64::from(is_hit);
        usize::from(is_hit)
    }
}
