//! Two that cannot reach each other while others reach both: they stay together through tunnels.

use super::*;

/// Nodes that agree, with a subscriber on each to the room of its number.
fn subscribed(nodes: usize, seed: u64) -> Sim {
    let mut sim = formed_with(SimSettings::new(nodes), seed);
    for (node, room) in (0..nodes).zip(0..) {
        sim.subscribe(node, 1, room);
    }
    calm(&mut sim);
    sim
}

/// Both of the first two publish for each other for a while.
fn talk(sim: &mut Sim, rounds: u32) {
    for _ in 0..rounds {
        sim.publish(0, 1, 500);
        sim.publish(1, 0, 500);
        sim.run_for(10 * MILLI);
    }
}

/// The first two are joined by a tunnel; who carries it.
fn tunnelled(sim: &mut Sim) -> usize {
    let is_there = |sim: &Sim| [0, 1].iter().all(|node| sim.tunnels(*node).0 == 1);
    takes(sim, 10 * SECOND, is_there);
    sim.running().find(|node| sim.tunnels(*node).1 == 1).unwrap()
}

fn is_whole(sim: &Sim) -> bool {
    let well = |node, other| {
        let member = sim.engine(node).members().member(&Sim::id(other));
        member.is_some_and(|member| member.session().is_some() && !member.is_doubted())
    };
    well(0, 1) && well(1, 0)
}

#[test]
fn a_pair_that_is_cut_goes_on_through_a_third_and_loses_nothing() {
    for seed in 0..5 {
        let mut sim = subscribed(3, seed);
        let before = sim.counters();
        sim.cut(0, 1);
        talk(&mut sim, 500);
        assert_eq!((tunnelled(&mut sim), is_whole(&sim)), (2, true), "seed {seed}");
        sim.subscribe(0, 2, 100);
        talk(&mut sim, 1_500);
        assert_eq!(count(&sim, 1, 100), Some(1), "seed {seed}");
        sim.mend(0, 1);
        // A direct link takes its place.
        talk(&mut sim, 500);
        assert_eq!((0..3).map(|node| sim.tunnels(node)).collect::<Vec<_>>(), [(0, 0); 3], "seed {seed}");
        calm(&mut sim);
        assert_eq!([0, 1].map(|node| sim.host(node).delivery().total()), [2_500; 2], "seed {seed}");
        let counters = sim.counters();
        assert!(counters.tunnels >= 1 && counters.tunnel_bytes > 0, "{counters:?}");
        assert!(counters.tunnels_replaced >= 1, "{counters:?}");
        assert_eq!(counters.removals, before.removals, "seed {seed}");
        let told = |counters: Counters| (counters.lags_told, counters.stale_told);
        assert_eq!(told(counters), told(before), "seed {seed}: nothing was lost, and nobody is told so");
    }
}

#[test]
fn a_pair_of_which_one_cannot_hear_the_other_is_joined_by_a_tunnel_too() {
    for seed in 0..5 {
        let mut sim = subscribed(4, seed);
        let removals = sim.counters().removals;
        sim.cut_one_way(0, 1);
        talk(&mut sim, 500);
        tunnelled(&mut sim);
        talk(&mut sim, 500);
        assert!(is_whole(&sim), "seed {seed}");
        sim.heal();
        calm(&mut sim);
        assert_eq!([0, 1].map(|node| sim.host(node).delivery().total()), [1_000; 2], "seed {seed}");
        assert_eq!(sim.counters().removals, removals, "seed {seed}");
    }
}

#[test]
fn whatever_befalls_the_carrier_another_one_takes_its_place() {
    let faults: [fn(&mut Sim, usize); 4] = [
        |sim, carrier| sim.crash(carrier),
        |sim, carrier| sim.leave(carrier),
        |sim, carrier| sim.pause(carrier),
        |sim, carrier| sim.cut(1, carrier),
    ];
    for (seed, fault) in (0..3).flat_map(|seed| faults.iter().map(move |fault| (seed, fault))) {
        let mut sim = subscribed(5, seed);
        sim.cut(0, 1);
        let carrier = tunnelled(&mut sim);
        fault(&mut sim, carrier);
        sim.run_for(5 * SECOND);
        talk(&mut sim, 100);
        sim.run_for(10 * SECOND);
        assert!(is_whole(&sim), "seed {seed}");
        let of_the_pair =
            |sim: &Sim| [(0, 1), (1, 0)].map(|(at, of)| sim.host(at).joins.get(&Sim::id(of)).copied());
        assert_eq!(of_the_pair(&sim), [Some(1); 2], "seed {seed}: neither was removed and came back");
        assert_eq!([0, 1].map(|node| sim.host(node).delivery().total()), [100; 2], "seed {seed}");
        sim.put_right();
        calm(&mut sim);
    }
}

#[test]
fn one_that_reaches_a_single_other_is_joined_to_all_through_it() {
    for seed in 0..10 {
        let mut sim = subscribed(6, seed);
        let removals = sim.counters().removals;
        sim.split(&[0], &[1, 2, 3, 4]);
        sim.run_for(40 * SECOND);
        assert_eq!((sim.tunnels(0).0, sim.tunnels(5).1), (4, 4), "seed {seed}");
        assert!((0..6).all(|node| sim.engine(node).members().is_ready()), "seed {seed}");
        talk(&mut sim, 100);
        sim.heal();
        calm(&mut sim);
        assert_eq!([0, 1].map(|node| sim.host(node).delivery().total()), [100; 2], "seed {seed}");
        assert_eq!(sim.counters().removals, removals, "seed {seed}");
    }
}
