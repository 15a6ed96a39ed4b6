//! Passes: everything that an owner has, told to somebody who has none of it.

use cluster_transport::proto::Lane;
use cluster_transport::proto::lanes::LaneSettings;

use super::*;
use crate::engine::state::MAX_PASSES;

/// How many rooms each node has: more than one message tells of.
const ROOMS: u32 = 1_500;

/// Nodes with many rooms, and one more that does not run. A pass takes several round trips.
fn crowded(nodes: usize) -> Sim {
    let mut lanes = LaneSettings::default();
    lanes.windows[Lane::State] = 64 * 1024;
    let settings = SimSettings::new(nodes + 1).started(nodes).lanes(lanes).delay(4 * MILLI..=6 * MILLI);
    let mut sim = Sim::new(settings, 3);
    for (node, first) in (0..nodes).zip((0..).step_by(1_500)) {
        assert!(sim.subscribe_to_many(node, 1, first..first + ROOMS));
    }
    calm(&mut sim);
    sim
}

#[test]
fn a_newcomer_is_told_everything_by_a_few_at_a_time() {
    let mut sim = crowded(9);
    sim.start(9);
    let mut most = 0;
    while !sim.engine(9).members().is_ready() {
        sim.run_for(MILLI);
        most = most.max(sim.engine(9).state().passes_running());
        assert!(sim.now().since_origin() < 60 * SECOND, "it is never ready");
    }
    assert_eq!(most, MAX_PASSES);
    calm(&mut sim);
}

#[test]
fn a_verification_asks_a_few_at_a_time_and_in_the_end_everybody() {
    let mut sim = crowded(9);
    sim.start(9);
    calm(&mut sim);
    let before = sim.counters().passes;
    sim.verify(9);
    let mut most = 0;
    for _ in 0..1_000 {
        sim.run_for(MILLI);
        most = most.max(sim.engine(9).state().passes_running());
    }
    assert_eq!(most, MAX_PASSES);
    calm(&mut sim);
    assert!(sim.counters().passes >= before + 9, "everybody was asked");
}

#[test]
fn a_verification_in_the_middle_of_a_pass_begins_it_again() {
    let mut sim = crowded(2);
    assert!(sim.subscribe_to_many(0, 2, 10_000..14_000));
    calm(&mut sim);
    sim.start(2);
    for _ in 0..1_000 {
        if sim.engine(2).state().passes_running() > 0 {
            break;
        }
        sim.run_for(MILLI);
    }
    sim.verify(2);
    calm(&mut sim);
    assert!(sim.counters().passes_restarted >= 1, "{:?}", sim.counters());
}

#[test]
fn a_stream_that_loses_its_place_is_put_right_and_nothing_is_told_twice() {
    let mut sim = formed(3);
    for room in 0..10 {
        sim.subscribe(0, 1, room);
    }
    calm(&mut sim);
    let before = sim.counters();
    sim.repeat_changes(0, 1, 5);
    sim.run_for(10 * MILLI);
    assert_eq!(sim.counters().duplicate_deltas, before.duplicate_deltas + 1);
    sim.leave_out_changes(0, 1, 100..103);
    assert_eq!(count(&sim, 1, 100), None);
    sim.run_for(10 * MILLI);
    assert_eq!((sim.counters().gaps, count(&sim, 1, 102)), (before.gaps + 1, Some(1)));
    calm(&mut sim);
    assert_eq!(sim.counters().passes, before.passes, "what was missing was told, and no more");
}
