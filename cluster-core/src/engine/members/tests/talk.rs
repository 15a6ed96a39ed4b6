//! What members tell each other: beats, hints, opinions, views.

use super::super::hints::TOLD_AT_A_TIME;
use super::super::wire::{Hint, Question};
use super::*;
use crate::engine::wire::{Bounded, PeerFault};

fn hint(name: &str) -> Hint {
    Hint { node: node(name), addresses: Bounded::take_from([address(name)]) }
}

fn question(about: &str) -> Question {
    Question { round: 3, node: node(about), incarnation: life(1) }
}

fn told(world: &World, to: &str) -> Vec<Message> {
    world.sent.iter().filter(|(peer, _)| *peer == node(to)).map(|(_, message)| message.clone()).collect()
}

#[test]
fn every_peer_hears_a_beat_of_constant_size_at_least_every_heartbeat() {
    let mut world = World::with_peers(&["b", "c"]);
    world
        .members
        .handle_state(at(1_000), StateRow { owner: node("me"), incarnation: life(1), version: 7, hash: 9 });
    world.run_to(11_000);
    let claims = Claims { version: 7, hash: 9, ready: true, digest: world.members.claims().digest };
    for name in ["b", "c"] {
        let beats = told(&world, name).into_iter().filter(|message| *message == Message::Heartbeat(claims));
        assert!((20..=23).contains(&beats.count()), "{:?}", told(&world, name));
    }
}

#[test]
fn a_newcomer_is_told_of_all_and_all_of_the_newcomer() {
    let mut world = World::with_peers(&["b", "c"]);
    world.up("d", 1);
    assert_eq!(told(&world, "d"), [Message::Hints(Bounded::take_from([hint("b"), hint("c")]))]);
    world.run_to(1_100);
    for name in ["b", "c"] {
        assert!(told(&world, name).contains(&Message::Hints(Bounded::take_from([hint("d")]))));
    }
}

/// To how many of these peers hints were told.
fn hinted(world: &World, peers: &[String]) -> usize {
    let is_hinted = |peer: &&String| told(world, peer).iter().any(|one| matches!(one, Message::Hints(_)));
    peers.iter().filter(is_hinted).count()
}

#[test]
fn of_many_newcomers_a_few_are_told_of_all_at_a_beat_and_those_that_know_them_by_then_are_not() {
    let mut world = World::with_peers(&[]);
    let row = StateRow { owner: node("me"), incarnation: life(1), version: 7, hash: 9 };
    world.members.handle_state(at(1_000), row);
    let peers: Vec<String> = (0..30).map(|number| format!("p{number}")).collect();
    for peer in &peers {
        world.up(peer, 1);
    }
    // The first one is told before there is anybody that it could be told of.
    assert_eq!(hinted(&world, &peers), TOLD_AT_A_TIME - 1);
    world.clear();
    world.run_to(1_090);
    assert_eq!(hinted(&world, &peers), 0);
    world.run_to(1_110);
    assert_eq!(hinted(&world, &peers), TOLD_AT_A_TIME, "some hear of those that are new");
    world.clear();
    world.run_to(1_600);
    assert_eq!(hinted(&world, &peers), TOLD_AT_A_TIME, "a beat");
    world.clear();
    let claims = Claims { ready: true, ..world.members.claims() };
    for peer in &peers {
        world.control(peer, &Message::Heartbeat(claims));
    }
    world.run_to(5_000);
    assert_eq!(hinted(&world, &peers), 0, "all have the same view");
}

#[test]
fn hinted_nodes_are_dialled_once_members_and_this_node_are_not() {
    let mut world = World::with_peers(&["b"]);
    let hints = ["b", "me", "new"].map(hint);
    world.control("b", &Message::Hints(Bounded::take_from(hints)));
    assert_eq!(world.actions, [Action::AddTarget(address("new"))]);
    world.clear();
    world.up("new", 1);
    assert_eq!(world.actions, [], "the target stays, on its own account now");
}

#[test]
fn hints_of_a_liar_are_bounded() {
    let mut world = World::with_peers(&["b"]);
    for i in 0..2_000 {
        world.control("b", &Message::Hints(Bounded::take_from([hint(&format!("n{i}"))])));
    }
    let added = world.actions.iter().filter(|action| matches!(action, Action::AddTarget(_))).count();
    let removed = world.actions.iter().filter(|action| matches!(action, Action::RemoveTarget(_))).count();
    assert_eq!(added - removed, MAX_ABSENT);
}

#[test]
fn a_question_is_answered_with_an_age_and_again_at_the_next_byte() {
    let mut world = World::with_peers(&["b", "c"]);
    world.run_to(1_050);
    world.control("c", &Message::Question(question("b")));
    let opinion = |heard| Message::Opinion(Opinion { question: question("b"), heard });
    assert!(told(&world, "c").contains(&opinion(Heard::Before(50))));
    assert!(told(&world, "b").iter().any(|message| matches!(message, Message::Ping(_))));
    assert!(!told(&world, "c").contains(&opinion(Heard::Since)));
    world.run_to(1_100);
    world.run_to(2_000);
    let again = told(&world, "c").into_iter().filter(|message| *message == opinion(Heard::Since));
    assert_eq!(again.count(), 1);
}

#[test]
fn a_session_that_ends_takes_the_answer_back() {
    let mut world = World::with_peers(&["b", "c"]);
    world.control("c", &Message::Question(question("b")));
    world.run_to(1_200);
    world.clear();
    world.down("b", DownCause::Eof);
    let opinion = Message::Opinion(Opinion { question: question("b"), heard: Heard::NoSession });
    assert_eq!(told(&world, "c")[0], opinion);
}

#[test]
fn of_whom_there_is_no_session_there_is_no_opinion() {
    let mut world = World::with_peers(&["b", "c"]);
    let other_life = Question { incarnation: life(2), ..question("b") };
    for question in [question("stranger"), question("me"), other_life] {
        world.clear();
        world.control("c", &Message::Question(question.clone()));
        assert_eq!(told(&world, "c"), [Message::Opinion(Opinion { question, heard: Heard::NoSession })]);
    }
}

fn asked(world: &World) -> Vec<&str> {
    let is_question = |sent: &&(NodeId, Message)| matches!(sent.1, Message::Question(_));
    world.sent.iter().filter(is_question).map(|(to, _)| to.as_str()).collect()
}

#[test]
fn at_most_eight_members_are_asked() {
    let names: Vec<String> = (0..20).map(|i| format!("n{i}")).collect();
    let mut world = World::with_peers(&names.iter().map(String::as_str).collect::<Vec<_>>());
    world.down("n1", DownCause::Eof);
    let different: BTreeSet<&str> = asked(&world).into_iter().collect();
    assert_eq!((asked(&world).len(), different.len()), (8, 8));
}

#[test]
fn members_in_doubt_are_not_asked_about_others() {
    let mut world = World::with_peers(&["b", "c", "d", "e"]);
    world.silence("b");
    world.silence("c");
    world.run_to(2_600);
    let mut asked = asked(&world);
    asked.sort_unstable();
    assert_eq!(asked, ["d", "d", "e", "e"]);
}

#[test]
fn nobody_can_veto_for_itself_or_unasked_or_for_another_life() {
    let mut world = World::with_peers(&["b", "c"]);
    world.silence("b");
    world.run_to(2_600);
    world.clear();
    let lie = |round| Opinion { question: Question { round, ..question("b") }, heard: Heard::Since };
    world.control("b", &Message::Opinion(lie(0)));
    world.control("c", &Message::Opinion(lie(99)));
    let other_life = Question { incarnation: life(2), round: 0, ..question("b") };
    world.control("c", &Message::Opinion(Opinion { question: other_life, heard: Heard::Since }));
    assert_eq!(world.take_events(), []);
    world.control("c", &Message::Opinion(lie(0)));
    assert_eq!(world.take_events(), [(2_600, MemberEvent::Vetoed { node: node("b"), by: node("c") })]);
}

#[test]
fn a_replica_that_differs_under_one_version_is_named_and_agreement_is_told() {
    let mut world = World::with_peers(&["b", "c"]);
    let row = |hash| StateRow { owner: node("c"), incarnation: life(1), version: 4, hash };
    world.members.handle_state(at(1_000), row(1));
    for beat in 0..5 {
        world.run_to(1_000 + beat * 500);
        world.control("b", &Message::Heartbeat(Claims { digest: 1, ready: true, ..Claims::default() }));
    }
    assert!(told(&world, "b").contains(&Message::Compare));
    assert!(!world.members.is_converged());
    world.clear();
    world.control("b", &Message::View(Bounded::take_from([row(2)])));
    let diverged = MemberEvent::Diverged { owner: node("c"), peer: node("b"), version: 4 };
    assert_eq!(world.take_events(), [(3_000, diverged)]);
    let digest = world.members.claims().digest;
    for name in ["c", "b"] {
        world.control(name, &Message::Heartbeat(Claims { digest, ..Claims::default() }));
    }
    assert_eq!(world.take_events(), [(3_000, MemberEvent::Agreed)]);
    assert!(world.members.is_converged());
    world.control("b", &Message::Compare);
    assert!(told(&world, "b").contains(&Message::View(Bounded::take_from([row(1)]))));
}

#[test]
fn a_peer_that_breaks_the_protocol_is_named_by_its_fault_and_a_stranger_is_ignored() {
    let mut world = World::with_peers(&["b"]);
    let fault = world.members.handle_control(at(1_000), &node("b"), &[0x11]);
    assert_eq!(fault, Err(PeerFault::UnknownKind { kind: 0x11 }));
    assert_eq!(world.members.handle_control(at(1_000), &node("b"), &[0x91]), Ok(()));
    assert_eq!(world.members.skipped(), 1);
    let ping = Message::Ping(1).encode();
    assert_eq!(world.members.handle_control(at(1_000), &node("stranger"), &ping), Ok(()));
    world.drain();
    assert_eq!(told(&world, "stranger"), []);
}

#[test]
fn a_change_of_readiness_is_told_at_once() {
    let mut world = World::with_peers(&["b"]);
    world.run_to(2_000);
    assert!(world.members.is_ready());
    world.clear();
    world.members.drain(at(2_000), Drain::Anyway).unwrap();
    world.drain();
    let claims = world.members.claims();
    assert!(!claims.ready);
    assert_eq!(told(&world, "b"), [Message::Draining, Message::Heartbeat(claims)]);
}
