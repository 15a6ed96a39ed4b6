//! Two engines that hear of each other without a network between them.

use std::time::Duration;

use super::*;
use crate::engine::members::{COMPARE, Claims, Drain, HEARTBEAT, VIEW};
use crate::engine::state::{Intake, RoomCount, RoomEvent};
use crate::engine::wire::encode;

struct Pair {
    now: Instant,
    a: Engine,
    b: Engine,
    seen: Vec<(&'static str, RoomEvent)>,
}

const SESSION: SessionId = SessionId(1);

fn engine(name: &str) -> Engine {
    let node: NodeId = name.parse().unwrap();
    let incarnation = Incarnation { epoch: 1, nonce: 1 };
    let members = MembersSettings::builder(node.clone(), incarnation).build().unwrap();
    let (limits, store) = (StateLimits::default(), StoreUse::Absent);
    let settings = EngineSettings { node, incarnation, members, limits, store };
    Engine::new(settings, Instant::ORIGIN, [7; 32])
}

fn up(node: &str) -> SessionUp {
    SessionUp {
        node: node.parse().unwrap(),
        incarnation: Incarnation { epoch: 1, nonce: 1 },
        session: SESSION,
        addresses: vec![format!("tcp://{node}:7511").parse().unwrap()],
        dialled: None,
    }
}

fn room(id: u8) -> RoomInfo {
    RoomInfo::new(RoomId::new([id; 32]), "index", "collection", Bytes::from_static(b"{}")).unwrap()
}

impl Pair {
    fn in_session() -> Self {
        let mut pair = Self { now: Instant::ORIGIN, a: engine("a"), b: engine("b"), seen: Vec::new() };
        pair.connect();
        pair
    }

    fn connect(&mut self) {
        self.a.handle_session_up(self.now, up("b"));
        self.b.handle_session_up(self.now, up("a"));
        self.exchange();
    }

    /// Carries everything that is to be carried until nobody has anything to say.
    fn exchange(&mut self) {
        for _ in 0..1_000 {
            let mut silent = true;
            silent &= !carry(self.now, &mut self.a, &mut self.b);
            silent &= !carry(self.now, &mut self.b, &mut self.a);
            for (name, engine) in [("a", &mut self.a), ("b", &mut self.b)] {
                self.seen.extend(std::iter::from_fn(|| engine.poll_room_event()).map(|event| (name, event)));
            }
            if silent {
                return;
            }
        }
        panic!("the engines never fall silent");
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += Duration::from_millis(10);
            for engine in [&mut self.a, &mut self.b] {
                if engine.poll_timeout().is_some_and(|at| at <= self.now) {
                    engine.handle_timeout(self.now);
                }
            }
            self.exchange();
        }
    }
}

fn carry(now: Instant, from: &mut Engine, to: &mut Engine) -> bool {
    let sender = from.node().clone();
    let receiver = to.node().clone();
    let mut carried = false;
    while let Some(transmit) = from.poll_transmit().or_else(|| from.poll_applied()) {
        assert_eq!(transmit.to, receiver);
        to.handle_control(now, &sender, SESSION, &transmit.message);
        to.handle_heard(now, &sender, SESSION);
        carried = true;
    }
    while let Some(message) = from.poll_state(&receiver, SESSION, 1 << 20) {
        assert_eq!(to.handle_state(now, &sender, SESSION, &message), Intake::Taken);
        carried = true;
    }
    carried
}

fn events(engine: &mut Engine) -> Vec<EngineEvent> {
    std::iter::from_fn(|| engine.poll_event()).collect()
}

#[test]
fn a_subscription_on_one_node_is_known_on_the_other_within_an_exchange() {
    let mut pair = Pair::in_session();
    let subscribed = pair.a.subscribe(pair.now, ConnectionId(1), &room(1)).unwrap();
    assert_eq!(pair.a.unheard(subscribed.version), ["b".parse().unwrap()]);
    pair.exchange();
    assert_eq!(pair.b.state().count(&room(1).id()), Some(1));
    assert_eq!(pair.a.unheard(subscribed.version), []);
    let names: Vec<_> = pair.seen.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["a", "b"], "each host hears of the room once");
    let interest = pair.b.interest(&[room(1).id()]);
    assert_eq!(interest, Interest { nodes: vec!["a".parse().unwrap()], avoided: 0 });
    let interest = pair.a.interest(&[room(1).id()]);
    assert_eq!(interest, Interest { nodes: vec![], avoided: 1 });
}

#[test]
fn both_are_ready_and_agree() {
    let mut pair = Pair::in_session();
    pair.a.subscribe(pair.now, ConnectionId(1), &room(1)).unwrap();
    pair.pass(Duration::from_secs(2));
    for engine in [&mut pair.a, &mut pair.b] {
        assert_eq!(engine.members().reasons(), []);
        assert!(engine.members().is_ready() && engine.members().is_converged());
        assert!(events(engine).iter().all(|event| !matches!(event, EngineEvent::Fault { .. })));
    }
}

#[test]
fn a_member_that_leaves_takes_its_rooms_along() {
    let mut pair = Pair::in_session();
    pair.a.subscribe(pair.now, ConnectionId(1), &room(1)).unwrap();
    pair.exchange();
    pair.b.handle_session_down(pair.now, &"a".parse().unwrap(), SESSION, DownCause::Left);
    assert_eq!(pair.b.state().count(&room(1).id()), None);
    let removed = |event: &EngineEvent| matches!(event, EngineEvent::Member(MemberEvent::Removed { .. }));
    assert_eq!(events(&mut pair.b).iter().filter(|event| removed(event)).count(), 1);
}

/// What both count in a room: those that stay, and those that are moving.
fn counted(pair: &Pair) -> [(Option<u64>, u64); 2] {
    let id = room(1).id();
    [&pair.a, &pair.b].map(|engine| (engine.state().count(&id), engine.state().moving(&id)))
}

#[test]
fn the_clients_of_a_node_that_drains_are_counted_apart_until_it_is_gone() {
    let mut pair = Pair::in_session();
    for connection in 1..=3 {
        pair.a.subscribe(pair.now, ConnectionId(connection), &room(1)).unwrap();
    }
    pair.b.subscribe(pair.now, ConnectionId(1), &room(1)).unwrap();
    pair.exchange();
    assert_eq!(counted(&pair), [(Some(4), 0); 2]);
    pair.a.drain(pair.now, Drain::Anyway).unwrap();
    pair.exchange();
    assert_eq!(counted(&pair), [(Some(1), 3); 2]);
    assert!(pair.b.members().member(&"a".parse().unwrap()).unwrap().drains());

    // One has come back at the other node before its old connection ends.
    let back = pair.b.subscribe(pair.now, ConnectionId(2), &room(1)).unwrap();
    assert_eq!(back.count, 2, "the answer counts those that stay");
    pair.exchange();
    assert_eq!(counted(&pair), [(Some(2), 3); 2]);
    pair.a.disconnect(pair.now, ConnectionId(1));
    pair.exchange();
    assert_eq!(counted(&pair), [(Some(2), 2); 2]);
    assert_eq!([&pair.a, &pair.b].map(|engine| engine.state().moving_subscriptions()), [2, 2]);
    assert_eq!(pair.a.interest(&[room(1).id()]).nodes, ["b".parse().unwrap()]);
    assert_eq!(
        pair.b.interest(&[room(1).id()]).nodes,
        ["a".parse().unwrap()],
        "they still get what is theirs"
    );

    pair.b.handle_session_down(pair.now, &"a".parse().unwrap(), SESSION, DownCause::Left);
    assert_eq!((pair.b.state().count(&room(1).id()), pair.b.state().moving(&room(1).id())), (Some(2), 0));
    assert_eq!(pair.b.state().moving_subscriptions(), 0);
}

#[test]
fn a_newcomer_is_told_who_drains_and_a_room_of_moving_clients_alone_is_still_one() {
    let mut pair = Pair { now: Instant::ORIGIN, a: engine("a"), b: engine("b"), seen: Vec::new() };
    pair.a.subscribe(pair.now, ConnectionId(1), &room(1)).unwrap();
    pair.a.drain(pair.now, Drain::Anyway).unwrap();
    pair.connect();
    assert_eq!(counted(&pair), [(Some(0), 1); 2]);
    let drains = |event: &EngineEvent| matches!(event, EngineEvent::Member(MemberEvent::Moving { .. }));
    assert_eq!(events(&mut pair.b).iter().filter(|event| drains(event)).count(), 1);
    let name = pair.b.state().collections(None).next().cloned().unwrap();
    assert_eq!(pair.b.state().list(&name), [RoomCount { room: room(1).id(), count: 0, moving: 1 }]);
}

#[test]
fn a_later_life_of_a_node_that_drained_stays() {
    let mut pair = Pair::in_session();
    pair.a.subscribe(pair.now, ConnectionId(1), &room(1)).unwrap();
    pair.exchange();
    pair.a.drain(pair.now, Drain::Anyway).unwrap();
    pair.exchange();
    assert_eq!(counted(&pair)[1], (Some(0), 1));
    let later =
        SessionUp { incarnation: Incarnation { epoch: 2, nonce: 1 }, session: SessionId(2), ..up("a") };
    pair.b.handle_session_up(pair.now, later);
    assert!(!pair.b.members().member(&"a".parse().unwrap()).unwrap().drains());
    assert_eq!(pair.b.state().moving_subscriptions(), 0);
}

#[test]
fn a_lost_link_keeps_the_rooms_until_the_verdict() {
    let mut pair = Pair::in_session();
    pair.a.subscribe(pair.now, ConnectionId(1), &room(1)).unwrap();
    pair.exchange();
    pair.b.handle_session_down(pair.now, &"a".parse().unwrap(), SESSION, DownCause::Eof);
    assert_eq!(pair.b.state().count(&room(1).id()), Some(1));
    assert_eq!(pair.b.interest(&[room(1).id()]).nodes, ["a".parse().unwrap()], "it is still owed");
}

#[test]
fn nonsense_from_a_peer_is_a_fault_of_its_session_and_changes_nothing() {
    let mut pair = Pair::in_session();
    let before = pair.b.members().claims();
    events(&mut pair.b);
    let from: NodeId = "a".parse().unwrap();
    pair.b.handle_control(pair.now, &from, SESSION, &[0x55]);
    pair.b.handle_control(pair.now, &from, SessionId(99), &[0x55]);
    let fault = PeerFault::UnknownKind { kind: 0x55 };
    assert_eq!(events(&mut pair.b), [EngineEvent::Fault { node: from, session: SESSION, fault }]);
    assert_eq!(pair.b.members().claims(), before);
}

#[test]
fn a_later_life_of_a_member_keeps_the_rooms_that_it_still_has_and_no_others() {
    let mut pair = Pair::in_session();
    let (kept, dropped) = (room(1), room(2));
    for room in [&kept, &dropped] {
        pair.a.subscribe(pair.now, ConnectionId(1), room).unwrap();
    }
    pair.exchange();
    pair.seen.clear();
    let later = Incarnation { epoch: 2, nonce: 1 };
    let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
    pair.a.handle_session_down(pair.now, &b, SESSION, DownCause::ClosedByUs);
    pair.b.handle_session_down(pair.now, &a, SESSION, DownCause::Eof);
    pair.a.reincarnate(pair.now, later);
    pair.a.unsubscribe(pair.now, ConnectionId(1), dropped.id()).unwrap();
    pair.a.handle_session_up(pair.now, up("b"));
    pair.b.handle_session_up(pair.now, SessionUp { incarnation: later, ..up("a") });
    pair.exchange();
    assert_eq!(pair.b.state().count(&kept.id()), Some(1));
    assert_eq!(pair.b.state().count(&dropped.id()), None);
    let at_b: Vec<_> = pair.seen.iter().filter(|(name, _)| *name == "b").collect();
    assert_eq!(at_b.len(), 1, "the kept room does not flap: {at_b:?}");
}

#[test]
fn every_loss_is_told_sooner_or_later() {
    let mut pair = Pair::in_session();
    pair.pass(Duration::from_secs(3));
    events(&mut pair.b);
    let a: NodeId = "a".parse().unwrap();
    let mut told = 0;
    for i in 0..300 {
        let (lane, direction) = (Lane::Notifications, Direction::Inbound);
        pair.b.handle_lagged(pair.now, &a, lane, direction, Missed::Known(1));
        if i % 10 == 0 {
            pair.pass(Duration::from_millis(50));
        }
    }
    pair.pass(Duration::from_secs(3));
    for event in events(&mut pair.b) {
        if let EngineEvent::Continuity(ContinuityEvent::Lagged { missed: Missed::Known(n), .. }) = event {
            told += n;
        }
    }
    assert_eq!(told, 300);
}

#[test]
fn decisions_of_membership_and_repair_are_recorded_in_their_order() {
    let mut pair = Pair::in_session();
    pair.a.subscribe(pair.now, ConnectionId(1), &room(1)).unwrap();
    pair.exchange();
    pair.b.corrupt_replica(&"a".parse().unwrap(), &room(1).id(), 7);
    pair.b.verify(pair.now);
    pair.exchange();
    let what: Vec<String> = pair.b.decisions().map(|decision| words(&decision.what)).collect();
    let expected = [
        "ready",
        "a joined as 1.0000000000000001",
        "a pass over the state of a began, at its version 0",
        "the pass over the state of a is complete, up to version 0; 0 rooms were gone",
        "a pass over the state of a began, at its version 1",
        "the pass over the state of a is complete, up to version 1; 0 rooms were gone",
        "the copy of the state of a equals it",
    ];
    assert_eq!(what, expected);
}

fn words(decided: &Decided) -> String {
    match decided {
        Decided::Member(event) => event.to_string(),
        Decided::State(event) => event.to_string(),
    }
}

#[test]
fn a_large_member_that_is_gone_holds_the_engine_for_a_piece_at_a_time() {
    let mut pair = Pair::in_session();
    for number in 0..2_500_u64 {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_le_bytes());
        let room = RoomInfo::new(RoomId::new(id), "index", "collection", Bytes::from_static(b"{}")).unwrap();
        pair.a.subscribe(pair.now, ConnectionId(1), &room).unwrap();
    }
    pair.exchange();
    let gone: NodeId = "a".parse().unwrap();
    pair.b.forget(pair.now, &gone).unwrap();
    let mut rooms = vec![pair.b.state().rooms()];
    while pair.b.poll_timeout().is_some_and(|due| due <= pair.now) {
        pair.b.handle_timeout(pair.now);
        rooms.push(pair.b.state().rooms());
    }
    assert_eq!(rooms, [1_500, 500, 0]);
}

#[test]
fn a_silent_member_that_was_removed_is_no_longer_waited_for_to_agree() {
    let mut pair = Pair::in_session();
    let key = "strategy/local".parse().unwrap();
    pair.a.set_register(pair.now, key, Bytes::from_static(b"{}")).unwrap();
    assert!(!pair.a.is_converged());
    for _ in 0..100 {
        pair.now += Duration::from_millis(200);
        pair.a.handle_timeout(pair.now);
    }
    assert_eq!(pair.a.members().members().count(), 0);
    assert!(pair.a.is_converged(), "{:?}", pair.a.differing());
}

#[test]
fn a_pause_is_told_by_whatever_comes_first_even_if_it_counts_for_nothing() {
    let (mut a, stranger) = (engine("a"), "b".parse().unwrap());
    let paused = Instant::ORIGIN + Duration::from_secs(5);
    let heartbeat = encode(HEARTBEAT, &Claims::default());
    a.handle_control(paused, &stranger, SESSION, &heartbeat);
    let is_told = |event| matches!(event, EngineEvent::Member(MemberEvent::Paused { .. }));
    assert!(std::iter::from_fn(|| a.poll_event()).any(is_told));
}

#[test]
fn views_that_stay_different_are_compared_and_found_to_agree_again() {
    let mut pair = Pair::in_session();
    pair.pass(Duration::from_secs(1));
    events(&mut pair.a);
    let peer: NodeId = "b".parse().unwrap();
    let (own, claims) = (pair.a.members.claims(), pair.b.members.claims());
    assert_eq!(own.digest, claims.digest);
    let heartbeat = |digest| encode(HEARTBEAT, &Claims { digest, ..claims });
    let mut sent = Vec::new();
    for _ in 0..8 {
        pair.now += Duration::from_millis(500);
        pair.a.handle_heard(pair.now, &peer, SESSION);
        pair.a.handle_control(pair.now, &peer, SESSION, &heartbeat(claims.digest + 1));
        pair.a.handle_timeout(pair.now);
        sent.extend(std::iter::from_fn(|| pair.a.poll_transmit()).map(|transmit| transmit.message));
    }
    assert!(sent.contains(&encode(COMPARE, &())));
    let owner = pair.a.node().clone();
    let (version, incarnation) = (own.version, pair.a.incarnation());
    let other = StateRow { owner: owner.clone(), incarnation, version, hash: own.hash + 1 };
    pair.a.handle_control(pair.now, &peer, SESSION, &encode(VIEW, &[other].as_slice()));
    let diverged = EngineEvent::Member(MemberEvent::Diverged { owner, peer: peer.clone(), version });
    assert_eq!(events(&mut pair.a), [diverged]);
    pair.a.handle_control(pair.now, &peer, SESSION, &heartbeat(claims.digest));
    assert_eq!(events(&mut pair.a), [EngineEvent::Member(MemberEvent::Agreed)]);
}
