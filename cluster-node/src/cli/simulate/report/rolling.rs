//! What it costs to restart ten nodes, one after the other.

use std::num::NonZeroU32;
use std::time::Duration;

use cluster_core::sim::{Sim, SimSettings};

use super::plot::{Curve, Plot};
use super::traffic;

const NODES: usize = 10;
const ROOMS: u32 = 1_000;
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn measure() -> Plot {
    let quorum = NonZeroU32::MIN.saturating_add(5);
    let mut sim = Sim::new(SimSettings::new(NODES).minimum_nodes(quorum), 1);
    sim.run_for(Duration::from_secs(3));
    for node in 0..NODES {
        subscribe(&mut sim, node);
    }
    sim.run_for(Duration::from_secs(5));
    let mut curves =
        ["seconds until it is ready again", "MB sent by all meanwhile", "others that stopped being ready"]
            .map(|name| Curve { name: name.to_owned(), points: Vec::new() });
    for node in 0..NODES {
        let restart = restart(&mut sim, node);
        for (curve, value) in curves.iter_mut().zip(restart) {
            curve.points.push(((node + 1) as f64, value));
        }
    }
    Plot {
        name: "rolling",
        title: "A rolling restart of 10 nodes with 1,000 rooms each",
        x: "the node that is restarted",
        y: "each in its unit",
        is_log: false,
        curves: curves.to_vec(),
    }
}

/// It leaves, starts again at once, and its clients come back.
fn restart(sim: &mut Sim, node: usize) -> [f64; 3] {
    let (bytes, unready) = (traffic(sim, NODES), sim.counters().became_unready);
    sim.leave(node);
    sim.run_until(PATIENCE, |sim| sim.running().count() < NODES);
    sim.start(node);
    let began = sim.now();
    sim.run_until(PATIENCE, |sim| sim.engine(node).members().is_ready());
    let ready = sim.now().since(began).as_secs_f64();
    subscribe(sim, node);
    let _ = sim.run_until_calm(PATIENCE);
    let sent = (traffic(sim, NODES) - bytes) as f64 / 1e6;
    let others = (sim.counters().became_unready - unready) as f64;
    // The one that leaves stops being ready itself, and that is told before it goes.
    [ready, sent, (others - 1.0).max(0.0)]
}

fn subscribe(sim: &mut Sim, node: usize) {
    let first = u32::try_from(node).unwrap_or(0) * ROOMS;
    for room in first..first + ROOMS {
        sim.subscribe(node, 1, room);
    }
}
