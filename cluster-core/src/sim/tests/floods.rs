//! Much at once.

use super::*;

#[test]
fn a_thousand_subscriptions_during_a_flood_are_all_known_everywhere() {
    let mut sim = formed(3);
    sim.subscribe(2, 1, 5_000);
    calm(&mut sim);
    for room in 0..1_000 {
        sim.subscribe(0, u64::from(room), room);
        for _ in 0..40 {
            sim.publish(1, 5_000, 1_000);
        }
        sim.run_for(MILLI);
    }
    calm(&mut sim);
    assert_eq!([1, 2].map(|node| sim.engine(node).state().rooms()), [1_001, 1_001]);
    let counters = sim.counters();
    assert_eq!(counters.notifications_sent, 40_000);
    assert_eq!((counters.doubts, counters.removals), (0, 0), "nobody is suspected while bytes move");
}

#[test]
fn rooms_that_are_joined_while_everything_changes_are_all_counted() {
    const ROOMS: u32 = 100_000;
    let mut sim = Sim::new(SimSettings::new(3).started(2), 8);
    sim.run_for(SECOND);
    for room in 0..ROOMS {
        sim.subscribe(0, 1, room);
        if room % 1_000 == 0 {
            sim.run_for(MILLI);
        }
    }
    sim.start(2);
    for room in 0..ROOMS / 10 {
        sim.unsubscribe(0, 1, room * 10);
        sim.subscribe(1, 1, ROOMS + room);
        if room % 50 == 0 {
            sim.run_for(MILLI);
        }
    }
    calm(&mut sim);
    assert_eq!(sim.engine(2).state().rooms(), 100_000);
}
