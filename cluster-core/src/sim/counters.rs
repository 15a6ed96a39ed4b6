//! What a run really did: a test of a fault asserts that the fault took place.

use std::ops::AddAssign;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the start of a run.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl AddAssign for Counters {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Connections that were begun.
    dials,
    /// Connections that were refused.
    refused,
    /// Parcels that a rule or a cut lost; each was sent again later.
    dropped,
    /// Parcels that a rule held back.
    delayed,
    /// Links that were reset.
    broken,
    /// Ways that were cut.
    cuts,
    /// Processes that were killed.
    crashes,
    /// Processes that were started after a crash.
    restarts,
    /// Processes that were stopped for a while.
    pauses,
    /// Processes that left in good order.
    leaves,
    /// Times that a sender found a full socket.
    blocked,
    /// Links given up because the peer had not taken a byte for too long.
    write_deadlines,
    /// Sessions that began, counted at both ends.
    sessions,
    /// Sessions that a new one of the same pair took the place of.
    replaced,
    /// Members that were removed.
    removals,
    /// Doubts that began.
    doubts,
    /// Doubts that another member's word held up.
    vetoes,
    /// Own pauses that a node noticed.
    pauses_noticed,
    /// Nodes that became ready.
    became_ready,
    /// Nodes that stopped being ready.
    became_unready,
    /// Notifications that were handed to a lane.
    notifications_sent,
    /// Notifications that a member did not have to get.
    notifications_avoided,
    /// Notifications that arrived.
    notifications_received,
    /// Notifications that gave way in a full lane.
    notifications_shed,
    /// Times that a host was told of lost notifications.
    lags_told,
    /// Times that a host was told that its caches may be stale.
    stale_told,
    /// Passes over an owner's state.
    passes,
    /// Replicas that differed from their owner.
    hash_mismatches,
    /// Deltas after a gap.
    gaps,
    /// Sessions that were closed for a fault of the peer.
    faults,
}
