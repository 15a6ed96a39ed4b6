//! Registers under faults: they agree afterwards, and outlive their writers.

use super::*;
use crate::engine::members::{Members, Reason};
use crate::engine::registers::{Awaited, MAX_VALUE, Written};

fn value(sim: &Sim, node: usize, key: &str) -> Option<String> {
    let value = sim.engine(node).registers().get(&key.parse().unwrap());
    value.map(|value| String::from_utf8(value.to_vec()).unwrap())
}

fn values(sim: &Sim, nodes: usize, key: &str) -> Vec<Option<String>> {
    (0..nodes).map(|node| value(sim, node, key)).collect()
}

fn all(value: &str, nodes: usize) -> Vec<Option<String>> {
    vec![Some(value.to_owned()); nodes]
}

#[test]
fn a_value_reaches_everybody_in_one_way_and_its_removal_too() {
    let mut sim = formed(4);
    assert!(matches!(sim.set_register(0, "strategy/local", "one"), Some(Written::Now { .. })));
    sim.run_for(10 * MILLI);
    assert_eq!(values(&sim, 4, "strategy/local"), all("one", 4));
    sim.remove_register(3, "strategy/local");
    sim.run_for(10 * MILLI);
    assert_eq!(values(&sim, 4, "strategy/local"), vec![None; 4]);
    assert_eq!(sim.set_register_default(1, "strategy/local", "again"), Some(Written::Kept), "it was removed");
    calm(&mut sim);
}

#[test]
fn a_register_outlives_its_writer_and_every_node_that_knew_it_first() {
    let mut sim = formed_with(SimSettings::new(3).started(2), 7);
    sim.set_register(0, "key", "kept");
    sim.run_for(10 * MILLI);
    sim.crash(0);
    sim.start(2);
    calm(&mut sim);
    sim.crash(1);
    sim.start(0);
    calm(&mut sim);
    assert_eq!((value(&sim, 0, "key"), value(&sim, 2, "key")), (Some("kept".into()), Some("kept".into())));
}

#[test]
fn both_sides_of_a_split_are_merged_and_the_one_with_more_writes_wins() {
    let mut sim = formed(4);
    sim.set_register(0, "shared", "before");
    calm(&mut sim);
    sim.split(&[0, 1], &[2, 3]);
    sim.run_for(20 * SECOND);
    sim.set_register(0, "left", "l");
    sim.set_register(3, "right", "r");
    sim.set_register(0, "shared", "left once");
    sim.set_register(2, "shared", "right once");
    sim.set_register(3, "shared", "right twice");
    sim.run_for(10 * MILLI);
    sim.set_register(3, "shared", "right at last");
    sim.run_for(SECOND);
    assert_eq!(value(&sim, 1, "shared"), Some("left once".into()));
    sim.heal();
    calm(&mut sim);
    for (key, expected) in [("left", "l"), ("right", "r"), ("shared", "right at last")] {
        assert_eq!(values(&sim, 4, key), all(expected, 4), "{key}");
    }
    assert!(sim.counters().removals > 0, "the split was a split");
}

#[test]
fn what_one_node_cannot_tell_another_comes_through_a_third() {
    let mut sim = formed(3);
    sim.cut(0, 1);
    sim.run_for(3 * SECOND);
    sim.set_register(0, "key", "around");
    sim.run_for(3 * SECOND);
    assert_eq!(value(&sim, 1, "key"), Some("around".into()));
    sim.heal();
    calm(&mut sim);
}

#[test]
fn a_newcomer_has_the_registers_before_it_is_ready() {
    let big = "x".repeat(MAX_VALUE);
    for seed in 0..20 {
        let mut sim = formed_with(SimSettings::new(4).started(3), seed);
        for key in 0..300 {
            sim.set_register(key % 3, &format!("key/{key}"), &big);
        }
        calm(&mut sim);
        sim.start(3);
        let ready = |sim: &Sim| sim.engine(3).members().is_ready();
        let mut waited = false;
        while !ready(&sim) {
            let waits = |why: &Reason| *why == Reason::Registers { of: Awaited::Members };
            waited |= sim.engine(3).members().reasons().iter().any(waits);
            sim.run_for(MILLI / 10);
        }
        assert!(waited, "seed {seed}");
        assert_eq!(sim.engine(3).registers().list(None).count(), 300, "seed {seed}");
        calm(&mut sim);
    }
}

#[test]
fn a_default_of_a_newcomer_never_overrides_what_the_cluster_has() {
    for seed in 0..20 {
        // The larger id would win between equal counters.
        let mut sim = formed_with(SimSettings::new(4).started(2), seed);
        assert!(matches!(sim.set_register_default(0, "secret", "first"), Some(Written::Now { .. })));
        sim.set_register(0, "removed", "x");
        sim.remove_register(0, "removed");
        calm(&mut sim);
        for node in [2, 3] {
            sim.start(node);
            assert_eq!(sim.set_register_default(node, "secret", "late"), Some(Written::Held));
            assert_eq!(sim.set_register_default(node, "removed", "late"), Some(Written::Held));
            assert_eq!(value(&sim, node, "secret"), None, "held");
        }
        calm(&mut sim);
        assert_eq!(values(&sim, 4, "secret"), all("first", 4), "seed {seed}");
        assert_eq!(values(&sim, 4, "removed"), vec![None; 4], "seed {seed}");
    }
}

#[test]
fn nodes_that_start_together_agree_on_one_default() {
    for seed in 0..20 {
        let mut sim = Sim::new(SimSettings::new(5), seed);
        for node in 0..5 {
            sim.set_register_default(node, "secret", &format!("of n{node}"));
        }
        calm(&mut sim);
        let secret = value(&sim, 0, "secret").unwrap();
        assert_eq!(values(&sim, 5, "secret"), all(&secret, 5), "seed {seed}");
    }
}

#[test]
fn a_write_before_the_others_were_read_takes_effect_over_what_they_have() {
    let mut sim = formed_with(SimSettings::new(3).started(2), 3);
    for round in 0..5 {
        sim.set_register(0, "key", &round.to_string());
    }
    calm(&mut sim);
    sim.start(2);
    assert_eq!(sim.set_register(2, "key", "mine"), Some(Written::Held));
    calm(&mut sim);
    assert_eq!(values(&sim, 3, "key"), all("mine", 3));
}

#[test]
fn a_member_that_gives_nothing_holds_nobody_back_for_long() {
    let mut sim = formed_with(SimSettings::new(3).started(1), 9);
    sim.set_register(0, "key", "x");
    sim.start(1);
    sim.run_until(SECOND, |sim| sim.engine(1).members().members().count() == 1);
    sim.pause(0);
    let ready = takes(&mut sim, 60 * SECOND, |sim| sim.engine(1).members().is_ready());
    assert!(ready <= 30 * SECOND, "{ready:?}");
    sim.resume(0);
    calm(&mut sim);
}

#[test]
fn registers_cost_nothing_while_nothing_changes() {
    let sent = |registers: bool| {
        let mut sim = formed(3);
        if registers {
            for key in 0..100 {
                sim.set_register(0, &format!("key/{key}"), "x");
            }
        }
        calm(&mut sim);
        let all = |sim: &Sim| -> u64 { (0..9).map(|pair| sim.bytes_sent(pair / 3, pair % 3)).sum() };
        let before = all(&sim);
        sim.run_for(60 * SECOND);
        all(&sim) - before
    };
    let (with, without) = (sent(true), sent(false));
    assert!(with.abs_diff(without) * 50 < without, "{with} and {without} bytes");
}

#[test]
fn repair_is_of_what_differs() {
    let mut sim = formed(2);
    for key in 0..2_000 {
        sim.set_register(0, &format!("key/{key}"), "some value of some length");
    }
    calm(&mut sim);
    sim.split(&[0], &[1]);
    sim.run_for(20 * SECOND);
    let before = sim.engine(0).registers().counters();
    sim.set_register(0, "one", "more");
    sim.heal();
    calm(&mut sim);
    assert_eq!(value(&sim, 1, "one"), Some("more".into()));
    let offered = sim.engine(0).registers().counters().offered - before.offered;
    assert!((1..200).contains(&offered), "{offered} of 2,001 were sent");
}

#[test]
fn the_history_of_readiness_stays_as_it_was_without_registers() {
    // A cluster that uses none is ready as soon as before: greetings carry what it takes to see that there is nothing.
    let mut sim = Sim::new(SimSettings::new(3).minimum_nodes(quorum(3)), 1);
    let ready = takes(&mut sim, 5 * SECOND, |sim| (0..3).all(|node| sim.engine(node).members().is_ready()));
    assert!(ready <= SECOND, "{ready:?}");
    assert!(sim.running().all(|node| Members::is_ready(sim.engine(node).members())));
}
