//! Lives of a node, and where nodes are looked for.

use super::*;
use crate::engine::input::RefuseCode;

#[test]
fn a_newer_life_takes_the_place_of_the_older_at_once() {
    let mut world = World::with_peers(&["b"]);
    let old = world.members.session_of(&node("b")).unwrap();
    world.up("b", 2);
    let expected = [removed("b", 1, RemovalReason::NewerIncarnation), stale("b"), joined("b", 2)]
        .map(|event| (1_000, event));
    assert_eq!(world.take_events(), expected);
    let close = Action::CloseSession { node: node("b"), session: old, why: CloseReason::Removed };
    assert_eq!(world.actions, [close], "its address is a target all the while");
}

#[test]
fn the_end_of_a_superseded_session_removes_the_older_life() {
    let mut world = World::with_peers(&["b"]);
    world.down("b", DownCause::Superseded);
    world.up("b", 2);
    let expected = [removed("b", 1, RemovalReason::NewerIncarnation), stale("b"), joined("b", 2)]
        .map(|event| (1_000, event));
    assert_eq!(world.take_events(), expected);
}

#[test]
fn an_older_life_is_closed_whether_the_newer_is_a_member_or_was_one() {
    let mut world = World::with_peers(&[]);
    world.up("b", 5);
    for _ in 0..2 {
        world.clear();
        let older = world.up_behind("b", 4, 0);
        let why = CloseReason::Superseded { epoch: 5 };
        assert_eq!(world.actions, [Action::CloseSession { node: node("b"), session: older, why }]);
        assert_eq!(world.take_events(), []);
        if world.members.member(&node("b")).is_some() {
            world.down("b", DownCause::Left);
        }
    }
}

#[test]
fn a_node_that_was_removed_comes_back_as_the_same_life() {
    let mut world = World::with_peers(&["b"]);
    world.silence("b");
    world.run_to(5_000);
    world.clear();
    world.up("b", 1);
    assert_eq!(world.take_events(), [(5_000, joined("b", 1))]);
}

#[test]
fn a_node_that_comes_back_elsewhere_is_not_looked_for_where_it_was() {
    let mut world = World::with_peers(&["b"]);
    world.silence("b");
    world.run_to(5_000);
    world.clear();
    let (session, addresses) = (SessionId(77), vec![address("elsewhere")]);
    let up = SessionUp { node: node("b"), incarnation: life(2), session, addresses, dialled: None };
    world.members.handle_session_up(at(5_000), up);
    world.drain();
    let expected = [Action::AddTarget(address("elsewhere")), Action::RemoveTarget(address("b"))];
    assert_eq!(world.actions, expected);
}

#[test]
fn a_session_with_the_own_id_is_closed() {
    let mut world = World::with_peers(&[]);
    let session = world.up_behind("me", 9, 0);
    let close = Action::CloseSession { node: node("me"), session, why: CloseReason::OwnId };
    assert_eq!(world.actions, [close]);
    assert_eq!(world.members.members().count(), 0);
}

#[test]
fn a_removed_member_is_looked_for_until_another_node_answers_or_a_day_has_passed() {
    for (outcome, drops) in [
        (DialOutcome::NoAnswer, false),
        (DialOutcome::Refused { code: RefuseCode(1), text: "busy".into() }, false),
        (DialOutcome::Alias { node: node("b") }, false),
        (DialOutcome::Session { node: node("c") }, true),
        (DialOutcome::Myself, true),
    ] {
        let mut world = World::with_peers(&["b"]);
        world.silence("b");
        world.run_to(5_000);
        world.clear();
        world.members.handle_dial_outcome(at(5_000), &address("b"), &outcome);
        world.drain();
        let dropped = world.actions == [Action::RemoveTarget(address("b"))];
        assert_eq!(dropped, drops, "{outcome:?}: {:?}", world.actions);
    }
    let mut world = World::with_peers(&["b"]);
    world.silence("b");
    world.run_to(5_000);
    world.clear();
    let removed_at = 3_500;
    let day = 24 * 3_600_000;
    world.members.handle_timeout(at(removed_at + day - 1));
    world.drain();
    assert_eq!(world.actions, []);
    world.members.handle_timeout(at(removed_at + day));
    world.drain();
    assert_eq!(world.actions, [Action::RemoveTarget(address("b"))]);
}

#[test]
fn a_forgotten_node_is_removed_and_not_looked_for_and_may_come_back() {
    let mut world = World::with_peers(&["b"]);
    let session = world.members.session_of(&node("b")).unwrap();
    world.members.forget(at(1_000), &node("b")).unwrap();
    world.drain();
    let close = Action::CloseSession { node: node("b"), session, why: CloseReason::Removed };
    assert_eq!(world.actions, [close, Action::RemoveTarget(address("b"))]);
    assert!(world.members.forget(at(1_000), &node("b")).is_err());
    world.clear();
    world.up("b", 1);
    assert_eq!(world.take_events(), [(1_000, joined("b", 1))]);
}

#[test]
fn forgetting_a_removed_node_ends_the_search() {
    let mut world = World::with_peers(&["b"]);
    world.silence("b");
    world.run_to(5_000);
    world.clear();
    world.members.forget(at(5_000), &node("b")).unwrap();
    world.drain();
    assert_eq!(world.actions, [Action::RemoveTarget(address("b"))]);
}
