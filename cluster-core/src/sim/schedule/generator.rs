//! Makes a schedule from a profile and a seed.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Profile, Schedule, Step};

/// Rooms and connections are few, so that they meet.
const ROOMS: u32 = 12;
const CONNECTIONS: u64 = 6;
const REGISTERS: u32 = 6;
/// The first of the rooms that somebody subscribes to by the hundred.
const MANY: u32 = 1_000;
/// A window of one message, and the default.
const STATE_WINDOWS: [u32; 2] = [64 * 1024, 1024 * 1024];
/// A ring that a burst overruns, and the default.
const RINGS: [usize; 2] = [256 * 1024, 16 * 1024 * 1024];

impl Profile {
    /// The schedule of a seed: so many nodes (chosen from the range) for about so many seconds, and the calm after them.
    pub fn schedule(self, seed: u64, nodes: RangeInclusive<usize>, seconds: u64) -> Schedule {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xc4a0_5000_0000_0000);
        let nodes = rng.random_range(nodes);
        let ring = RINGS.choose(&mut rng).copied().unwrap_or_default();
        let state_window = STATE_WINDOWS.choose(&mut rng).copied().unwrap_or_default();
        let minimum_nodes = NonZeroU32::MIN.saturating_add(rng.random_range(0..3));
        let mut generator = Generator { rng, nodes, left: seconds.saturating_mul(1_000), steps: Vec::new() };
        while generator.left > 0 {
            generator.turn(self);
        }
        Schedule { seed, nodes, minimum_nodes, ring, state_window, steps: generator.steps }
    }
}

struct Generator {
    rng: ChaCha8Rng,
    nodes: usize,
    /// How many milliseconds are left.
    left: u64,
    steps: Vec<Step>,
}

impl Generator {
    /// Some time, what clients do, and perhaps a fault.
    fn turn(&mut self, profile: Profile) {
        let ms = self.rng.random_range(1..400);
        let is_long = self.chance(8);
        self.wait(if is_long { ms * 10 } else { ms });
        for _ in 0..self.rng.random_range(0..6) {
            let step = self.client();
            self.steps.push(step);
        }
        let kind = match profile {
            Profile::Chaos => *Profile::ALL.choose(&mut self.rng).unwrap_or(&Profile::Network),
            other => other,
        };
        match kind {
            Profile::Calm | Profile::Chaos => {}
            Profile::Network => self.network(),
            Profile::Partial => self.partial(),
            Profile::Resets => self.resets(),
            Profile::Processes => self.processes(),
            Profile::MassRestart => self.mass_restart(profile),
            Profile::Starvation => self.starvation(),
        }
    }

    fn network(&mut self) {
        let (a, b) = (self.node(), self.node());
        let step = match self.rng.random_range(0..20) {
            0 => Step::Cut { from: a, to: b },
            1 => {
                self.steps.push(Step::Cut { from: a, to: b });
                Step::Cut { from: b, to: a }
            }
            2 => self.split(),
            3 => Step::Refuse { a, b },
            4..=6 => Step::Mend { a, b },
            7..=9 => Step::Heal,
            10 | 11 => Step::BreakLinks { a, b },
            12 => Step::Loss { per_mille: self.rng.random_range(1..250) },
            13 => Step::Duplication { per_mille: self.rng.random_range(1..300) },
            14 => {
                Step::Jitter { per_mille: self.rng.random_range(1..300), ms: self.rng.random_range(1..2_000) }
            }
            15 => Step::SlowPeer { node: a, ms: self.rng.random_range(1..600) },
            16 => self.burst(),
            17 | 18 => Step::Corrupt { node: a, owner: b, room: self.rng.random_range(0..ROOMS), count: 5 },
            _ => return,
        };
        self.steps.push(step);
    }

    /// Pairs are cut, and whoever may carry their tunnels is in for something.
    fn partial(&mut self) {
        let (a, b, carrier) = (self.node(), self.node(), self.node());
        let ms = self.rng.random_range(500..4_000);
        match self.rng.random_range(0..20) {
            0..=2 => {
                self.steps.push(Step::Cut { from: a, to: b });
                self.steps.push(Step::Cut { from: b, to: a });
                self.wait(ms);
            }
            3 | 4 => {
                self.steps.push(Step::Cut { from: a, to: b });
                self.wait(ms);
            }
            5 => self.steps.push(Step::Refuse { a, b }),
            6..=9 => self.steps.push(Step::Mend { a, b }),
            10 => self.steps.push(Step::Heal),
            11 | 12 => {
                self.steps.push(Step::Crash { node: carrier });
                self.wait(ms);
                self.steps.push(Step::Start { node: carrier });
            }
            13 => {
                self.steps.push(Step::Pause { node: carrier });
                self.wait(ms);
                self.steps.push(Step::Resume { node: carrier });
            }
            14 => self.steps.push(Step::Leave { node: carrier }),
            15 => self.steps.push(Step::Start { node: carrier }),
            16 => self.steps.push(Step::BreakLinks { a, b: carrier }),
            17 => {
                let burst = self.burst();
                self.steps.push(burst);
            }
            _ => {}
        }
    }

    fn resets(&mut self) {
        let (a, b, ms) = (self.node(), self.node(), self.rng.random_range(1..300));
        let step = match self.rng.random_range(0..20) {
            0..=2 => Step::Verify { node: a },
            3 => Step::Blank { node: a },
            4 | 5 => Step::RepeatChanges { node: a, peer: b, changes: self.rng.random_range(1..4) },
            6 => Step::LeaveOutChanges {
                node: a,
                peer: b,
                first: self.rng.random_range(0..ROOMS),
                rooms: self.rng.random_range(1..4),
            },
            7 => return self.interrupted_pass(a, b),
            8 => Step::Restart { node: a },
            9 => Step::BreakLinks { a, b },
            10 => Step::Loss { per_mille: self.rng.random_range(1..250) },
            11 => Step::SlowPeer { node: a, ms },
            12..=14 => Step::Heal,
            15..=17 => return self.swallow(a, b),
            18 | 19 => Step::Corrupt { node: a, owner: b, room: self.rng.random_range(0..ROOMS), count: 5 },
            _ => return,
        };
        self.steps.push(step);
    }

    /// A change of which somebody never hears, and mostly few for a while after it that would leave a gap.
    fn swallow(&mut self, from: usize, to: usize) {
        let (connection, room) = (self.rng.random_range(0..CONNECTIONS), self.rng.random_range(0..ROOMS));
        self.steps.push(Step::Swallow { from, to });
        self.steps.push(Step::Unsubscribe { node: from, connection, room });
        self.steps.push(Step::Subscribe { node: from, connection, room });
        // Now and then clients go on, and the question or its answer vanishes too.
        for _ in 0..self.rng.random_range(0..3) {
            let ms = self.rng.random_range(1..400);
            self.wait(ms);
            let is_answer = self.chance(2);
            let (from, to) = if is_answer { (from, to) } else { (to, from) };
            self.steps.push(Step::Swallow { from, to });
            let step = self.client();
            self.steps.push(step);
        }
        let ms = self.rng.random_range(0..4_000);
        self.wait(ms);
    }

    /// More rooms than one message tells of, on a bad line to somebody who knows none of them.
    fn interrupted_pass(&mut self, owner: usize, reader: usize) {
        let (first, rooms) = (MANY, self.rng.random_range(700..1_500));
        self.steps.push(Step::SubscribeToMany { node: owner, connection: 0, first, rooms });
        self.steps.push(Step::Loss { per_mille: self.rng.random_range(100..500) });
        self.steps.push(Step::Verify { node: reader });
        for _ in 0..self.rng.random_range(1..4) {
            let ms = self.rng.random_range(1..300);
            self.wait(ms);
            let is_broken = self.chance(2);
            let (a, b) = (owner, reader);
            self.steps.push(if is_broken {
                Step::BreakLinks { a, b }
            } else {
                Step::Verify { node: reader }
            });
        }
        self.steps.push(Step::Heal);
        self.steps.push(Step::Disconnect { node: owner, connection: 0 });
    }

    fn processes(&mut self) {
        let node = self.node();
        let step = match self.rng.random_range(0..24) {
            0 | 1 => Step::Crash { node },
            2 => Step::Restart { node },
            3..=5 => Step::Start { node },
            6 => Step::Pause { node },
            7..=9 => Step::Resume { node },
            10 => Step::Leave { node },
            11 => Step::ClockBack { node, ms: self.rng.random_range(1..200_000) },
            12 => Step::Twin { node },
            13 => Step::EndTwin,
            14 => Step::Discovery { down: true },
            15 | 16 => Step::Discovery { down: false },
            17 => Step::StaleEntries { entries: self.rng.random_range(0..4) },
            18 | 19 => Step::CrashSlowly { node, ms: self.rng.random_range(1..3_000) },
            20 | 21 => return self.drain(node),
            _ => return,
        };
        self.steps.push(step);
    }

    /// A node that drains, and whose clients move; then it leaves, dies, or stays.
    fn drain(&mut self, node: usize) {
        self.steps.push(Step::Drain { node });
        let (to, room) = (self.node(), self.rng.random_range(0..ROOMS));
        for connection in 0..CONNECTIONS {
            let ms = self.rng.random_range(0..300);
            self.wait(ms);
            if self.chance(2) {
                self.steps.push(Step::Subscribe { node: to, connection, room });
                self.steps.push(Step::Disconnect { node, connection });
            }
        }
        let ends = [
            Some(Step::Leave { node }),
            Some(Step::Crash { node }),
            Some(Step::CrashSlowly { node, ms: self.rng.random_range(1..3_000) }),
            Some(Step::Restart { node }),
            None,
        ];
        self.steps.extend(ends.choose(&mut self.rng).cloned().flatten());
    }

    /// Most nodes, down for a while, all at once again.
    fn mass_restart(&mut self, profile: Profile) {
        if !self.chance(if profile == Profile::Chaos { 8 } else { 5 }) {
            return;
        }
        let dead: Vec<usize> = (0..self.nodes).filter(|_| self.rng.random_range(0..4) > 0).collect();
        self.steps.extend(dead.iter().map(|node| Step::Crash { node: *node }));
        let ms = self.rng.random_range(0..3_000);
        self.wait(ms);
        self.steps.extend(dead.iter().map(|node| Step::Start { node: *node }));
    }

    fn starvation(&mut self) {
        let node = self.node();
        let step = match self.rng.random_range(0..10) {
            0 => {
                let ms = self.rng.random_range(500..5_000);
                self.left = self.left.saturating_sub(ms);
                Step::Starve { node, ms, share: self.rng.random_range(5..300) }
            }
            1 | 2 => Step::SlowHost { node, ms: self.rng.random_range(1..3_000) },
            3 | 4 => Step::SlowHost { node, ms: 0 },
            5 => Step::Drift { node, ppm: self.rng.random_range(-20_000..=20_000) },
            6 => self.burst(),
            7 if self.chance(4) => return self.stalled(node),
            _ => return,
        };
        self.steps.push(step);
    }

    /// A process that is stopped for longer than a writer waits, with more to be written to it than sockets hold.
    fn stalled(&mut self, node: usize) {
        let (room, from) = (self.rng.random_range(0..ROOMS), (node + 1) % self.nodes);
        self.steps.push(Step::Subscribe { node, connection: 0, room });
        self.wait(1_000);
        self.steps.push(Step::Pause { node });
        self.steps.push(Step::Publish { node: from, room, size: 20_000, times: 40 });
        self.wait(15_500);
        self.steps.push(Step::Resume { node });
    }

    /// What clients and hosts do.
    fn client(&mut self) -> Step {
        let (node, room) = (self.node(), self.rng.random_range(0..ROOMS));
        let connection = self.rng.random_range(0..CONNECTIONS);
        match self.rng.random_range(0..22) {
            0..=5 => Step::Subscribe { node, connection, room },
            6 | 7 => Step::Join { node, connection, room },
            8 | 9 => Step::Unsubscribe { node, connection, room },
            10 => Step::Disconnect { node, connection },
            11 => Step::Tell { node },
            12 | 13 => self.register(node),
            _ => Step::Publish { node, room, size: 100, times: 1 },
        }
    }

    fn register(&mut self, node: usize) -> Step {
        let (key, value) = (self.rng.random_range(0..REGISTERS), self.rng.random_range(0..100));
        match self.rng.random_range(0..4) {
            0 => Step::RemoveRegister { node, key },
            1 => Step::DefaultRegister { node, key, value },
            _ => Step::SetRegister { node, key, value },
        }
    }

    /// More at once than sockets and rings hold.
    fn burst(&mut self) -> Step {
        let (node, room) = (self.node(), self.rng.random_range(0..ROOMS));
        Step::Publish { node, room, size: 20_000, times: self.rng.random_range(1..80) }
    }

    /// Two to four groups of any shape.
    fn split(&mut self) -> Step {
        let groups = self.rng.random_range(2..=4);
        Step::Split { groups: (0..self.nodes).map(|_| self.rng.random_range(0..groups)).collect() }
    }

    fn wait(&mut self, ms: u64) {
        self.left = self.left.saturating_sub(ms);
        self.steps.push(Step::Wait { ms });
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.rng.random_range(0..one_in) == 0
    }

    fn node(&mut self) -> usize {
        self.rng.random_range(0..self.nodes)
    }
}
