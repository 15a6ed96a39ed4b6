//! A band of seeds; `CLUSTER_SIM_SEEDS=from..to` widens it.

use super::super::Counters;
use super::super::chaos::Chaos;

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
        let mut chaos = Chaos::new(seed);
        if let Err(violation) = chaos.run() {
            panic!(
                "seed {seed}: {violation}\nreplay: CLUSTER_SIM_SEEDS={seed}..{} cargo test -p cluster-core --lib sim::tests::chaos",
                seed + 1
            );
        }
        total += chaos.sim().counters();
    }
    println!("{total:?}");
    if count >= 200 {
        for (what, count, least) in [
            ("crashes", total.crashes, 200),
            ("pauses", total.pauses, 100),
            ("cuts", total.cuts, 1_000),
            ("lost parcels", total.dropped, 1_000),
            ("broken links", total.broken, 100),
            ("refused dials", total.refused, 100),
            ("removals", total.removals, 200),
            ("leaves", total.leaves, 100),
            ("passes", total.passes, 200),
            ("notifications", total.notifications_received, 1_000),
            ("notifications that gave way", total.notifications_shed, 100),
            ("full sockets", total.blocked, 20),
            ("corrupted replicas", total.hash_mismatches, 20),
        ] {
            assert!(count >= least, "only {count} {what} in all runs");
        }
    }
}
