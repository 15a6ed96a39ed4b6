//! State that vanishes without a fault, and nothing after it that would tell.

use super::super::schedule::{Profile, Schedule, Step};
use super::*;

#[test]
fn a_state_message_that_vanished_is_asked_for_within_four_heartbeats_and_once() {
    for seed in 0..10 {
        let mut sim = formed_with(SimSettings::new(3), seed);
        sim.subscribe(0, 1, 1);
        calm(&mut sim);
        let before = sim.counters();
        sim.swallow(0, 1);
        sim.subscribe(0, 1, 2);
        sim.run_for(SECOND);
        assert_eq!([1, 2].map(|node| count(&sim, node, 2)), [None, Some(1)], "seed {seed}");
        assert!(!sim.engine(1).members().is_converged(), "seed {seed}");
        let repaired = takes(&mut sim, 5 * SECOND, |sim| count(sim, 1, 2) == Some(1));
        assert!(repaired <= 1_600 * MILLI, "{repaired:?} is more than four heartbeats in all");
        calm(&mut sim);
        sim.run_for(60 * SECOND);
        let after = sim.counters();
        assert_eq!((after.swallowed, after.asked_again - before.asked_again), (1, 1), "seed {seed}");
        assert_eq!(after.passes, before.passes, "one change is told, and no more");
    }
}

#[test]
fn a_slow_link_loses_nothing_and_nobody_asks_again() {
    let mut sim = formed(3);
    for seconds in 1..4 {
        sim.add_rule(super::super::SlowPeer { node: 1, by: 600 * MILLI });
        assert!(sim.subscribe_to_many(0, seconds, 0..3_000));
        sim.run_for(10 * SECOND);
    }
    sim.heal();
    calm(&mut sim);
    assert_eq!(sim.counters().asked_again, 0);
}

#[test]
fn random_schedules_swallow_state_and_it_is_asked_for_again() {
    let mut total = Counters::default();
    for seed in 0..30 {
        let mut schedule = Profile::Resets.schedule(seed, 3..=5, 10);
        // What stands in the lane last is what nothing follows.
        schedule.steps.push(Step::Heal);
        schedule.steps.push(Step::Wait { ms: 3_000 });
        schedule.steps.push(Step::Swallow { from: 0, to: 1 });
        schedule.steps.push(Step::Subscribe { node: 0, connection: 1, room: 500 });
        let report = schedule.run();
        assert_eq!(report.violation, None, "seed {seed}");
        total += report.counters;
    }
    assert!(total.swallowed >= 60 && total.asked_again >= 30, "{total:?}");
}

#[test]
fn a_schedule_from_before_there_were_swallowed_messages_still_runs() {
    let text = r#"{"seed":1,"nodes":2,"minimumNodes":1,"ring":262144,"steps":[
        {"subscribe":{"node":0,"connection":1,"room":1}},{"wait":{"ms":500}},{"crash":{"node":1}},"endTwin"]}"#;
    let schedule: Schedule = serde_json::from_str(text).unwrap();
    assert_eq!(schedule.run().violation, None);
}
