//! Cuts, refusals and loss, and what comes after them.

use super::*;
use crate::sim::{Loss, Passage, Rule, Verdict};

#[test]
fn a_split_in_the_middle_heals_without_a_restart() {
    let mut sim = formed(4);
    for (node, room) in (0..4).zip(0..) {
        sim.subscribe(node, 1, room);
    }
    calm(&mut sim);
    sim.split(&[0, 1], &[2, 3]);
    sim.run_for(20 * SECOND);
    assert_eq!(
        [0, 3].map(|node| sim.engine(node).state().rooms()),
        [2, 2],
        "each side has its own rooms only"
    );
    for (node, room) in (0..4).zip(10..) {
        sim.subscribe(node, 2, room);
    }
    sim.unsubscribe(0, 1, 0);
    sim.heal();
    calm(&mut sim);
    assert_eq!(sim.engine(3).state().rooms(), 7);
    let counters = sim.counters();
    assert!(counters.cuts == 8 && counters.dropped > 0 && counters.removals == 8, "{counters:?}");
    assert_eq!(counters.restarts, 0);
}

#[test]
fn one_that_is_cut_off_is_removed_by_the_others_and_comes_back_with_its_live_truth() {
    let mut sim = formed_with(SimSettings::new(4).minimum_nodes(quorum(2)), 5);
    sim.subscribe(3, 1, 1);
    calm(&mut sim);
    sim.split(&[3], &[0, 1, 2]);
    let removed = takes(&mut sim, 5 * SECOND, |sim| (0..3).all(|node| count(sim, node, 1).is_none()));
    assert!(removed <= 3 * SECOND, "{removed:?}");
    assert!(!sim.engine(3).members().is_ready());
    assert!((0..3).all(|node| sim.engine(node).members().is_ready()));
    sim.run_for(15 * SECOND);
    sim.subscribe(3, 1, 2);
    sim.unsubscribe(3, 1, 1);
    sim.heal();
    calm(&mut sim);
    assert_eq!((count(&sim, 0, 1), count(&sim, 0, 2)), (None, Some(1)));
}

#[test]
fn a_broken_link_costs_nothing_that_is_owed() {
    for seed in 0..50 {
        let mut sim = formed_with(SimSettings::new(2), seed);
        sim.subscribe(1, 1, 1);
        calm(&mut sim);
        let before = sim.counters();
        for round in 0..200 {
            sim.publish(0, 1, 200);
            sim.run_for(MILLI);
            if round % 40 == 20 {
                sim.break_links(0, 1);
            }
        }
        calm(&mut sim);
        assert_eq!(sim.host(1).delivery().total(), 200, "seed {seed}");
        let counters = sim.counters();
        assert!(counters.broken >= 1, "{counters:?}");
        assert_eq!(counters.removals, 0, "seed {seed}");
        assert_eq!((counters.lags_told, counters.stale_told), (before.lags_told, before.stale_told));
    }
}

#[test]
fn a_member_that_others_reach_is_not_removed_for_one_cut() {
    let mut sim = formed(3);
    sim.subscribe(0, 1, 1);
    calm(&mut sim);
    sim.cut(0, 1);
    sim.run_for(4 * SECOND);
    assert_eq!(count(&sim, 1, 1), Some(1), "the veto holds");
    sim.heal();
    calm(&mut sim);
    assert!(sim.counters().vetoes > 0);
    assert_eq!(sim.counters().removals, 0);
}

#[test]
fn a_way_that_is_cut_in_one_direction_heals_too() {
    let mut sim = formed(3);
    sim.subscribe(0, 1, 1);
    calm(&mut sim);
    sim.cut_one_way(0, 1);
    sim.subscribe(0, 1, 2);
    sim.run_for(30 * SECOND);
    sim.mend(0, 1);
    calm(&mut sim);
    assert_eq!(count(&sim, 1, 2), Some(1));
}

#[test]
fn a_firewall_that_refuses_is_no_death_while_others_reach_the_node() {
    let mut sim = formed(3);
    sim.subscribe(0, 1, 1);
    calm(&mut sim);
    sim.refuse(0, 1);
    sim.run_for(4 * SECOND);
    assert_eq!(count(&sim, 1, 1), Some(1), "the third node hears it");
    sim.heal();
    calm(&mut sim);
    let counters = sim.counters();
    assert!(counters.broken > 0 && counters.refused > 0 && counters.vetoes > 0, "{counters:?}");
}

#[test]
fn nobody_is_removed_while_a_fifth_of_everything_is_lost() {
    let mut sim = formed(3);
    sim.add_rule(Loss { per_mille: 200 });
    for room in 0..60 {
        sim.subscribe(room as usize % 3, 1, room);
        sim.run_for(SECOND);
    }
    assert_eq!(sim.counters().removals, 0);
    assert!(sim.counters().dropped > 100);
    sim.heal();
    calm(&mut sim);
}

/// Holds every parcel of one node back.
#[derive(Debug)]
struct Slow(usize);

impl Rule for Slow {
    fn judge(
        &mut self,
        _: cluster_transport::proto::Instant,
        passage: Passage,
        _: &mut rand_chacha::ChaCha8Rng,
    ) -> Verdict {
        if passage.from == self.0 { Verdict::Delay(50 * MILLI) } else { Verdict::Pass }
    }
}

#[test]
fn a_rule_of_ones_own_decides_about_parcels() {
    let mut sim = formed(3);
    sim.add_rule(Slow(1));
    sim.subscribe(1, 1, 1);
    sim.run_for(20 * MILLI);
    assert_eq!(count(&sim, 0, 1), None);
    calm(&mut sim);
    assert!(sim.counters().delayed > 0);
}

#[test]
fn a_slow_line_makes_everything_late_by_the_same_time_however_much_there_is() {
    let mut sim = formed(2);
    sim.subscribe(0, 1, 1);
    calm(&mut sim);
    sim.add_rule(Slow(1));
    for _ in 0..100 {
        sim.publish(1, 1, 100);
        sim.run_for(MILLI);
    }
    sim.run_for(60 * MILLI);
    assert_eq!(sim.host(0).delivery().total(), 100);
}
