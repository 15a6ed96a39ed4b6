//! How many bytes a change costs that was lost with a link.

use std::time::Duration;

use cluster_core::sim::{Sim, SimSettings};

use super::plot::{Curve, Plot};
use super::traffic;

/// Rooms that do not change, and changes among them while the link is cut.
const ROOMS: u32 = 10_000;
const CHANGES: [u32; 4] = [1, 10, 100, 1_000];
const AFTERWARDS: Duration = Duration::from_secs(60);

pub(super) fn measure() -> Plot {
    let curve = |name: &str, cut: u64| {
        let idle = bytes(0, cut);
        let per_change = |changes: u32| {
            (f64::from(changes), bytes(changes, cut).saturating_sub(idle) as f64 / f64::from(changes))
        };
        Curve { name: name.to_owned(), points: CHANGES.map(per_change).to_vec() }
    };
    Plot {
        name: "repair",
        title: "Repair between 2 nodes, beside 10,000 rooms that do not change",
        x: "changes while the link was cut",
        y: "bytes a change, both ways",
        is_log: true,
        curves: vec![
            curve("cut for 1 s: the session goes on", 1),
            curve("cut for 20 s: removed, and back", 20),
        ],
    }
}

/// The bytes of the two nodes from the moment when the link is whole again.
fn bytes(changes: u32, cut: u64) -> u64 {
    let mut sim = Sim::new(SimSettings::new(2), 1);
    for room in 0..ROOMS {
        sim.subscribe(0, 1, room);
    }
    sim.run_for(Duration::from_secs(5));
    sim.cut(0, 1);
    for room in 0..changes {
        sim.subscribe(0, 2, room);
    }
    sim.run_for(Duration::from_secs(cut));
    let before = traffic(&sim, 2);
    sim.heal();
    sim.run_for(AFTERWARDS);
    traffic(&sim, 2) - before
}
