//! Joining, leaving, quorum, and a subscription that is answered.

use super::*;
use crate::engine::flight::{Decided, Decision};
use crate::engine::members::MemberEvent;

#[test]
fn three_nodes_are_ready_within_a_second_with_a_quorum_of_three() {
    let mut sim = Sim::new(SimSettings::new(3).minimum_nodes(quorum(3)), 1);
    let ready = |sim: &Sim| (0..3).all(|node| sim.engine(node).members().is_ready());
    assert!(!ready(&sim));
    takes(&mut sim, SECOND, ready);
    calm(&mut sim);
}

#[test]
fn a_newcomer_gets_all_rooms_and_takes_readiness_from_nobody() {
    let mut sim = formed_with(SimSettings::new(4).started(3), 2);
    for room in 0..500 {
        sim.subscribe(room as usize % 3, 1, room);
    }
    calm(&mut sim);
    sim.start(3);
    calm(&mut sim);
    assert_eq!(sim.engine(3).state().rooms(), 500);
    assert_eq!(sim.host(3).rooms().present().len(), 500);
    assert_eq!((sim.counters().became_ready, sim.counters().became_unready), (4, 0));
}

#[test]
fn a_node_that_leaves_takes_its_rooms_along_and_is_doubted_by_nobody() {
    let mut sim = formed(3);
    sim.subscribe(0, 1, 1);
    sim.subscribe(1, 1, 1);
    calm(&mut sim);
    let before = sim.counters();
    sim.leave(0);
    takes(&mut sim, SECOND, |sim| (1..3).all(|node| count(sim, node, 1) == Some(1)));
    calm(&mut sim);
    let counters = sim.counters();
    assert_eq!((counters.leaves, counters.doubts), (1, 0));
    assert_eq!(counters.stale_told, before.stale_told, "nothing of a node that left is stale");
}

#[test]
fn without_a_quorum_nobody_is_ready_and_with_one_again_everybody_is() {
    let mut sim = formed_with(SimSettings::new(3).minimum_nodes(quorum(3)), 3);
    sim.crash(2);
    let ready = |sim: &Sim| sim.running().filter(|node| sim.engine(*node).members().is_ready()).count();
    takes(&mut sim, 5 * SECOND, |sim| ready(sim) == 0);
    sim.start(2);
    takes(&mut sim, 5 * SECOND, |sim| ready(sim) == 3);
    calm(&mut sim);
    assert_eq!(sim.counters().became_unready, 2);
}

#[test]
fn what_is_published_anywhere_after_a_subscription_is_heard_reaches_the_subscriber() {
    let mut heard = 0;
    for seed in 0..20 {
        let mut sim = formed_with(SimSettings::new(4), seed);
        for room in 0..10 {
            let version = sim.subscribe(0, 1, room).unwrap().version;
            takes(&mut sim, SECOND, |sim| sim.engine(0).unheard(version).is_empty());
            (1..4).for_each(|node| assert_eq!(sim.publish(node, room, 100), 1, "seed {seed}, from n{node}"));
            heard += 3;
        }
        calm(&mut sim);
        assert_eq!(sim.host(0).delivery().total(), 30, "seed {seed}");
    }
    assert_eq!(heard, 600);
}

#[test]
fn a_thousand_simultaneous_dials_end_in_one_session_with_nothing_lost_or_doubled() {
    let mut sessions = Counters::default();
    for seed in 0..100 {
        // Five nodes start at one moment, each of them told of all: ten pairs dial each other from both sides.
        let mut sim = Sim::new(SimSettings::new(5), seed);
        for node in 0..5 {
            sim.subscribe(node, 1, 1);
        }
        for _ in 0..20 {
            sim.run_for(5 * MILLI);
            for node in 0..5 {
                sim.publish(node, 1, 50);
            }
        }
        calm(&mut sim);
        let counters = sim.counters();
        assert_eq!(counters.doubts, 0, "seed {seed}");
        assert!(counters.notifications_received > 100, "seed {seed}: {counters:?}");
        sessions += counters;
    }
    assert!(sessions.dials >= 1_000, "only {} dials", sessions.dials);
    println!(
        "{} dials, {} ends of sessions, {} replaced",
        sessions.dials, sessions.sessions, sessions.replaced
    );
}

#[test]
fn ten_nodes_that_shrink_to_three_and_grow_again_never_stop_serving_where_they_stay() {
    let mut sim = formed_with(SimSettings::new(10).minimum_nodes(quorum(3)), 4);
    for (node, room) in (0..10).zip(0..) {
        sim.subscribe(node, 1, room);
    }
    calm(&mut sim);
    for node in 3..10 {
        sim.leave(node);
        let others = |sim: &Sim, at: usize| sim.engine(at).members().members().count();
        takes(&mut sim, SECOND, |sim| (0..3).all(|at| others(sim, at) == 11 - node));
    }
    calm(&mut sim);
    assert_eq!(sim.engine(0).state().rooms(), 3);
    for node in 3..10 {
        sim.start(node);
    }
    calm(&mut sim);
    for node in 0..10 {
        let not_ready =
            |decision: &&Decision| matches!(decision.what, Decided::Member(MemberEvent::NotReady { .. }));
        let engine = sim.engine(node);
        assert_eq!((engine.members().is_ready(), engine.decisions().find(not_ready)), (true, None), "{node}");
    }
}
