//! One thing that happens in a schedule.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::ClusterEvent;
use crate::sim::{Duplication, Jitter, Loss, Sim, SlowPeer};

/// One thing that happens: a fault, its end, or what clients do. Nodes, connections and rooms are numbers; spans are milliseconds.
///
/// A step that does not apply, such as the crash of a node that does not run, does nothing: so any part of a schedule is one too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each names the method of `Sim` that it calls")]
pub enum Step {
    Wait {
        ms: u64,
    },
    Start {
        node: usize,
    },
    Crash {
        node: usize,
    },
    CrashSlowly {
        node: usize,
        ms: u64,
    },
    Restart {
        node: usize,
    },
    Drain {
        node: usize,
    },
    Leave {
        node: usize,
    },
    Pause {
        node: usize,
    },
    Resume {
        node: usize,
    },
    Starve {
        node: usize,
        ms: u64,
        share: u64,
    },
    Twin {
        node: usize,
    },
    EndTwin,
    Cut {
        from: usize,
        to: usize,
    },
    /// Each node is in the group of its place here; those of different groups do not reach each other.
    Split {
        groups: Vec<u8>,
    },
    Refuse {
        a: usize,
        b: usize,
    },
    Mend {
        a: usize,
        b: usize,
    },
    BreakLinks {
        a: usize,
        b: usize,
    },
    Heal,
    Loss {
        per_mille: u32,
    },
    Duplication {
        per_mille: u32,
    },
    Jitter {
        per_mille: u32,
        ms: u64,
    },
    SlowPeer {
        node: usize,
        ms: u64,
    },
    SlowHost {
        node: usize,
        ms: u64,
    },
    ClockBack {
        node: usize,
        ms: u64,
    },
    Drift {
        node: usize,
        ppm: i32,
    },
    Discovery {
        down: bool,
    },
    StaleEntries {
        entries: usize,
    },
    Corrupt {
        node: usize,
        owner: usize,
        room: u32,
        count: u32,
    },
    RepeatChanges {
        node: usize,
        peer: usize,
        changes: u32,
    },
    LeaveOutChanges {
        node: usize,
        peer: usize,
        first: u32,
        rooms: u32,
    },
    /// The next state message from one node to another vanishes at the other one.
    Swallow {
        from: usize,
        to: usize,
    },
    Verify {
        node: usize,
    },
    Blank {
        node: usize,
    },
    SubscribeToMany {
        node: usize,
        connection: u64,
        first: u32,
        rooms: u32,
    },
    Subscribe {
        node: usize,
        connection: u64,
        room: u32,
    },
    Join {
        node: usize,
        connection: u64,
        room: u32,
    },
    Unsubscribe {
        node: usize,
        connection: u64,
        room: u32,
    },
    Disconnect {
        node: usize,
        connection: u64,
    },
    Publish {
        node: usize,
        room: u32,
        size: usize,
        times: u32,
    },
    Tell {
        node: usize,
    },
    SetRegister {
        node: usize,
        key: u32,
        value: u32,
    },
    DefaultRegister {
        node: usize,
        key: u32,
        value: u32,
    },
    RemoveRegister {
        node: usize,
        key: u32,
    },
}

impl Step {
    /// Has it happen.
    pub fn perform(&self, sim: &mut Sim) {
        let span = |ms: &u64| Duration::from_millis(*ms);
        match self {
            Self::Wait { ms } => sim.run_for(span(ms)),
            Self::Start { node } => drop(sim.start(*node)),
            Self::Crash { node } => sim.crash(*node),
            Self::CrashSlowly { node, ms } => sim.crash_slowly(*node, span(ms)),
            Self::Restart { node } => sim.restart(*node),
            Self::Drain { node } => drop(sim.drain(*node)),
            Self::Leave { node } => sim.leave(*node),
            Self::Pause { node } => sim.pause(*node),
            Self::Resume { node } => sim.resume(*node),
            Self::Starve { node, ms, share } => sim.run_starved(*node, span(ms), span(share)),
            Self::Twin { node } => drop(sim.start_twin(*node)),
            Self::EndTwin => sim.end_twin(),
            Self::Corrupt { node, owner, room, count } => sim.corrupt(*node, *owner, *room, *count),
            Self::Swallow { from, to } => sim.swallow(*from, *to),
            Self::RepeatChanges { node, peer, changes } => sim.repeat_changes(*node, *peer, *changes),
            Self::LeaveOutChanges { node, peer, first, rooms } => {
                sim.leave_out_changes(*node, *peer, *first..first.saturating_add(*rooms));
            }
            Self::ClockBack { node, ms } => sim.set_clock_back(*node, span(ms)),
            Self::Drift { node, ppm } => sim.set_drift(*node, *ppm),
            Self::SlowHost { node, ms } => sim.set_host_lag(*node, span(ms)),
            Self::Discovery { down } => sim.set_discovery_down(*down),
            Self::StaleEntries { entries } => sim.set_stale_entries(*entries),
            network if network.is_of_network() => network.perform_on_network(sim),
            client => client.perform_as_client(sim),
        }
    }

    /// The virtual time that it takes.
    pub fn span(&self) -> Duration {
        match self {
            Self::Wait { ms } | Self::Starve { ms, .. } => Duration::from_millis(*ms),
            _ => Duration::ZERO,
        }
    }

    fn is_of_network(&self) -> bool {
        matches!(
            self,
            Self::Cut { .. }
                | Self::Split { .. }
                | Self::Refuse { .. }
                | Self::Mend { .. }
                | Self::BreakLinks { .. }
                | Self::Heal
                | Self::Loss { .. }
                | Self::Duplication { .. }
                | Self::Jitter { .. }
                | Self::SlowPeer { .. }
        )
    }

    fn perform_on_network(&self, sim: &mut Sim) {
        match self {
            Self::Cut { from, to } if from != to => sim.cut_one_way(*from, *to),
            Self::Split { groups } => split(sim, groups),
            Self::Refuse { a, b } if a != b => sim.refuse(*a, *b),
            Self::Mend { a, b } => sim.mend(*a, *b),
            Self::BreakLinks { a, b } => sim.break_links(*a, *b),
            Self::Heal => sim.heal(),
            Self::Loss { per_mille } => sim.add_rule(Loss { per_mille: *per_mille }),
            Self::Duplication { per_mille } => sim.add_rule(Duplication { per_mille: *per_mille }),
            Self::Jitter { per_mille, ms } => {
                sim.add_rule(Jitter { per_mille: *per_mille, at_most: Duration::from_millis(*ms) });
            }
            Self::SlowPeer { node, ms } => {
                sim.add_rule(SlowPeer { node: *node, by: Duration::from_millis(*ms) });
            }
            _ => {}
        }
    }

    fn perform_as_client(&self, sim: &mut Sim) {
        match self {
            Self::Subscribe { node, connection, room } => drop(sim.subscribe(*node, *connection, *room)),
            Self::SubscribeToMany { node, connection, first, rooms } => {
                sim.subscribe_to_many(*node, *connection, *first..first.saturating_add(*rooms));
            }
            Self::Verify { node } => sim.verify(*node),
            Self::Blank { node } => sim.blank(*node),
            Self::Join { node, connection, room } => drop(sim.join(*node, *connection, *room)),
            Self::Unsubscribe { node, connection, room } => {
                sim.unsubscribe(*node, *connection, *room);
            }
            Self::Disconnect { node, connection } => {
                sim.disconnect(*node, *connection);
            }
            Self::Publish { node, room, size, times } => {
                for _ in 0..*times {
                    sim.publish(*node, *room, *size);
                }
            }
            Self::Tell { node } => {
                sim.tell(*node, &ClusterEvent::ValidatorsChanged);
            }
            Self::SetRegister { node, key, value } => {
                sim.set_register(*node, &register(*key), &value.to_string());
            }
            Self::DefaultRegister { node, key, value } => {
                sim.set_register_default(*node, &register(*key), &value.to_string());
            }
            Self::RemoveRegister { node, key } => drop(sim.remove_register(*node, &register(*key))),
            _ => {}
        }
    }
}

fn register(key: u32) -> String {
    format!("register/{key}")
}

fn split(sim: &mut Sim, groups: &[u8]) {
    let members = || groups.iter().enumerate();
    for (a, of_a) in members() {
        for (b, of_b) in members().skip(a + 1) {
            if of_a != of_b {
                sim.cut(a, b);
            }
        }
    }
}
