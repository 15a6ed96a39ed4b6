//! How often each rung of replication was stepped on.

/// Counts since the start of this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateCounters {
    /// Deltas of other owners that were applied.
    pub deltas_applied: u64,
    /// Deltas that were cut for other members.
    pub deltas_sent: u64,
    /// Deltas that told nothing new.
    pub duplicates: u64,
    /// Deltas after a gap; the missing range was asked for.
    pub gaps: u64,
    /// Passes over another owner's state that began.
    pub passes_begun: u64,
    /// Passes that began again before they were complete.
    pub passes_restarted: u64,
    /// Passes that came to their end.
    pub passes_finished: u64,
    /// Passes over the own state that were begun for other members.
    pub passes_served: u64,
    /// Rooms that a pass found gone.
    pub swept_rooms: u64,
    /// Replicas that differed from their owner and were given a pass.
    pub hash_mismatches: u64,
    /// Replicas that still differed after it.
    pub unrepaired: u64,
    /// Rooms that an owner described otherwise than who told of them first.
    pub filter_conflicts: u64,
    /// Members that went over budget.
    pub over_budget: u64,
    /// Messages of a skippable kind that this version does not know.
    pub unknown_messages: u64,
    /// Messages from members without a session.
    pub strays: u64,
    /// Messages that were a peer's fault.
    pub faults: u64,
}
