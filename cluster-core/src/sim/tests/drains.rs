//! Clients that move while their node drains: at every moment each of them is counted, and none of them twice.

use super::super::schedule::Profile;
use super::*;

const CLIENTS: u64 = 20;

/// What a node counts in a room: those that stay, and those that are moving.
fn counted(sim: &Sim, node: usize) -> (u64, u64) {
    let (state, id) = (sim.engine(node).state(), crate::sim::room(1).id());
    (state.count(&id).unwrap_or(0), state.moving(&id))
}

#[test]
fn nodes_are_drained_in_turn_and_every_client_is_counted_once_or_as_moving() {
    for seed in 0..10 {
        let mut sim = formed_with(SimSettings::new(5).minimum_nodes(quorum(3)), seed);
        let mut clients: Vec<Vec<u64>> = vec![Vec::new(); 5];
        for (client, node) in (0..CLIENTS).zip((0..5).cycle()) {
            sim.subscribe(node, client, 1);
            clients[node].push(client);
        }
        calm(&mut sim);
        for node in 0..5 {
            let own = std::mem::take(&mut clients[node]);
            let moving = own.len() as u64;
            assert!(sim.drain(node));
            let all_count = |sim: &Sim, wanted| (0..5).all(|at| counted(sim, at) == wanted);
            takes(&mut sim, SECOND, |sim| all_count(sim, (CLIENTS - moving, moving)));
            let others = (0..5).filter(|other| *other != node).cycle();
            for ((gone, client), next) in (1..).zip(own).zip(others) {
                // It is at another node before its old connection ends.
                sim.subscribe(next, client, 1);
                clients[next].push(client);
                takes(&mut sim, SECOND, |sim| all_count(sim, (CLIENTS - moving + gone, moving + 1 - gone)));
                sim.disconnect(node, client);
                takes(&mut sim, SECOND, |sim| all_count(sim, (CLIENTS - moving + gone, moving - gone)));
            }
            sim.leave(node);
            let stays = |at: &usize| *at != node;
            takes(&mut sim, SECOND, |sim| {
                sim.running().filter(stays).all(|at| counted(sim, at) == (CLIENTS, 0))
            });
            takes(&mut sim, 5 * SECOND, |sim| sim.running().all(|at| at != node));
            sim.start(node);
            calm(&mut sim);
            assert_eq!(counted(&sim, node), (CLIENTS, 0), "seed {seed}: its next life stays");
        }
    }
}

#[test]
fn a_node_that_drains_says_so_again_after_a_split() {
    let mut sim = formed(3);
    for node in 0..3 {
        sim.subscribe(node, 1, 1);
    }
    calm(&mut sim);
    assert!(sim.drain(0));
    takes(&mut sim, SECOND, |sim| (0..3).all(|at| counted(sim, at) == (2, 1)));
    sim.split(&[0], &[1, 2]);
    takes(&mut sim, 20 * SECOND, |sim| (1..3).all(|at| counted(sim, at) == (2, 0)));
    sim.heal();
    takes(&mut sim, 20 * SECOND, |sim| (0..3).all(|at| counted(sim, at) == (2, 1)));
}

#[test]
fn random_schedules_have_nodes_drain_and_die_in_the_middle_of_it() {
    let mut total = Counters::default();
    for seed in 0..30 {
        let report = Profile::Processes.schedule(seed, 3..=6, 15).run();
        assert_eq!(report.violation, None, "seed {seed}");
        total += report.counters;
    }
    assert!(total.drains >= 20 && total.slow_deaths >= 20, "{total:?}");
}
