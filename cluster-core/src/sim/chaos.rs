//! Random schedules of all faults, each a function of its seed.

use std::num::NonZeroU32;
use std::time::Duration;

use cluster_transport::proto::lanes::LaneSettings;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::invariants::{self, Violation};
use super::rule::Loss;
use super::settings::SimSettings;
use super::world::Sim;

/// How long a network that is whole again may take: the back-off of dials, frozen peers and vetoes are all shorter.
pub const CALM: Duration = Duration::from_secs(60);
/// Rooms and connections are few, so that they meet.
const ROOMS: u32 = 12;
const CONNECTIONS: u64 = 6;
const REGISTERS: u32 = 6;

/// A schedule that is under way.
#[derive(Debug)]
pub struct Chaos {
    sim: Sim,
    rng: ChaCha8Rng,
    nodes: usize,
}

impl Chaos {
    /// The cluster of a seed: 3 to 5 nodes.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xc4a0_5000_0000_0000);
        let nodes = rng.random_range(3..=5);
        let mut lanes = LaneSettings::default();
        if rng.random() {
            // Small enough that a burst overruns it.
            lanes.ring = 256 * 1024;
        }
        let quorum = NonZeroU32::MIN.saturating_add(rng.random_range(0..3));
        let settings = SimSettings::new(nodes).lanes(lanes).minimum_nodes(quorum);
        Self { sim: Sim::new(settings, seed), rng, nodes }
    }

    /// Runs the whole schedule, then heals everything and waits for calm.
    ///
    /// # Errors
    /// The first promise that is broken.
    pub fn run(&mut self) -> Result<(), Violation> {
        for _ in 0..self.rng.random_range(10..60) {
            self.step();
            invariants::always(&self.sim)?;
        }
        self.put_right();
        self.sim.run_until_calm(CALM)
    }

    /// The cluster.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// The cluster, for another look at it.
    pub fn sim_mut(&mut self) -> &mut Sim {
        &mut self.sim
    }

    fn step(&mut self) {
        let pause = Duration::from_millis(self.rng.random_range(0..400));
        self.sim.run_for(pause * if self.rng.random_range(0..8) == 0 { 10 } else { 1 });
        for _ in 0..self.rng.random_range(0..6) {
            self.use_it();
        }
        let (a, b) = (self.node(), self.node());
        match self.rng.random_range(0..24) {
            0 => self.sim.restart(a),
            1 => self.sim.crash(a),
            2 | 3 => drop(self.sim.start(a)),
            4 => self.sim.pause(a),
            5..=7 => self.sim.resume(a),
            8 if a != b => self.sim.cut(a, b),
            9 if a != b => self.sim.cut_one_way(a, b),
            10 => self.split(),
            11 if a != b => self.sim.refuse(a, b),
            12 | 13 if a != b => self.sim.mend(a, b),
            14 => self.sim.heal(),
            15 | 16 if a != b => self.sim.break_links(a, b),
            17 => self.sim.leave(a),
            18 => self.sim.add_rule(Loss { per_mille: 100 }),
            19 => self.sim.set_clock_back(a, Duration::from_secs(100)),
            20 => self.burst(a),
            21 if a != b => self.sim.corrupt(a, b, self.rng.random_range(0..ROOMS), 5),
            _ => {}
        }
    }

    /// What clients do.
    fn use_it(&mut self) {
        let (node, room) = (self.node(), self.rng.random_range(0..ROOMS));
        let connection = self.rng.random_range(0..CONNECTIONS);
        match self.rng.random_range(0..11) {
            10 => self.write_register(node),
            0..=2 => drop(self.sim.subscribe(node, connection, room)),
            3 => drop(self.sim.join(node, connection, room)),
            4 => drop(self.sim.unsubscribe(node, connection, room)),
            5 => drop(self.sim.disconnect(node, connection)),
            _ => drop(self.sim.publish(node, room, 100)),
        }
    }

    fn write_register(&mut self, node: usize) {
        let (key, value) = (self.rng.random_range(0..REGISTERS), self.rng.random_range(0..100));
        let (key, value) = (format!("register/{key}"), value.to_string());
        match self.rng.random_range(0..4) {
            0 => drop(self.sim.remove_register(node, &key)),
            1 => drop(self.sim.set_register_default(node, &key, &value)),
            _ => drop(self.sim.set_register(node, &key, &value)),
        }
    }

    /// More at once than sockets and rings hold.
    fn burst(&mut self, node: usize) {
        let room = self.rng.random_range(0..ROOMS);
        for _ in 0..self.rng.random_range(0..80) {
            self.sim.publish(node, room, 20_000);
        }
    }

    fn split(&mut self) {
        let at = self.rng.random_range(1..self.nodes);
        let (some, others): (Vec<usize>, Vec<usize>) = (0..self.nodes).partition(|node| *node < at);
        self.sim.split(&some, &others);
    }

    fn put_right(&mut self) {
        self.sim.heal();
        for node in 0..self.nodes {
            self.sim.resume(node);
        }
        // Whoever is leaving does so first; the others come back.
        self.sim.run_for(Duration::from_secs(3));
        for node in 0..self.nodes {
            self.sim.start(node);
        }
    }

    fn node(&mut self) -> usize {
        self.rng.random_range(0..self.nodes)
    }
}
