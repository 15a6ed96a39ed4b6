//! Resets: every node compares what it has with the owners, while everything goes on.

use super::*;

#[test]
fn resets_on_all_nodes_at_once_under_load_let_no_live_room_flap_and_cost_no_member() {
    for seed in 0..10 {
        let mut sim = formed_with(SimSettings::new(4), seed);
        for room in 0..50 {
            sim.subscribe(room as usize % 4, 1, room);
        }
        calm(&mut sim);
        let removals = sim.counters().removals;
        for round in 0..100_u32 {
            for node in 0..4 {
                sim.verify(node);
            }
            // Others come and go meanwhile.
            sim.subscribe(round as usize % 4, 2, 1_000 + round);
            sim.unsubscribe(round as usize % 4, 2, 996 + round);
            sim.publish(round as usize % 4, round % 50, 100);
            sim.run_for(7 * MILLI);
            for node in 0..4 {
                assert!((0..50).all(|room| count(&sim, node, room) == Some(1)), "seed {seed}, round {round}");
            }
        }
        calm(&mut sim);
        let counters = sim.counters();
        assert!(counters.passes > 0, "{counters:?}");
        assert_eq!((counters.removals, counters.hash_mismatches), (removals, 0), "seed {seed}");
    }
}

#[test]
fn a_reset_is_allowed_before_a_node_is_ready_and_while_others_are_cut_off() {
    let mut sim = formed_with(SimSettings::new(3).minimum_nodes(quorum(3)), 2);
    sim.subscribe(0, 1, 1);
    calm(&mut sim);
    sim.split(&[2], &[0, 1]);
    sim.run_for(20 * SECOND);
    assert!((0..3).all(|node| !sim.engine(node).members().is_ready()));
    for node in 0..3 {
        sim.verify(node);
    }
    sim.run_for(SECOND);
    assert_eq!(count(&sim, 1, 1), Some(1));
    sim.heal();
    calm(&mut sim);
}

#[test]
fn a_reset_takes_what_is_nobodys_away() {
    let mut sim = formed(3);
    sim.subscribe(0, 1, 1);
    calm(&mut sim);
    sim.corrupt(1, 0, 1, 9);
    assert_eq!(count(&sim, 1, 1), Some(9));
    sim.verify(1);
    sim.run_for(100 * MILLI);
    assert_eq!(count(&sim, 1, 1), Some(1));
    calm(&mut sim);
}
