//! A replica that is wrong although nobody did anything wrong.

use super::*;

#[test]
fn a_replica_corrupted_behind_the_engines_back_is_repaired_within_a_round_and_counted_once() {
    let mut sim = formed(3);
    for room in 0..20 {
        sim.subscribe(0, 1, room);
    }
    calm(&mut sim);
    assert_eq!(sim.counters().hash_mismatches, 0);
    sim.corrupt(1, 0, 7, 9);
    assert_eq!(count(&sim, 1, 7), Some(9));
    let repaired = takes(&mut sim, 2 * SECOND, |sim| count(sim, 1, 7) == Some(1));
    assert!(repaired <= 600 * MILLI, "{repaired:?} is more than a heartbeat and a round trip");
    calm(&mut sim);
    sim.run_for(10 * SECOND);
    assert_eq!(sim.counters().hash_mismatches, 1);
}
