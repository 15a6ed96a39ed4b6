//! One session per pair: how it begins, is found again, is replaced, and gives way.

use super::*;

fn lost() -> SessionEnd {
    SessionEnd::LinkLost("gone".to_owned())
}

#[test]
fn a_dial_becomes_one_session_at_both_ends() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let session = connect(at(1), &mut a, &mut b, "tcp://b:7");
    let up = |node: &str, dialled| EndpointEvent::SessionUp {
        node: id(node),
        incarnation: Incarnation { epoch: 1, nonce: 0 },
        session,
        addresses: vec![address(&format!("tcp://{node}:1"))],
        dialled,
        identity: PeerIdentity::Plaintext,
        version: 1,
        replaced: None,
    };
    let outcome =
        DialOutcome::InSession { node: id("b"), incarnation: Incarnation { epoch: 1, nonce: 0 }, session };
    assert_eq!(
        a.events(),
        [
            EndpointEvent::DialStarted { address: address("tcp://b:7") },
            EndpointEvent::DialConnected { address: address("tcp://b:7") },
            up("b", Some(address("tcp://b:7"))),
            EndpointEvent::DialOutcome { address: address("tcp://b:7"), outcome, changed: true },
        ]
    );
    assert_eq!(b.events(), [up("a", None)]);
    let tick = Some(at(2));
    assert_eq!((a.endpoint.poll_timeout(), b.endpoint.poll_timeout()), (tick, tick), "for the rings alone");
}

#[test]
fn another_address_of_a_node_in_session_is_an_alias() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let session = connect(at(1), &mut a, &mut b, "tcp://b:7");
    a.events();
    let (wire, refuse) = answer(at(2), &mut a, &mut b, "tcp://b:8");
    a.endpoint.handle_frame(at(2), wire.dialler, refuse);
    assert_eq!(a.actions(), ["link 2: close"]);
    let outcome = DialOutcome::Alias { node: id("b"), session };
    let address = address("tcp://b:8");
    assert_eq!(a.events()[2..], [EndpointEvent::DialOutcome { address, outcome, changed: true }]);
}

#[test]
fn a_session_whose_other_end_is_gone_is_replaced_without_going_down() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let old = connect(at(1), &mut a, &mut b, "tcp://b:7");
    a.endpoint.handle_session_ended(at(2), old, lost());
    a.events();
    b.events();
    let (first, refuse) = answer(at(3), &mut a, &mut b, "tcp://b:7");
    a.endpoint.handle_frame(at(3), first.dialler, refuse);
    assert_eq!(a.actions(), ["link 2: close", "link 3: connect tcp://b:7"]);
    let accepted = b.endpoint.handle_accepted(at(3), PeerIdentity::Plaintext, "10.0.0.1:999".to_owned());
    let second = Wire { dialler: a.dialled.pop_back().unwrap(), acceptor: accepted };
    a.endpoint.handle_connected(at(3), second.dialler, PeerIdentity::Plaintext);
    assert_eq!(a.actions(), ["link 3: Hello, replacing"]);
    let hello = a.frame();
    b.endpoint.handle_frame(at(3), second.acceptor, hello);
    let welcome = b.frame();
    a.endpoint.handle_frame(at(3), second.dialler, welcome);
    assert_eq!(a.actions(), ["link 3: Go", "link 3: session with b 1, dialled"]);
    let go = a.frame();
    b.events();
    b.endpoint.handle_frame(at(3), second.acceptor, go);
    assert_eq!(b.actions(), ["end session 1 with code 3", "link 3: session with a 1, accepted"]);
    let [EndpointEvent::SessionUp { session, replaced, .. }] = &b.events()[..] else {
        panic!("more or less than one event")
    };
    assert_eq!((Some(session), *replaced), (a.sessions.last(), Some(old)));
}

/// A has doubts of B and dials again while the session is there at both ends; after the `Welcome` that link is lost.
#[test]
fn a_session_that_was_to_be_replaced_ends_if_the_other_one_does_not_come() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let old = connect(at(1), &mut a, &mut b, "tcp://b:7");
    b.events();
    let (wire, hello) = wire(at(2), &mut a, &mut b, "tcp://b:8");
    let Frame::Hello(mut hello, extensions) = hello else { panic!("no Hello") };
    hello.replace = Some(old);
    b.endpoint.handle_frame(at(2), wire.acceptor, Frame::Hello(hello, extensions));
    assert!(matches!(b.frame(), Frame::Welcome(..)));
    assert_eq!(b.endpoint.session_with(&id("a")), Some(old), "until the Go nothing is replaced");
    b.endpoint.handle_link_closed(at(3), wire.acceptor, "the tunnel is over".to_owned());
    assert_eq!(b.actions(), ["end session 1 with code 3"], "nobody has listened to it since the Welcome");
    assert_eq!(b.endpoint.session_with(&id("a")), None);
    let down = |event: &EndpointEvent| matches!(event, EndpointEvent::SessionDown { session, .. } if *session == old);
    assert!(b.events().iter().any(down));
}

#[test]
fn a_welcome_from_a_peer_that_lost_the_session_replaces_it() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let old = connect(at(1), &mut b, &mut a, "tcp://a:7");
    b.endpoint.handle_session_ended(at(2), old, lost());
    let (wire, welcome) = answer(at(3), &mut a, &mut b, "tcp://b:7");
    a.endpoint.handle_frame(at(3), wire.dialler, welcome);
    assert_eq!(a.actions(), ["link 2: Go", "end session 1 with code 3", "link 2: session with b 1, dialled"]);
}

#[test]
fn a_welcome_that_may_have_crossed_our_go_does_not_replace_the_session() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let (slow, welcome) = answer(at(1), &mut a, &mut b, "tcp://b:7");
    a.endpoint.handle_frame(at(1), slow.dialler, welcome);
    let go = a.frame();
    let (fast, welcome) = answer(at(2), &mut a, &mut b, "tcp://b:8");
    a.endpoint.handle_frame(at(2), fast.dialler, welcome);
    assert_eq!(a.actions(), ["link 2: close"]);
    b.endpoint.handle_frame(at(3), slow.acceptor, go);
    b.endpoint.handle_link_closed(at(3), fast.acceptor, "closed".to_owned());
    assert_eq!(b.actions(), ["link 1: session with a 1, accepted"]);
}

#[test]
fn when_both_dial_at_once_the_larger_id_withholds_its_go() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let (from_b, welcome_to_b) = answer(at(1), &mut b, &mut a, "tcp://a:1");
    let (from_a, welcome_to_a) = answer(at(1), &mut a, &mut b, "tcp://b:1");
    b.endpoint.handle_frame(at(1), from_b.dialler, welcome_to_b);
    assert_eq!(b.actions(), Vec::<String>::new());
    a.endpoint.handle_frame(at(1), from_a.dialler, welcome_to_a);
    assert_eq!(a.actions(), ["link 2: Go", "link 2: session with b 1, dialled"]);
    let go = a.frame();
    b.endpoint.handle_frame(at(1), from_a.acceptor, go);
    assert_eq!(b.actions(), ["link 2: session with a 1, accepted", "link 1: close"]);
    a.endpoint.handle_link_closed(at(1), from_b.acceptor, "closed".to_owned());
    assert_eq!(a.actions(), Vec::<String>::new());
    let alias = b
        .events()
        .into_iter()
        .any(|event| matches!(event, EndpointEvent::DialOutcome { outcome: DialOutcome::Alias { .. }, .. }));
    assert!(alias, "the address of the withheld dial is not known as an alias");
}

#[test]
fn a_withheld_go_goes_out_when_the_other_handshake_ends() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let (from_b, welcome_to_b) = answer(at(1), &mut b, &mut a, "tcp://a:1");
    let (from_a, _) = answer(at(1), &mut a, &mut b, "tcp://b:1");
    b.endpoint.handle_frame(at(1), from_b.dialler, welcome_to_b);
    b.endpoint.handle_link_closed(at(2), from_a.acceptor, "cut".to_owned());
    assert_eq!(b.actions(), ["link 1: Go", "link 1: session with a 1, dialled"]);
}

#[test]
fn a_go_that_its_dialler_has_given_up_does_not_end_a_later_session() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let (slow, welcome) = answer(at(1), &mut a, &mut b, "tcp://b:1");
    a.endpoint.handle_frame(at(1), slow.dialler, welcome);
    let late = a.frame();
    assert!(a.endpoint.close_session(at(2), &id("b"), CloseCode::APPLICATION));
    connect(at(3), &mut a, &mut b, "tcp://b:1");
    b.endpoint.handle_frame(at(4), slow.acceptor, late);
    assert_eq!(b.actions(), ["link 1: Close 3: a later handshake has a session", "link 1: close"]);
}

#[test]
fn a_newer_incarnation_takes_the_place_of_the_one_in_session() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let old = connect(at(1), &mut a, &mut b, "tcp://b:1");
    b.events();
    let mut newer = Side::new(settings("a", 2));
    connect(at(2), &mut newer, &mut b, "tcp://b:1");
    let incarnation = |epoch| Incarnation { epoch, nonce: 0 };
    let events = b.events();
    assert_eq!(
        events[..2],
        [
            EndpointEvent::SessionDown {
                node: id("a"),
                incarnation: incarnation(1),
                session: old,
                cause: SessionEnd::Superseded(incarnation(2)),
            },
            EndpointEvent::NewerIncarnation { node: id("a"), old: incarnation(1), new: incarnation(2) },
        ]
    );
    assert!(matches!(&events[2..], [EndpointEvent::SessionUp { replaced: None, .. }]), "{events:?}");
}

#[test]
fn the_numbers_of_a_pair_outlive_its_sessions_until_forgotten() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let lanes = |side: &mut Side| loop {
        match side.endpoint.poll_action() {
            Some(EndpointAction::Establish { start, .. }) => break start.lanes,
            Some(EndpointAction::Send { link, frame }) => side.frames.push_back((link, frame)),
            Some(_) => {}
            None => panic!("no session came of it"),
        }
    };
    let mut again = |forget: bool| {
        let (wire, hello) = wire(at(1), &mut a, &mut b, "tcp://b:1");
        b.endpoint.handle_frame(at(1), wire.acceptor, hello);
        let welcome = b.frame();
        a.endpoint.handle_frame(at(1), wire.dialler, welcome);
        let kept = lanes(&mut a);
        let go = a.frame();
        b.endpoint.handle_frame(at(1), wire.acceptor, go);
        a.endpoint.close_session(at(1), &id("b"), CloseCode::APPLICATION);
        b.endpoint.close_session(at(1), &id("a"), CloseCode::APPLICATION);
        if forget {
            a.endpoint.forget(at(1), &id("b"));
        }
        b.sessions.clear();
        while b.endpoint.poll_action().is_some() {}
        while a.endpoint.poll_action().is_some() {}
        kept
    };
    let (first, second, third) = (again(false), again(true), again(false));
    assert!(std::sync::Arc::ptr_eq(&first, &second), "the numbers were lost with the link");
    assert!(!std::sync::Arc::ptr_eq(&second, &third), "the numbers were kept though forgotten");
}

#[test]
fn another_life_of_this_node_begins_without_sessions_and_dials_its_targets() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    a.endpoint.add_target(at(1), address("tcp://b:1")).unwrap();
    a.actions();
    let dial = a.dialled.pop_front().unwrap();
    shake_hands(at(1), &mut a, dial, &mut b);
    a.actions();
    a.endpoint.set_incarnation(at(9), Incarnation { epoch: 5, nonce: 0 });
    assert_eq!(a.actions(), ["end session 1 with code 8"]);
    assert_eq!((a.endpoint.incarnation().epoch, a.endpoint.sessions().count()), (5, 0));
    a.endpoint.handle_timeout(at(10));
    assert_eq!(a.actions(), ["link 2: connect tcp://b:1"]);
    shake_hands(at(10), &mut a, LinkId(2), &mut b);
    let newer = b
        .events()
        .into_iter()
        .any(|event| matches!(event, EndpointEvent::NewerIncarnation { new, .. } if new.epoch == 5));
    assert!(newer, "the other end did not notice");
}

#[test]
fn a_dial_that_was_accepted_and_got_no_further_is_told_apart_from_one_that_was_not() {
    let silent = |reached: bool| {
        let mut a = Side::node("a");
        let dialler = a.dial(at(1), "tcp://b:1");
        if reached {
            a.endpoint.handle_reached(at(1), dialler);
            a.endpoint.handle_reached(at(1), dialler);
        }
        a.endpoint.handle_timeout(a.endpoint.poll_timeout().unwrap());
        a.events()
    };
    let address = || address("tcp://b:1");
    let outcome = |failure| {
        let outcome = DialOutcome::NotConnected(failure);
        EndpointEvent::DialOutcome { address: address(), outcome, changed: true }
    };
    let started = || EndpointEvent::DialStarted { address: address() };
    let connected = EndpointEvent::DialConnected { address: address() };
    assert_eq!(silent(false)[..2], [started(), outcome(ConnectFailure::TimedOut)]);
    assert_eq!(silent(true)[..3], [started(), connected, outcome(ConnectFailure::Silent)]);
}

#[test]
fn an_optional_ability_is_on_while_every_node_in_session_has_it() {
    let side = |name: &str, features| Side::new(EndpointSettings { features, ..settings(name, 1) });
    let (mut a, mut b, mut c, mut d) = (side("a", 0b111), side("b", 0b110), side("c", 0b011), side("d", 0));
    assert_eq!(a.endpoint.common_features(), 0b111);
    connect(at(1), &mut a, &mut b, "tcp://b:1");
    assert_eq!((a.endpoint.common_features(), b.endpoint.common_features()), (0b110, 0b110));
    connect(at(2), &mut c, &mut a, "tcp://a:1");
    assert_eq!((a.endpoint.common_features(), c.endpoint.common_features()), (0b010, 0b011));
    // A node of an earlier version comes, and goes.
    connect(at(3), &mut d, &mut a, "tcp://a:1");
    assert_eq!(a.endpoint.common_features(), 0);
    a.endpoint.close_session(at(4), &id("d"), CloseCode::APPLICATION);
    assert_eq!(a.endpoint.common_features(), 0b010);
}
