//! How long until all nodes agree after a split has healed.

use std::time::Duration;

use cluster_core::sim::{Sim, SimSettings};

use super::percentile;
use super::plot::{Curve, Plot};

const NODES: usize = 6;
const SEEDS: u64 = 20;
const SPLITS: [u64; 5] = [1, 3, 10, 30, 100];
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) fn measure() -> Plot {
    let mut curves: Vec<Curve> = [("median", 50), ("99th of 100", 99)]
        .map(|(name, _)| Curve { name: name.to_owned(), points: Vec::new() })
        .to_vec();
    for split in SPLITS {
        let mut spans: Vec<f64> = (0..SEEDS).map(|seed| after(split, seed)).collect();
        for (curve, percent) in curves.iter_mut().zip([50, 99]) {
            curve.points.push((split as f64, percentile(&mut spans, percent)));
        }
    }
    Plot {
        name: "agreement",
        title: "Agreement after a split of 6 nodes in halves",
        x: "the split lasted, seconds",
        y: "seconds until all agree",
        is_log: true,
        curves,
    }
}

/// Both halves go on changing; in the end every node has the rooms of all.
fn after(split: u64, seed: u64) -> f64 {
    let mut sim = Sim::new(SimSettings::new(NODES), seed);
    sim.run_for(Duration::from_secs(3));
    sim.split(&[0, 1, 2], &[3, 4, 5]);
    for second in 0..split {
        for node in 0..NODES {
            sim.subscribe(node, second, u32::try_from(second).unwrap_or(0) % 500);
        }
        sim.run_for(Duration::from_secs(1));
    }
    sim.heal();
    let healed = sim.now();
    // A promise that is broken shows as the whole of the patience.
    let _ = sim.run_until_calm(PATIENCE);
    sim.now().since(healed).as_secs_f64()
}
