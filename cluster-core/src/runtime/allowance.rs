//! What each member may have under way at this node, in any unit: when a member has used up its share, others still have theirs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cluster_transport::proto::NodeId;
use cluster_transport::proto::lanes::LaneSettings;

/// A limit for each member, and what is taken of it.
#[derive(Debug)]
pub(super) struct Allowance {
    limit: usize,
    taken: Mutex<BTreeMap<NodeId, usize>>,
}

/// How many commands that compare everything with its owners one member may have under way.
const VERIFYING: usize = 4;

/// All that members have an allowance of.
#[derive(Debug)]
pub(super) struct Allowances {
    /// Requests that wait for the host.
    pub(super) requests: Arc<Allowance>,
    /// The same in bytes.
    pub(super) request_bytes: Arc<Allowance>,
    /// Passes over everything.
    pub(super) verifying: Arc<Allowance>,
}

impl Allowances {
    /// As much waits for the host as may be under way, or be put together from parts.
    pub(super) fn new(limits: &LaneSettings) -> Self {
        Self {
            requests: Allowance::new(limits.max_requests),
            request_bytes: Allowance::new(limits.reassembly),
            verifying: Allowance::new(VERIFYING),
        }
    }
}

/// A part of a member's allowance, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: Arc<Allowance>,
    node: NodeId,
    amount: usize,
}

impl Allowance {
    /// So much for each member.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, taken: Mutex::default() })
    }

    /// Takes a part of a member's allowance, if so much is left. One that is larger than all of it needs the whole.
    pub(super) fn take(self: &Arc<Self>, node: &NodeId, amount: usize) -> Option<Share> {
        let amount = amount.min(self.limit);
        let mut all = self.taken();
        let taken = all.entry(node.clone()).or_default();
        if amount > self.limit - *taken {
            return None;
        }
        *taken += amount;
        drop(all);
        Some(Share { of: Arc::clone(self), node: node.clone(), amount })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<NodeId, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.of.taken();
        if let Some(taken) = all.get_mut(&self.node) {
            *taken -= self.amount;
            if *taken == 0 {
                all.remove(&self.node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_used_up_a_share_waits_and_keeps_nobody_else_waiting() {
        let allowance = Allowance::new(10);
        let (greedy, other): (NodeId, NodeId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let first = allowance.take(&greedy, 7).unwrap();
        assert!(allowance.take(&greedy, 4).is_none());
        let _all_of_it = allowance.take(&other, 1_000).unwrap();
        assert!(allowance.take(&other, 1).is_none());
        drop(first);
        drop(allowance.take(&greedy, 10).unwrap());
        assert_eq!(allowance.taken().len(), 1, "only what is taken is remembered");
    }
}
