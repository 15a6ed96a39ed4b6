//! The rule of one session per pair, on random histories.

use std::time::Duration;

use rand::RngExt;

use super::network::{Counters, World};
use crate::proto::endpoint::{DialSettings, EndpointSettings};

const MILLI: Duration = Duration::from_millis(1);

/// Two or three nodes dial each other from one side or both while links break, processes restart and probes go out.
///
/// One step in `rarely` happens on a network where links overtake each other by up to 4 s.
fn history(seed: u64, rarely: u32) -> World {
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
        let slow = world.rng.random_range(0..rarely) == 0;
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
        let world = history(seed, 20);
        assert_each_pair_agrees(&world, seed);
        assert_eq!(world.counters.killed, 0, "seed {seed}: a healthy session was ended for another");
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

/// On such a network a `Go` may come so late that its dialler has given it up and taken our dial since. It wins all the
/// same, against a healthy session; what must hold even then is that the pair comes to rest.
#[test]
fn on_a_network_slower_than_the_timeouts_each_pair_still_comes_to_one_session() {
    let mut total = Counters::default();
    for seed in 0..4_000 {
        let world = history(seed, 2);
        assert_each_pair_agrees(&world, seed);
        total += world.counters;
    }
    println!("{total:?}");
    assert!(total.timeouts > 1_000, "only {} timeouts in all histories", total.timeouts);
    assert!(total.killed * 1_000 < total.sessions, "{} of {} killed", total.killed, total.sessions);
}

fn assert_each_pair_agrees(world: &World, seed: u64) {
    for a in 0..world.len() {
        for b in 0..a {
            world.agreed(a, b).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        }
    }
}

#[test]
fn a_thousand_simultaneous_dials_end_in_one_session() {
    for (seed, limited) in [(1, false), (2, true)] {
        let mut world = World::new(seed, 2, if limited { |settings| settings } else { unlimited });
        for port in 1..=500 {
            world.add_target(0, 1, port);
            world.add_target(1, 0, port);
        }
        world.run_for(Duration::from_secs(60));
        world.agreed(0, 1).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        let Counters { dials, sessions, replaced, killed, aliases, .. } = world.counters;
        assert_eq!((sessions, replaced, killed), (2, 0, 0), "seed {seed}: not one session, once at each end");
        assert!(dials >= 1_000, "seed {seed}: only {dials} dials");
        assert_eq!(aliases, 999, "seed {seed}: the other addresses do not rest");
        let before = world.counters;
        world.run_for(Duration::from_secs(600));
        assert_eq!(world.counters, before, "seed {seed}: something still happens");
    }
}

fn unlimited(settings: EndpointSettings) -> EndpointSettings {
    let dial = DialSettings { concurrent: 1_000, ..settings.dial };
    EndpointSettings { dial, max_open_handshakes: 1_000, ..settings }
}

#[test]
fn of_two_processes_with_one_id_the_newer_stays_and_the_older_is_told() {
    for seed in 0..200 {
        let mut world = World::new(seed, 2, |settings| settings);
        let twin = world.impostor(1, 2_000);
        for (dialler, other) in [(0, 1), (0, twin), (1, 0), (twin, 0), (1, twin), (twin, 1)] {
            if world.rng.random() {
                world.add_target(dialler, other, 1);
            }
        }
        world.add_target(1, 0, 2);
        world.add_target(twin, 0, 2);
        world.run_for(Duration::from_secs(60));
        let id = "n1".parse().unwrap();
        assert_eq!(world.sessions(0).get(&id), world.sessions(twin).values().next(), "seed {seed}");
        assert_eq!(world.sessions(1).len(), 0, "seed {seed}: both processes are in session");
        assert!(world.told_duplicate(1), "seed {seed}: the older one does not know");
        assert!(!world.told_duplicate(twin), "seed {seed}: the newer one was sent away");
    }
}
