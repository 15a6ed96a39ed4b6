//! How often a node is removed that runs, but gets little of its processor.

use std::time::Duration;

use cluster_core::sim::{Sim, SimSettings};

use super::plot::{Curve, Plot};

const NODES: usize = 5;
const SEEDS: u64 = 4;
const SHARES: [u64; 6] = [1, 2, 5, 20, 100, 500];
const SPAN: Duration = Duration::from_secs(900);
const YEAR: f64 = 365.25 * 86_400.0;

pub(super) fn measure() -> Plot {
    let rate = |share: u64| {
        let removals: u64 = (0..SEEDS).map(|seed| removals(share, seed)).sum();
        let seconds = SPAN.as_secs_f64() * SEEDS as f64;
        (share as f64, removals as f64 / seconds * YEAR)
    };
    Plot {
        name: "starvation",
        title: "False removals of one starved node of 5",
        x: "milliseconds of processor in each second",
        y: "removals a year, seen by all",
        is_log: true,
        curves: vec![Curve { name: "removals a node-year".to_owned(), points: SHARES.map(rate).to_vec() }],
    }
}

/// Nothing else befalls them, so whoever is removed runs.
fn removals(share: u64, seed: u64) -> u64 {
    let mut sim = Sim::new(SimSettings::new(NODES), seed);
    sim.run_for(Duration::from_secs(5));
    sim.run_starved(1, SPAN, Duration::from_millis(share));
    sim.counters().removals
}
