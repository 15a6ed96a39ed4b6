//! Readiness through the whole machine: what it waits for, and what takes it away.

use super::*;

fn row(owner: &str, version: u64) -> StateRow {
    StateRow { owner: node(owner), incarnation: life(1), version, hash: 0 }
}

#[test]
fn a_node_without_peers_and_discovery_is_ready_at_once() {
    let mut world = World::new(settings(1, Discovery::Absent));
    assert_eq!(world.take_events(), [(0, MemberEvent::Ready)]);
}

#[test]
fn readiness_waits_for_one_provider_and_a_store_error_is_no_answer() {
    let mut world = World::new(settings(1, Discovery::Configured));
    world.members.handle_discovered(at(0), "redis", Err("connection refused"));
    world.run_to(5_000);
    assert_eq!(world.members.reasons(), [Reason::Discovery]);
    world.members.handle_discovered(at(5_000), "seeds", Ok(&[]));
    world.drain();
    assert_eq!(world.take_events(), [(5_000, MemberEvent::Ready)]);
}

#[test]
fn a_stale_address_costs_half_a_second_at_most_and_an_outcome_ends_it_sooner() {
    let mut world = World::new(settings(1, Discovery::Configured));
    world.members.handle_discovered(at(0), "seeds", Ok(&[address("dead"), address("refuses")]));
    world.run_to(100);
    for name in ["dead", "refuses"] {
        world.members.handle_dial_started(at(100), &address(name));
    }
    world.members.handle_dial_outcome(at(101), &address("refuses"), &DialOutcome::ConnectionRefused);
    assert_eq!(world.members.reasons(), [Reason::Addresses { waiting: 1 }]);
    world.run_to(2_000);
    assert_eq!(world.take_events(), [(600, MemberEvent::Ready)]);
}

#[test]
fn readiness_waits_until_caught_up_with_the_version_of_the_greeting() {
    let mut world = World::new(settings(2, Discovery::Absent));
    let session = world.up_behind("b", 1, 10);
    world.talking.insert(node("b"), session);
    assert_eq!(world.members.reasons(), [Reason::CatchingUp { with: vec![node("b")] }]);
    world.run_to(500);
    world.members.handle_state(at(500), row("b", 9));
    assert!(!world.members.is_ready());
    world.control("b", &Message::Heartbeat(Claims { version: 99, ready: true, ..Claims::default() }));
    world.members.handle_state(at(500), row("b", 10));
    world.drain();
    assert_eq!(world.take_events(), [(0, joined("b", 1)), (500, MemberEvent::Ready)]);
    assert_eq!(world.members.ready_peers().collect::<Vec<_>>(), [&node("b")]);
}

#[test]
fn a_member_that_never_gets_there_is_degraded_and_holds_nobody_back() {
    let mut world = World::new(settings(2, Discovery::Absent));
    let session = world.up_behind("liar", 1, u64::MAX);
    world.talking.insert(node("liar"), session);
    world.run_to(20_000);
    let degraded = MemberEvent::Degraded { node: node("liar") };
    assert_eq!(
        world.take_events(),
        [(0, joined("liar", 1)), (10_000, degraded), (10_000, MemberEvent::Ready)]
    );
}

#[test]
fn a_member_that_others_reach_and_this_node_does_not_holds_nobody_back() {
    let mut world = World::new(settings(2, Discovery::Configured));
    world.up("c", 1);
    world.up_behind("b", 1, 10);
    world.opinions.insert(node("c"), Heard::Since);
    world.members.handle_discovered(at(0), "seeds", Ok(&[]));
    assert_eq!(world.members.reasons(), [Reason::CatchingUp { with: vec![node("b")] }]);
    world.down("b", DownCause::Eof);
    assert!(world.members.is_ready(), "{:?}", world.members.reasons());
}

#[test]
fn formation_counts_sessions_whether_those_peers_are_ready_or_not() {
    let mut world = World::new(settings(3, Discovery::Absent));
    assert_eq!(world.members.reasons(), [Reason::Quorum { nodes: 1, minimum: 3 }]);
    world.up("b", 1);
    assert_eq!(world.members.reasons(), [Reason::Quorum { nodes: 2, minimum: 3 }]);
    world.control("b", &Message::Heartbeat(Claims::default()));
    world.up("c", 1);
    assert!(world.members.is_ready());
    assert_eq!(world.members.ready_peers().collect::<Vec<_>>(), [&node("c")]);
}

#[test]
fn a_newcomer_and_a_bad_member_take_readiness_from_nobody() {
    let mut world = World::with_peers(&["b", "c"]);
    world.up_behind("new", 1, 1_000_000);
    world.members.handle_discovered(at(1_000), "redis", Err("gone"));
    world.members.handle_discovered(at(1_000), "seeds", Ok(&[address("stale")]));
    world.run_to(20_000);
    assert!(world.members.is_ready());
    let left = |event: &(u64, MemberEvent)| matches!(event.1, MemberEvent::NotReady { .. });
    assert!(!world.events.iter().any(left), "{:?}", world.events);
}

#[test]
fn a_removed_member_leaves_the_quorum_at_once_and_two_beats_later_readiness_ends() {
    let mut world = World::new(settings(3, Discovery::Absent));
    world.up("b", 1);
    world.up("c", 1);
    world.run_to(1_000);
    world.clear();
    world.down("c", DownCause::Left);
    world.run_to(3_000);
    let reasons = vec![Reason::Quorum { nodes: 2, minimum: 3 }];
    let expected =
        [(1_000, removed("c", 1, RemovalReason::Left)), (2_000, MemberEvent::NotReady { reasons })];
    assert_eq!(world.take_events(), expected);
    world.up("c", 2);
    assert_eq!(world.take_events(), [(3_000, joined("c", 2)), (3_000, MemberEvent::Ready)]);
}

#[test]
fn a_member_in_doubt_still_counts_for_who_is_ready() {
    let mut world = World::new(settings(2, Discovery::Absent));
    world.up("b", 1);
    world.run_to(1_000);
    world.clear();
    world.down("b", DownCause::Eof);
    world.run_to(1_900);
    world.up("b", 1);
    world.run_to(5_000);
    let expected = [(1_000, doubted("b", DoubtCause::Eof)), (1_900, recovered("b"))];
    assert_eq!(world.take_events(), expected);
}

#[test]
fn a_superseded_node_is_not_ready_until_it_goes_on_as_a_later_life() {
    let mut world = World::with_peers(&["b"]);
    world.members.handle_superseded(at(1_000), 8);
    world.members.handle_superseded(at(1_000), 8);
    world.drain();
    let reasons = vec![Reason::Superseded { epoch: 8 }];
    let expected = [
        (1_000, MemberEvent::Superseded { epoch: 8 }),
        (1_000, MemberEvent::NotReady { reasons: reasons.clone() }),
    ];
    assert_eq!(world.take_events(), expected);
    world.up("c", 1);
    world.members.handle_reincarnated(at(1_000), life(8));
    assert_eq!(world.members.reasons(), reasons);
    world.members.handle_reincarnated(at(1_000), life(9));
    assert!(world.members.is_ready());
}

#[test]
fn a_later_life_that_nobody_speaks_of_any_more_is_forgotten() {
    let mut world = World::with_peers(&["b"]);
    world.members.handle_superseded(at(1_000), 8);
    world.members.handle_superseded(at(21_000), 8);
    world.members.handle_timeout(at(65_999));
    assert!(world.members.reasons().contains(&Reason::Superseded { epoch: 8 }));
    world.members.handle_timeout(at(66_000));
    assert!(!world.members.reasons().contains(&Reason::Superseded { epoch: 8 }));
}

#[test]
fn a_drain_below_the_quorum_is_refused_with_the_number_unless_forced() {
    let mut world = World::new(settings(2, Discovery::Absent));
    world.up("b", 1);
    let refused = world.members.drain(at(0), Drain::IfQuorumHolds).unwrap_err();
    assert_eq!(refused, DrainError::BelowQuorum { remaining: 1, minimum: 2 });
    assert_eq!(refused.to_string(), "the drain leaves 1 of 2 nodes (minimumNodes): add a node or force it");
    assert!(world.members.is_ready());
    world.up("c", 1);
    world.clear();
    assert_eq!(world.members.drain(at(0), Drain::IfQuorumHolds), Ok(()));
    world.drain();
    let draining = MemberEvent::Draining { remaining: 2, minimum: 2 };
    let not_ready = MemberEvent::NotReady { reasons: vec![Reason::Draining] };
    assert_eq!(world.take_events(), [(0, draining), (0, not_ready)]);
    let told = |world: &World| world.sent.iter().filter(|(_, message)| *message == Message::Draining).count();
    assert_eq!(told(&world), 2);
    assert_eq!(world.members.drain(at(0), Drain::IfQuorumHolds), Ok(()));
    world.drain();
    assert_eq!(told(&world), 2, "once");
    world.up("d", 1);
    assert_eq!(told(&world), 3);
    let mut alone = World::new(settings(1, Discovery::Absent));
    assert_eq!(alone.members.drain(at(0), Drain::Anyway), Ok(()));
    assert!(!alone.members.is_ready());
}

#[test]
fn nodes_that_start_together_dial_all_that_is_named_and_do_not_all_begin_with_the_same_address() {
    let named = ["a", "b", "c"].map(address);
    let mut firsts = BTreeMap::<Address, usize>::new();
    for seed in 0..600 {
        let mut order = dialled(seed, &named);
        *firsts.entry(order[0].clone()).or_default() += 1;
        let start = named.iter().position(|address| *address == order[0]).unwrap();
        order.rotate_right(start);
        assert_eq!(order, named, "seed {seed}");
    }
    assert!(
        firsts.values().all(|first| (160..240).contains(first)),
        "of 600 nodes {firsts:?} begin with each"
    );
}

#[test]
fn wherever_a_node_begins_in_a_list_of_addresses_that_of_quic_comes_before_the_other_one_of_its_host() {
    let named: Vec<Address> = ["quic://a:1", "tcp://a:1", "quic://b:1", "tcp://b:1", "tcp://c:1"]
        .map(|text| text.parse().unwrap())
        .into();
    for seed in 0..100 {
        let order = dialled(seed, &named);
        let place = |text: &str| order.iter().position(|address| address.to_string() == text).unwrap();
        for host in ["a:1", "b:1"] {
            let (quic, tcp) = (place(&format!("quic://{host}")), place(&format!("tcp://{host}")));
            assert!(quic < tcp, "seed {seed}: {order:?}");
        }
        assert_eq!(order.len(), named.len());
    }
}

/// What a node dials that has just started, in its order, when a provider names these.
fn dialled(seed: u64, named: &[Address]) -> Vec<Address> {
    let rng = ChaCha8Rng::seed_from_u64(seed);
    let mut members = Members::new(settings(1, Discovery::Configured), at(0), rng);
    members.handle_discovered(at(0), "redis", Ok(named));
    let added = |action| if let Action::AddTarget(address) = action { address } else { panic!("{action:?}") };
    std::iter::from_fn(|| members.poll_action()).map(added).collect()
}
