//! Every row of the table of verdicts, through the whole machine.

use super::*;

const SILENT_PEERS_HEARD_AT: u64 = 1_000;

#[test]
fn a_killed_process_is_gone_a_tenth_of_a_second_later() {
    let mut world = World::with_peers(&["b", "c"]);
    world.probes_give("b", DialOutcome::ConnectionRefused);
    world.opinions.insert(node("c"), Heard::NoSession);
    world.down("b", DownCause::Eof);
    world.run_to(2_000);
    let evidence = Evidence {
        cause: DoubtCause::Eof,
        doubted: Duration::from_millis(102),
        silent: Duration::from_millis(102),
        refusals: 2,
        opinions: vec![(node("c"), None)],
    };
    let (incarnation, why) = (life(1), RemovalReason::Refused);
    let gone = MemberEvent::Removed { node: node("b"), incarnation, why, evidence: Some(evidence) };
    let expected = [(1_000, doubted("b", DoubtCause::Eof)), (1_102, gone), (1_102, stale("b"))];
    assert_eq!(world.take_events(), expected);
    let expected = [Action::ProbeNow(address("b")), Action::ProbeNow(address("b"))];
    assert_eq!(world.actions, expected, "its address stays a target: it is looked for");
}

#[test]
fn a_killed_process_whose_system_still_accepts_the_first_probe_is_gone_little_later() {
    let mut world = World::with_peers(&["b", "c"]);
    world.probes_give("b", DialOutcome::CutOff("reset".into()));
    world.opinions.insert(node("c"), Heard::NoSession);
    world.down("b", DownCause::Eof);
    world.members.handle_dial_connected(at(1_000), &address("b"));
    world.run_to(1_050);
    world.probes_give("b", DialOutcome::ConnectionRefused);
    world.run_to(2_000);
    assert_eq!(world.removals(), [(1_153, "b", RemovalReason::Refused)]);
}

#[test]
fn with_two_nodes_the_own_probe_decides() {
    let mut world = World::with_peers(&["b"]);
    world.probes_give("b", DialOutcome::ConnectionRefused);
    world.down("b", DownCause::Failed("reset".into()));
    world.run_to(3_000);
    assert_eq!(world.removals(), [(1_102, "b", RemovalReason::Refused)]);
}

#[test]
fn a_member_that_leaves_is_gone_at_once_and_not_looked_for() {
    let mut world = World::with_peers(&["b", "c"]);
    world.down("b", DownCause::Left);
    world.run_to(60_000);
    assert_eq!(world.take_events(), [(1_000, removed("b", 1, RemovalReason::Left))]);
    assert_eq!(world.actions, [Action::RemoveTarget(address("b"))]);
}

#[test]
fn a_silent_member_is_doubted_after_a_second_and_a_half_and_gone_a_second_later() {
    let mut world = World::with_peers(&["b", "c", "d"]);
    let session = world.members.session_of(&node("b")).unwrap();
    world.opinions.insert(node("c"), Heard::Before(10_000));
    world.silence("b");
    world.run_to(SILENT_PEERS_HEARD_AT + 2_499);
    assert_eq!(world.take_events(), [(2_500, doubted("b", DoubtCause::Silence))]);
    world.run_to(SILENT_PEERS_HEARD_AT + 2_500);
    assert_eq!(world.removals(), [(3_500, "b", RemovalReason::Silent)]);
    let close = Action::CloseSession { node: node("b"), session, why: CloseReason::Removed };
    assert_eq!(world.actions, [Action::ProbeNow(address("b")), close]);
    assert!(world.members.is_ready());
}

#[test]
fn a_byte_in_time_ends_the_doubt() {
    let mut world = World::with_peers(&["b", "c"]);
    let session = world.members.session_of(&node("b")).unwrap();
    world.silence("b");
    world.run_to(2_900);
    world.talking.insert(node("b"), session);
    world.run_to(10_000);
    let expected = [(2_500, doubted("b", DoubtCause::Silence)), (3_000, recovered("b"))];
    assert_eq!(world.take_events(), expected);
}

#[test]
fn a_lost_link_that_is_replaced_in_time_changes_nothing_but_the_doubt() {
    let mut world = World::with_peers(&["b", "c"]);
    world.down("b", DownCause::Eof);
    world.run_to(1_050);
    world.up("b", 1);
    world.run_to(10_000);
    let expected = [(1_000, doubted("b", DoubtCause::Eof)), (1_050, recovered("b"))];
    assert_eq!(world.take_events(), expected);
    assert!(world.members.member(&node("b")).unwrap().is_caught_up());
}

#[test]
fn a_session_replaced_by_another_of_the_same_life_is_not_visible() {
    for up_first in [true, false] {
        let mut world = World::with_peers(&["b"]);
        let old = world.members.session_of(&node("b")).unwrap();
        world.run_to(1_001);
        if up_first {
            world.up("b", 1);
            world.members.handle_session_down(at(1_001), &node("b"), old, DownCause::Replaced);
        } else {
            world.down("b", DownCause::Replaced);
            world.up("b", 1);
        }
        world.run_to(10_000);
        assert_eq!(world.take_events(), [], "up first: {up_first}");
        assert_ne!(world.members.session_of(&node("b")), Some(old));
    }
}

#[test]
fn a_frozen_process_has_fifteen_seconds() {
    let mut world = World::with_peers(&["b", "c"]);
    world.answers.insert(address("b"), Answer::ConnectsAndIsSilent);
    world.opinions.insert(node("c"), Heard::NoSession);
    world.silence("b");
    world.run_to(20_000);
    assert_eq!(world.removals(), [(17_500, "b", RemovalReason::Frozen)]);
}

#[test]
fn a_frozen_process_that_goes_on_is_kept() {
    let mut world = World::with_peers(&["b", "c"]);
    let session = world.members.session_of(&node("b")).unwrap();
    world.answers.insert(address("b"), Answer::ConnectsAndIsSilent);
    world.silence("b");
    world.run_to(11_000);
    world.talking.insert(node("b"), session);
    world.run_to(30_000);
    let expected = [(2_500, doubted("b", DoubtCause::Silence)), (11_100, recovered("b"))];
    assert_eq!(world.take_events(), expected);
}

#[test]
fn a_veto_keeps_a_member_for_ten_seconds_as_unreachable_from_here() {
    let mut world = World::with_peers(&["b", "c"]);
    world.opinions.insert(node("c"), Heard::Before(200));
    world.silence("b");
    world.run_to(12_000);
    let vetoed = MemberEvent::Vetoed { node: node("b"), by: node("c") };
    assert_eq!(world.take_events(), [(2_500, doubted("b", DoubtCause::Silence)), (2_500, vetoed)]);
    let member = world.members.member(&node("b")).unwrap();
    assert!(member.is_unreachable_from_here() && world.members.is_ready());
    world.run_to(20_000);
    assert_eq!(world.removals(), [(12_500, "b", RemovalReason::Unreachable)]);
}

#[test]
fn an_answer_of_another_life_or_another_node_ends_it_at_once() {
    for (outcome, why) in [
        (DialOutcome::OtherNode { node: node("b"), incarnation: life(2) }, RemovalReason::NewerIncarnation),
        (
            DialOutcome::OtherNode { node: node("x"), incarnation: life(9) },
            RemovalReason::AddressTaken { by: node("x") },
        ),
        (DialOutcome::Session { node: node("x") }, RemovalReason::AddressTaken { by: node("x") }),
        (DialOutcome::Myself, RemovalReason::AddressTaken { by: node("me") }),
    ] {
        let mut world = World::with_peers(&["b", "c"]);
        world.opinions.insert(node("c"), Heard::NoSession);
        world.probes_give("b", outcome);
        world.down("b", DownCause::Eof);
        world.run_to(3_000);
        assert_eq!(world.removals(), [(1_001, "b", why)]);
    }
}

#[test]
fn an_alias_at_its_address_proves_that_a_silent_member_lives() {
    let mut world = World::with_peers(&["b", "c"]);
    world.probes_give("b", DialOutcome::Alias { node: node("b") });
    world.silence("b");
    world.run_to(2_600);
    let expected = [(2_500, doubted("b", DoubtCause::Silence)), (2_501, recovered("b"))];
    assert_eq!(world.take_events(), expected);
}

#[test]
fn a_node_that_loses_more_than_half_of_its_peers_at_once_doubts_itself_first() {
    let mut world = World::with_peers(&["b", "c", "d", "e"]);
    for name in ["b", "c", "d"] {
        world.silence(name);
    }
    world.run_to(11_000);
    let expected = [
        (2_500, doubted("b", DoubtCause::Silence)),
        (2_500, doubted("c", DoubtCause::Silence)),
        (2_500, doubted("d", DoubtCause::Silence)),
        (2_500, MemberEvent::SelfDoubt { silent: 3, peers: 4 }),
        (2_500, MemberEvent::NotReady { reasons: vec![Reason::SelfDoubt] }),
    ];
    assert_eq!(world.take_events(), expected);
    assert!(world.members.doubts_itself());
    world.run_to(13_000);
    let silent = RemovalReason::Silent;
    let expected = [(12_500, "b", silent.clone()), (12_500, "c", silent.clone()), (12_500, "d", silent)];
    assert_eq!(world.removals(), expected);
    assert_eq!(world.events[6..], [(12_500, MemberEvent::SelfDoubtOver), (12_500, MemberEvent::Ready)]);
}

#[test]
fn a_node_whose_peers_are_killed_does_not_doubt_itself() {
    let mut world = World::with_peers(&["b", "c", "d"]);
    for name in ["b", "c", "d"] {
        world.probes_give(name, DialOutcome::ConnectionRefused);
        world.down(name, DownCause::Eof);
    }
    world.run_to(2_000);
    assert_eq!(world.removals().len(), 3);
    let doubts = world.events.iter().any(|(_, event)| matches!(event, MemberEvent::SelfDoubt { .. }));
    assert!(!doubts && world.members.is_ready());
}

#[test]
fn an_own_pause_voids_all_doubts_and_costs_readiness_until_caught_up() {
    let mut world = World::with_peers(&["b", "c"]);
    world.silence("b");
    world.run_to(2_700);
    world.clear();
    world.now += 8_000;
    world.run_to(10_702);
    let expected = [
        (10_701, MemberEvent::Paused { gap: Duration::from_millis(8_001) }),
        (10_701, MemberEvent::NotReady { reasons: vec![Reason::Paused] }),
        (10_701, recovered("b")),
    ];
    let events = world.take_events();
    let gap = |event: &(u64, MemberEvent)| matches!(event.1, MemberEvent::Paused { .. });
    assert_eq!(events.iter().filter(|event| gap(event)).count(), 1);
    assert_eq!(events[1..], expected[1..]);
    assert_eq!(world.members.reasons(), [Reason::CatchingUp { with: vec![node("b")] }, Reason::Paused]);
    assert_eq!(world.members.health(), 2);
    world.down("b", DownCause::Left);
    assert_eq!(
        world.events[1],
        (10_702, MemberEvent::Ready),
        "c answered the ping with what is here already"
    );
}

#[test]
fn a_node_in_bad_health_is_more_patient_with_others() {
    let mut world = World::with_peers(&["b"]);
    world.now = 5_000;
    world.run_to(5_100);
    world.silence("b");
    world.clear();
    assert_eq!(world.members.health(), 2);
    world.run_to(8_099);
    assert_eq!(world.take_events(), []);
    world.run_to(8_100);
    assert_eq!(world.take_events(), [(8_100, doubted("b", DoubtCause::Silence))]);
}

#[test]
fn a_hold_suspends_the_verdict_until_it_expires() {
    let mut world = World::with_peers(&["b", "c"]);
    world.probes_give("b", DialOutcome::ConnectionRefused);
    world.members.hold(at(1_000), &node("b"), Duration::from_secs(59)).unwrap();
    world.down("b", DownCause::Eof);
    world.run_to(61_000);
    assert_eq!(world.removals(), [(60_000, "b", RemovalReason::Refused)]);
    let unknown = world.members.hold(at(61_000), &node("b"), Duration::from_secs(30)).unwrap_err();
    assert_eq!(unknown.to_string(), "b is not known here: `members` in the status lists who is");
    let long = world.members.hold(at(61_000), &node("c"), Duration::from_secs(100_000)).unwrap_err();
    assert_eq!(
        long.to_string(),
        "a hold of 100000s is longer than 86400s: choose a shorter one, it can be renewed"
    );
}

#[test]
fn a_hold_ends_by_itself_or_by_hand_and_says_so() {
    let mut world = World::with_peers(&["b"]);
    world.members.hold(at(1_000), &node("b"), Duration::from_secs(5)).unwrap();
    world.drain();
    world.run_to(7_000);
    let span = Duration::from_secs(5);
    let held = |span| MemberEvent::Held { node: node("b"), span };
    let over = MemberEvent::HoldOver { node: node("b") };
    assert_eq!(world.take_events(), [(1_000, held(span)), (6_000, over.clone())]);
    world.members.hold(at(7_000), &node("b"), span).unwrap();
    world.members.hold(at(7_000), &node("b"), Duration::ZERO).unwrap();
    world.drain();
    assert_eq!(world.take_events(), [(7_000, held(span)), (7_000, held(Duration::ZERO)), (7_000, over)]);
}

#[test]
fn the_older_process_of_one_id_is_doubted_and_recovers_with_its_next_byte() {
    let mut world = World::with_peers(&["b", "c"]);
    world.members.handle_duplicate(at(1_000), &node("b"));
    world.drain();
    world.run_to(2_000);
    let expected = [(1_000, doubted("b", DoubtCause::DuplicateId)), (1_100, recovered("b"))];
    assert_eq!(world.take_events(), expected);
}

#[test]
fn a_member_whose_life_line_is_cut_is_gone_if_it_refuses_and_recovers_with_its_next_byte() {
    let mut world = World::with_peers(&["b", "c"]);
    world.members.handle_life_line_cut(at(1_000), &node("b"));
    world.drain();
    world.run_to(2_000);
    let cut = || doubted("b", DoubtCause::LifeLineCut);
    assert_eq!(world.take_events(), [(1_000, cut()), (1_100, recovered("b"))]);

    world.silence("b");
    world.probes_give("b", DialOutcome::ConnectionRefused);
    world.opinions.insert(node("c"), Heard::NoSession);
    world.members.handle_life_line_cut(at(2_000), &node("b"));
    world.drain();
    world.run_to(3_000);
    assert_eq!(world.removals(), [(2_102, "b", RemovalReason::Refused)]);
}

#[test]
fn a_node_that_leaves_judges_nobody_any_more() {
    let mut world = World::with_peers(&["b", "c"]);
    world.members.leave(at(1_000));
    world.silence("b");
    world.down("c", DownCause::Eof);
    world.run_to(30_000);
    assert_eq!(world.removals(), []);
    assert_eq!(world.members.reasons(), [Reason::Draining]);
}

#[test]
fn a_member_in_doubt_is_dialled_through_whoever_hears_it_once_a_round() {
    let mut world = World::with_peers(&["b", "c", "d"]);
    world.opinions.insert(node("c"), Heard::Before(200));
    world.opinions.insert(node("d"), Heard::NoSession);
    world.silence("b");
    world.run_to(4_400);
    let through = |via: &str| Action::ProbeNow(Address::through(&node(via), &node("b")));
    let tunnels = |via: &str| world.actions.iter().filter(|action| **action == through(via)).count();
    assert_eq!(
        (tunnels("c"), tunnels("d")),
        (3, 0),
        "half a second after the first veto, and every half second from then on"
    );
}

#[test]
fn nobody_is_dialled_through_one_that_does_not_hear_it() {
    let mut world = World::with_peers(&["b", "c"]);
    world.opinions.insert(node("c"), Heard::Before(10_000));
    world.silence("b");
    world.run_to(5_000);
    let is_tunnel = |action: &Action| matches!(action, Action::ProbeNow(to) if to.as_tunnel().is_some());
    assert!(!world.actions.iter().any(is_tunnel), "{:?}", world.actions);
}
