//! Processes that do not run for a while.

use super::super::network::Arrival;
use super::*;

#[test]
fn a_node_that_is_stopped_for_ten_seconds_comes_back_with_its_rooms_and_those_of_the_others() {
    for seed in 0..20 {
        let mut sim = formed_with(SimSettings::new(3), seed);
        sim.subscribe(1, 1, 1);
        calm(&mut sim);
        sim.pause(1);
        sim.run_for(5 * SECOND);
        sim.subscribe(0, 1, 2);
        sim.run_for(5 * SECOND);
        sim.resume(1);
        assert!(!sim.engine(1).members().is_ready(), "seed {seed}: not before it has caught up");
        takes(&mut sim, 2 * SECOND, |sim| sim.engine(1).members().is_ready());
        assert_eq!(count(&sim, 1, 2), Some(1), "seed {seed}: ready means caught up");
        calm(&mut sim);
        assert_eq!((count(&sim, 0, 1), count(&sim, 2, 1)), (Some(1), Some(1)), "seed {seed}");
        let counters = sim.counters();
        assert_eq!((counters.pauses, counters.pauses_noticed), (1, 1), "seed {seed}");
    }
}

#[test]
fn a_frozen_process_is_removed_after_its_time_and_not_before() {
    let mut sim = formed(3);
    sim.subscribe(1, 1, 1);
    calm(&mut sim);
    sim.pause(1);
    sim.run_for(14 * SECOND);
    assert_eq!(count(&sim, 0, 1), Some(1));
    takes(&mut sim, 10 * SECOND, |sim| [0, 2].iter().all(|node| count(sim, *node, 1).is_none()));
    sim.resume(1);
    calm(&mut sim);
    assert_eq!(count(&sim, 0, 1), Some(1));
}

#[test]
fn a_pause_too_short_to_matter_costs_nothing() {
    let mut sim = formed(3);
    sim.subscribe(1, 1, 1);
    calm(&mut sim);
    for _ in 0..20 {
        sim.pause(1);
        sim.run_for(800 * MILLI);
        sim.resume(1);
        sim.run_for(1_500 * MILLI);
    }
    let counters = sim.counters();
    assert_eq!((counters.pauses, counters.removals, counters.became_unready), (20, 0, 0));
    calm(&mut sim);
}

#[test]
fn what_is_published_to_a_stopped_node_waits_for_it_within_bounds() {
    let mut sim = formed(2);
    sim.subscribe(1, 1, 1);
    calm(&mut sim);
    let before = sim.host(1).lost_from(&Sim::id(0));
    sim.pause(1);
    for _ in 0..3_000 {
        sim.publish(0, 1, 10_000);
        sim.run_for(MILLI);
    }
    sim.resume(1);
    calm(&mut sim);
    let counters = sim.counters();
    assert!(counters.notifications_shed > 0 && counters.blocked > 0, "{counters:?}");
    assert_eq!(sim.host(1).delivery().total() + counters.notifications_shed, 3_000);
    let told = sim.host(1).lost_from(&Sim::id(0));
    assert_eq!((told.known, told.unknown - before.unknown), (counters.notifications_shed, 0));
}

#[test]
fn a_link_that_takes_nothing_is_given_up_after_fifteen_seconds_and_not_before() {
    let mut sim = formed(2);
    sim.subscribe(1, 1, 1);
    calm(&mut sim);
    sim.pause(1);
    for _ in 0..100 {
        sim.publish(0, 1, 10_000);
        sim.run_for(MILLI);
    }
    sim.run_for(14 * SECOND);
    let counters = sim.counters();
    assert!(counters.blocked > 0 && counters.write_deadlines == 0, "{counters:?}");
    sim.run_for(SECOND);
    assert_eq!(sim.counters().write_deadlines, 1);
}

#[test]
fn a_link_that_takes_a_little_now_and_then_is_not_given_up() {
    let mut sim = formed(2);
    sim.subscribe(1, 1, 1);
    calm(&mut sim);
    sim.pause(1);
    for _ in 0..40 {
        // More than it takes until it is looked at again: something always waits.
        for _ in 0..40 {
            sim.publish(0, 1, 10_000);
        }
        sim.run_for(SECOND);
        sim.resume(1);
        sim.pause(1);
    }
    let counters = sim.counters();
    assert!(counters.blocked > 0, "{counters:?}");
    assert_eq!((counters.write_deadlines, counters.sessions), (0, 2), "{counters:?}");
}

#[test]
fn what_waits_for_a_stopped_process_holds_no_memory_of_others() {
    let mut sim = formed(3);
    sim.pause(1);
    sim.run_for(SECOND);
    let inbox = &sim.slots[1].inbox;
    let is_alone = |arrival: &Arrival| matches!(arrival, Arrival::Bytes(bytes, _) if bytes.is_unique());
    assert!(inbox.len() > 1 && inbox.iter().all(|(_, arrival)| is_alone(arrival)), "{inbox:?}");
}
