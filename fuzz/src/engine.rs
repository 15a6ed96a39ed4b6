//! Whole clusters: any operations and faults, then calm: every promise of the simulation holds.

use std::time::Duration;

use cluster_core::sim::{Loss, Sim, SimSettings, invariants};

use crate::input::Input;

/// How many operations an input has at the most.
const MAX_STEPS: usize = 60;
/// Few, so that they meet.
const ROOMS: u32 = 6;
/// How long a network that is whole again may take to be calm.
const CALM: Duration = Duration::from_secs(60);

/// The property. The bytes are a seed, the number of nodes, and what happens to them.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let nodes = 2 + input.below(3);
    let mut sim = Sim::new(SimSettings::new(nodes), input.number());
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        step(&mut sim, &mut input, nodes);
        if let Err(violation) = invariants::always(&sim) {
            panic!("{violation}");
        }
    }
    sim.heal();
    (0..nodes).for_each(|node| sim.resume(node));
    // Whoever is leaving does so first; the others come back.
    sim.run_for(Duration::from_secs(3));
    for node in 0..nodes {
        sim.start(node);
    }
    if let Err(violation) = sim.run_until_calm(CALM) {
        panic!("{violation}");
    }
}

fn step(sim: &mut Sim, input: &mut Input<'_>, nodes: usize) {
    let (a, b) = (input.below(nodes), input.below(nodes));
    let (connection, room) = (u64::from(input.byte() % 4), u32::from(input.byte()) % ROOMS);
    match input.below(20) {
        0..=2 => drop(sim.subscribe(a, connection, room)),
        3 => drop(sim.join(a, connection, room)),
        4 => drop(sim.unsubscribe(a, connection, room)),
        5 => drop(sim.disconnect(a, connection)),
        6 | 7 => drop(sim.publish(a, room, 1 + input.below(20_000))),
        8 => sim.restart(a),
        9 => sim.crash(a),
        10 => drop(sim.start(a)),
        11 => sim.pause(a),
        12 => sim.resume(a),
        13 if a != b => sim.cut(a, b),
        14 if a != b => sim.cut_one_way(a, b),
        15 if a != b => sim.mend(a, b),
        16 if a != b => sim.break_links(a, b),
        17 => sim.leave(a),
        18 => sim.add_rule(Loss { per_mille: 100 }),
        _ => sim.run_for(Duration::from_millis(input.number() % 3_000)),
    }
}
