//! Killed processes, and others in their place.

use super::*;

#[test]
fn a_killed_node_is_gone_everywhere_within_half_a_second() {
    for seed in 0..20 {
        let mut sim = formed_with(SimSettings::new(3), seed);
        for room in 0..50 {
            sim.subscribe(1, 1, room);
        }
        calm(&mut sim);
        sim.crash(1);
        let gone = |sim: &Sim| [0, 2].iter().all(|node| sim.engine(*node).state().rooms() == 0);
        takes(&mut sim, 500 * MILLI, gone);
        calm(&mut sim);
        assert_eq!((sim.counters().crashes, sim.counters().removals), (1, 2), "seed {seed}");
    }
}

#[test]
fn a_killed_node_whose_listener_dies_last_is_gone_everywhere_within_half_a_second() {
    for (seed, dying) in (0..20).zip((1..=20).map(|step| step * 10 * MILLI)) {
        let mut sim = formed_with(SimSettings::new(5), seed);
        for room in 0..50 {
            sim.subscribe(1, 1, room);
        }
        calm(&mut sim);
        sim.crash_slowly(1, dying);
        let gone = |sim: &Sim| [0, 2, 3, 4].iter().all(|node| sim.engine(*node).state().rooms() == 0);
        takes(&mut sim, 500 * MILLI, gone);
        calm(&mut sim);
        assert_eq!((sim.counters().crashes, sim.counters().removals), (1, 4), "seed {seed}");
    }
}

#[test]
fn the_oldest_node_leaves_no_ghosts_when_it_dies() {
    let mut sim = Sim::new(SimSettings::new(3).started(1), 4);
    sim.run_for(5 * SECOND);
    for room in 0..20 {
        sim.subscribe(0, 1, room);
    }
    sim.start(1);
    sim.run_for(5 * SECOND);
    sim.start(2);
    for room in 10..30 {
        sim.subscribe(2, 1, room);
    }
    calm(&mut sim);
    sim.crash(0);
    calm(&mut sim);
    assert_eq!((sim.engine(1).state().rooms(), count(&sim, 1, 15)), (20, Some(1)));
}

#[test]
fn a_node_that_is_restarted_at_once_on_its_address_leaves_no_ghosts_and_sees_everything() {
    for seed in 0..20 {
        let mut sim = formed_with(SimSettings::new(3), seed);
        for room in 0..20 {
            sim.subscribe(1, 1, room);
        }
        for room in 10..30 {
            sim.subscribe(2, 1, room);
        }
        calm(&mut sim);
        sim.restart(1);
        takes(&mut sim, 2 * SECOND, |sim| {
            sim.engine(1).members().is_ready() && sim.engine(1).state().rooms() == 20
        });
        calm(&mut sim);
        assert_eq!(count(&sim, 0, 5), None, "seed {seed}");
        assert_eq!(sim.counters().restarts, 1);
    }
}

#[test]
fn a_node_that_leaves_one_of_two_rooms_and_dies_leaves_neither_behind() {
    let mut sim = formed(3);
    sim.subscribe(0, 1, 1);
    sim.subscribe(0, 1, 2);
    calm(&mut sim);
    sim.unsubscribe(0, 1, 1);
    sim.run_for(MILLI);
    sim.crash(0);
    calm(&mut sim);
    assert_eq!([1, 2].map(|node| sim.engine(node).state().rooms()), [0, 0]);
}

#[test]
fn a_node_whose_clock_went_back_comes_in_as_a_later_life_all_the_same() {
    for seed in 0..20 {
        let mut sim = formed_with(SimSettings::new(3), seed);
        sim.subscribe(1, 1, 1);
        calm(&mut sim);
        let before = sim.engine(1).incarnation();
        sim.set_clock_back(1, 3_600 * SECOND);
        sim.restart(1);
        sim.subscribe(1, 1, 2);
        assert!(sim.engine(1).incarnation() < before, "seed {seed}");
        calm(&mut sim);
        assert!(sim.engine(1).incarnation() > before, "seed {seed}");
        assert_eq!((count(&sim, 0, 1), count(&sim, 0, 2)), (None, Some(1)), "seed {seed}");
    }
}

#[test]
fn half_of_the_nodes_die_at_once_and_the_others_go_on() {
    let mut sim = formed(6);
    for node in 0..6 {
        sim.subscribe(node, 1, 1);
    }
    calm(&mut sim);
    for node in 3..6 {
        sim.crash(node);
    }
    takes(&mut sim, SECOND, |sim| (0..3).all(|node| count(sim, node, 1) == Some(3)));
    calm(&mut sim);
    assert_eq!(sim.counters().became_unready, 0);
}
