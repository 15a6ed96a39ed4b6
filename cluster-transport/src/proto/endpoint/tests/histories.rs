//! The rule of one session per pair, on random histories.

use std::time::Duration;

use rand::RngExt;

use super::network::{Counters, World};

const MILLI: Duration = Duration::from_millis(1);

/// Two or three nodes dial each other from one side or both while links break, processes restart and probes go out.
fn history(seed: u64) -> World {
    let mut world = World::new(seed, 2, |settings| settings);
    let nodes = world.rng.random_range(2..=3);
    if nodes == 3 {
        world = World::new(seed, 3, |settings| settings);
    }
    for a in 0..nodes {
        for b in 0..a {
            let (dialler, other) = if world.rng.random() { (a, b) } else { (b, a) };
            world.add_target(dialler, other, 1);
            for port in 1..=world.rng.random_range(0..3) {
                world.add_target(other, dialler, port);
            }
        }
    }
    let mut epoch = 1_000;
    for _ in 0..world.rng.random_range(0..12) {
        let slow = world.rng.random_range(0..20) == 0;
        world.slowest = if slow { 4_000 * MILLI } else { 200 * MILLI };
        let pause = world.rng.random_range(0..400) * MILLI * if world.rng.random() { 1 } else { 10 };
        world.run_for(pause);
        let (a, b) = (world.rng.random_range(0..nodes), world.rng.random_range(0..nodes));
        match world.rng.random_range(0..12) {
            0 => {
                epoch += 1;
                let clock = if world.rng.random_range(0..4) == 0 { epoch - 500 } else { epoch };
                world.restart(a, clock);
            }
            1..=3 => {
                let port = world.rng.random_range(1..=3);
                world.probe(a, b, port);
            }
            4 => world.close_session(a, b),
            _ => world.cut_one(),
        }
    }
    world.slowest = 50 * MILLI;
    world.run_for(Duration::from_secs(90));
    world
}

#[test]
fn after_any_history_each_pair_has_one_session_and_no_healthy_one_was_ended() {
    let mut total = Counters::default();
    for seed in 0..20_000 {
        let world = history(seed);
        for a in 0..world.len() {
            for b in 0..a {
                world.agreed(a, b).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
            }
        }
        if world.counters.killed > 0 {
            println!("seed {seed} killed {}", world.counters.killed);
        }
        total += world.counters;
    }
    println!("{total:?}");
    let least = |name, count: u64, least| assert!(count >= least, "only {count} {name} in all histories");
    least("cuts", total.cuts, 20_000);
    least("restarts", total.restarts, 5_000);
    least("replaced sessions", total.replaced, 1_000);
    least("newer incarnations", total.newer, 1_000);
    least("aliases", total.aliases, 1_000);
    least("processes superseded", total.superseded, 500);
    least("refusals of a duplicate", total.duplicates, 500);
    least("timeouts", total.timeouts, 100);
}
