//! Schedules as data: what happens in a run, step by step, so that it can be kept, shortened and replayed exactly.
//!
//! A [`Profile`] makes a schedule from a seed. Running one performs its steps, checks every few of them what is to hold at any
//! moment, then puts everything right and waits for calm.

mod generator;
mod profile;
mod shrink;
mod step;

use std::num::NonZeroU32;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use cluster_transport::proto::Lane;
use cluster_transport::proto::lanes::LaneSettings;
use serde::{Deserialize, Serialize};

pub use profile::{Profile, UnknownProfile};
pub use shrink::shrink;
pub use step::Step;

use super::Counters;
use super::invariants::Violation;
use super::settings::SimSettings;
use super::world::Sim;

/// How long a network that is whole again may take: the back-off of dials, frozen peers and vetoes are all shorter.
pub const CALM: Duration = Duration::from_secs(60);

/// A cluster and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schedule {
    /// Of the network's delays and everything else that is left to chance.
    pub seed: u64,
    /// How many nodes there are; all run at the beginning.
    pub nodes: usize,
    /// How many are needed to be ready.
    pub minimum_nodes: NonZeroU32,
    /// How many bytes of notifications and of events wait for one peer.
    pub ring: usize,
    /// How many bytes of state are under way to one peer: with few of them a pass takes several round trips.
    #[serde(default = "whole_window")]
    pub state_window: u32,
    /// What happens.
    pub steps: Vec<Step>,
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Report {
    /// The virtual time that passed, times the nodes.
    pub node_seconds: f64,
    /// What it really did.
    pub counters: Counters,
    /// The first promise that was broken.
    pub violation: Option<Violation>,
    /// Two runs have this in common only if the same happened in them.
    pub digest: u64,
    /// How much happened.
    pub happenings: u64,
}

impl Schedule {
    /// The cluster, before anything happens to it.
    pub fn sim(&self) -> Sim {
        Sim::new(self.settings(), self.seed)
    }

    /// What the cluster is made with.
    pub fn settings(&self) -> SimSettings {
        let mut lanes = LaneSettings::default();
        lanes.ring = self.ring;
        lanes.windows[Lane::State] = self.state_window;
        SimSettings::new(self.nodes).lanes(lanes).minimum_nodes(self.minimum_nodes)
    }

    /// The virtual time that its steps take.
    pub fn span(&self) -> Duration {
        self.steps.iter().map(Step::span).sum()
    }

    /// Runs it to its end, or to the first promise that is broken. That nothing panics is one of them.
    pub fn run(&self) -> Report {
        self.run_watched(|_| {})
    }

    /// As [`run`](Self::run), and says again and again how much virtual time has passed.
    pub fn run_watched(&self, mut watch: impl FnMut(Duration)) -> Report {
        let mut sim = self.sim();
        let began = sim.now();
        let mut watch = |sim: &Sim| watch(sim.now().since(began));
        let ended = panic::catch_unwind(AssertUnwindSafe(|| self.perform(&mut sim, &mut watch)));
        let violation = ended.unwrap_or_else(|_| Err(Violation::new("a machine panicked"))).err();
        let passed = sim.now().since(began).as_secs_f64();
        Report {
            node_seconds: passed * self.nodes as f64,
            counters: sim.counters(),
            violation,
            digest: sim.trace().digest(),
            happenings: sim.trace().len(),
        }
    }

    /// Runs it in a cluster that was made by [`sim`](Self::sim).
    ///
    /// # Errors
    /// The first promise that is broken.
    pub fn run_in(&self, sim: &mut Sim) -> Result<(), Violation> {
        self.perform(sim, &mut |_| {})
    }

    fn perform(&self, sim: &mut Sim, watch: &mut dyn FnMut(&Sim)) -> Result<(), Violation> {
        // Looking at each pair of nodes after each step would take longer than the steps.
        let every = (self.nodes / 2).max(1);
        for (number, step) in (1_usize..).zip(&self.steps) {
            match step {
                Step::Wait { ms } => wait(sim, Duration::from_millis(*ms), watch),
                other => other.perform(sim),
            }
            watch(sim);
            sim.first_violation().map_or(Ok(()), Err)?;
            if number.is_multiple_of(every) {
                sim.observe()?;
            }
        }
        sim.put_right();
        sim.run_until_calm(CALM)
    }

    /// A shorter schedule that breaks a promise too, found in at most `attempts` runs; this one if it breaks none.
    #[must_use]
    pub fn shrunk(&self, attempts: usize) -> Self {
        let with = |steps: &[Step]| Self { steps: steps.to_vec(), ..self.clone() };
        let steps = shrink(&self.steps, attempts, |steps| with(steps).run().violation.is_some());
        with(&steps)
    }
}

/// In small pieces: while a large cluster forms, a second is long.
fn wait(sim: &mut Sim, mut span: Duration, watch: &mut dyn FnMut(&Sim)) {
    while !span.is_zero() {
        let piece = span.min(Duration::from_millis(100));
        sim.run_for(piece);
        watch(sim);
        span -= piece;
    }
}

fn whole_window() -> u32 {
    LaneSettings::default().windows[Lane::State]
}

impl Sim {
    /// Ends all faults and starts every node that does not run.
    pub fn put_right(&mut self) {
        self.heal();
        self.end_twin();
        self.set_discovery_down(false);
        self.set_stale_entries(0);
        let nodes = self.settings.nodes;
        for node in 0..nodes {
            self.set_host_lag(node, Duration::ZERO);
            self.resume(node);
        }
        // Whoever is leaving does so first; the others come back.
        self.run_for(Duration::from_secs(3));
        for node in 0..nodes {
            self.start(node);
        }
    }
}
