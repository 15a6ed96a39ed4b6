//! A band of seeds; `CLUSTER_SIM_SEEDS=from..to` widens it.

use super::super::Counters;
use super::super::schedule::Profile;

fn seeds() -> std::ops::Range<u64> {
    let Ok(band) = std::env::var("CLUSTER_SIM_SEEDS") else { return 0..200 };
    let bounds = band.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let (from, to) = bounds.unwrap_or_else(|| panic!("CLUSTER_SIM_SEEDS={band} is not from..to"));
    from..to
}

#[test]
fn after_any_faults_and_calm_all_promises_hold() {
    let mut total = Counters::default();
    let seeds = seeds();
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let report = Profile::Chaos.schedule(seed, 3..=6, 12).run();
        if let Some(violation) = report.violation {
            panic!(
                "seed {seed}: {violation}\nreplay: cluster-node simulate --profile chaos --nodes 3..6 --seconds 12 --seeds {seed}"
            );
        }
        total += report.counters;
    }
    println!("{total:?}");
    if count >= 200 {
        for (what, count) in total.iter().filter(|(what, _)| !RARE.contains(what)) {
            assert!(count >= 10, "only {count} {what} in all runs");
        }
    }
}

/// What is not to happen at all, or too seldom for a test to insist on it.
const RARE: [&str; 3] = ["faults", "write_deadlines", "passes_restarted"];
