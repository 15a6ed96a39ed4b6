//! How often each rung of replication was stepped on.

use serde::Serialize;

/// Counts since the start of this node, or since a member joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
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
    /// Times that an owner told of more than is here in its heartbeats, that nothing of it came, and that it was asked for again.
    pub asked_again: u64,
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

impl std::ops::AddAssign for StateCounters {
    fn add_assign(&mut self, other: Self) {
        let Self {
            deltas_applied,
            deltas_sent,
            duplicates,
            gaps,
            asked_again,
            passes_begun,
            passes_restarted,
            passes_finished,
            passes_served,
            swept_rooms,
            hash_mismatches,
            unrepaired,
            filter_conflicts,
            over_budget,
            unknown_messages,
            strays,
            faults,
        } = other;
        for (sum, more) in [
            (&mut self.deltas_applied, deltas_applied),
            (&mut self.deltas_sent, deltas_sent),
            (&mut self.duplicates, duplicates),
            (&mut self.gaps, gaps),
            (&mut self.asked_again, asked_again),
            (&mut self.passes_begun, passes_begun),
            (&mut self.passes_restarted, passes_restarted),
            (&mut self.passes_finished, passes_finished),
            (&mut self.passes_served, passes_served),
            (&mut self.swept_rooms, swept_rooms),
            (&mut self.hash_mismatches, hash_mismatches),
            (&mut self.unrepaired, unrepaired),
            (&mut self.filter_conflicts, filter_conflicts),
            (&mut self.over_budget, over_budget),
            (&mut self.unknown_messages, unknown_messages),
            (&mut self.strays, strays),
            (&mut self.faults, faults),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_several_owners_add_up() {
        let mut sum = StateCounters { gaps: 1, faults: u64::MAX, ..StateCounters::default() };
        sum += StateCounters { gaps: 2, faults: 1, passes_begun: 3, ..StateCounters::default() };
        let expected =
            StateCounters { gaps: 3, faults: u64::MAX, passes_begun: 3, ..StateCounters::default() };
        assert_eq!(sum, expected);
    }
}
