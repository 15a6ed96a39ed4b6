//! What a run really did: a test of a fault asserts that the fault took place.

use std::ops::AddAssign;

use super::process::Process;
use crate::engine::state::StateCounters;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the start of a run.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// All counts with their names.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
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
    /// Parcels that a rule duplicated.
    duplicated,
    /// Links that were reset.
    broken,
    /// Ways that were cut.
    cuts,
    /// Processes that were killed.
    crashes,
    /// Of those that were killed, the ones whose systems accepted connections for a while yet.
    slow_deaths,
    /// Processes that were started after a crash.
    restarts,
    /// Processes that were stopped for a while.
    pauses,
    /// Slices of time for which a starved process got no processor.
    starved,
    /// Clocks of hosts that were set, or made to run at another rate.
    clocks,
    /// Second processes of a node's id that were started.
    twins,
    /// Times that a node asked discovery.
    lookups,
    /// Times that discovery did not answer.
    lookups_failed,
    /// Dials of addresses that discovery should not have named.
    stale_dials,
    /// Processes that were told to drain.
    drains,
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
    /// Tunnels that reached their other end.
    tunnels,
    /// Sessions that began on tunnels, counted at both ends.
    tunnel_sessions,
    /// Bytes that were carried through tunnels.
    tunnel_bytes,
    /// Sessions on tunnels that a direct link took the place of, counted at both ends.
    tunnels_replaced,
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
    /// Resets in which a node compared what it had of the others.
    verifies,
    /// Resets in which a node forgot its own rooms.
    blanks,
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
    /// Times that a host was too busy to take what there was for it.
    hosts_busy,
    /// Changes of rooms that a host was not told of because others had undone them.
    conflated,
    /// Lives that a node went on as, after a peer had refused the one before.
    reincarnations,
    /// Deltas of other owners' states that were applied.
    deltas,
    /// Deltas that told nothing new.
    duplicate_deltas,
    /// Passes over an owner's state.
    passes,
    /// Passes that began again before they were complete.
    passes_restarted,
    /// Rooms that a pass found gone.
    swept,
    /// Replicas that differed from their owner.
    hash_mismatches,
    /// Deltas after a gap.
    gaps,
    /// State messages that vanished after they had been acknowledged.
    swallowed,
    /// Times that something was missing in silence and was asked for again.
    asked_again,
    /// Sessions that were closed for a fault of the peer.
    faults,
}

impl Counters {
    /// What the machines of one process have counted.
    pub(super) fn add_process(&mut self, process: &Process) {
        self.tunnel_bytes += process.tunnels.carried_bytes();
        self.swallowed += process.swallows.done;
        self.add_state(process.engine.state().counters());
    }

    fn add_state(&mut self, state: StateCounters) {
        self.deltas += state.deltas_applied;
        self.duplicate_deltas += state.duplicates;
        self.passes += state.passes_begun;
        self.passes_restarted += state.passes_restarted;
        self.swept += state.swept_rooms;
        self.hash_mismatches += state.hash_mismatches;
        self.gaps += state.gaps;
        self.asked_again += state.asked_again;
    }
}
