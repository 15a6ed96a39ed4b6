//! What the cluster promises, fault by fault, in virtual time.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Counters, Sim, SimSettings};

mod chaos;
mod corruption;
mod cost;
mod deaths;
mod drains;
mod events;
mod floods;
mod life;
mod passes;
mod pauses;
mod registers;
mod replay;
mod resets;
mod seats;
mod splits;
mod swallows;
mod tunnels;

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// Nodes that have found each other and agree.
fn formed(nodes: usize) -> Sim {
    formed_with(SimSettings::new(nodes), 7)
}

fn formed_with(settings: SimSettings, seed: u64) -> Sim {
    let mut sim = Sim::new(settings, seed);
    calm(&mut sim);
    sim
}

fn calm(sim: &mut Sim) {
    let seed = sim.seed();
    // What is on its way arrives, and what was gathered for a host is told.
    sim.run_for(2 * SECOND);
    sim.run_until_calm(60 * SECOND).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
}

fn quorum(nodes: u32) -> NonZeroU32 {
    NonZeroU32::new(nodes).unwrap()
}

fn count(sim: &Sim, node: usize, room: u32) -> Option<u64> {
    sim.engine(node).state().count(&super::room(room).id())
}

/// How long until a condition holds, to a tenth of a second.
fn takes(sim: &mut Sim, limit: Duration, holds: impl Fn(&Sim) -> bool) -> Duration {
    let began = sim.now();
    assert!(sim.run_until(limit, holds), "not within {limit:?}");
    sim.now().since(began)
}
