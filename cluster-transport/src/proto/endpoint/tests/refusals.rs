//! Each refusal with its typed reason at both ends.

use super::*;
use crate::proto::body::{Fingerprint, Refuse, VersionRange};

/// What the acceptor reports, and what the dialler gets.
fn refused(
    dialler: &mut Side,
    acceptor: &mut Side,
    hello: Frame,
    wire: Wire,
) -> (RefuseCode, String, Refuse) {
    acceptor.events();
    dialler.events();
    acceptor.endpoint.handle_frame(at(1), wire.acceptor, hello);
    let actions = acceptor.actions();
    assert_eq!(actions.last(), Some(&format!("{}: close", wire.acceptor)), "{actions:?}");
    let refuse = acceptor.frame();
    dialler.endpoint.handle_frame(at(1), wire.dialler, refuse);
    let reported = acceptor.events().into_iter().find_map(|event| match event {
        EndpointEvent::Refused { remote, code, text, changed, .. } => {
            assert_eq!((remote.as_str(), changed), ("10.0.0.1:999", true));
            Some((code, text))
        }
        _ => None,
    });
    let got = dialler.events().into_iter().find_map(|event| match event {
        EndpointEvent::DialOutcome {
            outcome: DialOutcome::Failed(HandshakeFailure::Refused(refuse)),
            ..
        } => Some(*refuse),
        _ => None,
    });
    let (code, text) = reported.expect("the acceptor reports nothing");
    (code, text, got.expect("the dialler reports nothing"))
}

#[test]
fn strangers_are_refused_with_the_values_that_differ() {
    let ours = settings("b", 1);
    let cases = [
        (
            EndpointSettings { cluster: "other".parse().unwrap(), ..settings("a", 1) },
            (RefuseCode::WRONG_CLUSTER, "this is cluster kuzzle, not other", None),
        ),
        (
            EndpointSettings { fingerprint: Fingerprint([1; 16]), ..settings("a", 1) },
            (
                RefuseCode::SETTINGS_DIFFER,
                "host settings that must be equal on all members differ, such as the filter seed",
                Some("b"),
            ),
        ),
        (
            EndpointSettings { node: id("b"), ..settings("a", 0) },
            (RefuseCode::DUPLICATE_ID, "this is a newer process with the same id b", Some("b")),
        ),
        (
            EndpointSettings { node: id("b"), ..settings("a", 9) },
            (RefuseCode::DUPLICATE_ID, "this is an older process with the same id b", Some("b")),
        ),
    ];
    for (theirs, (code, text, node)) in cases {
        let (mut a, mut b) = (Side::new(theirs), Side::new(ours.clone()));
        let (wire, hello) = wire(at(1), &mut a, &mut b, "tcp://b:1");
        let (reported, words, got) = refused(&mut a, &mut b, hello, wire);
        assert_eq!((reported, words.as_str()), (code, text));
        assert_eq!((got.code, got.text.as_str(), got.node), (code, text, node.map(id)));
    }
}

#[test]
fn versions_that_do_not_meet_are_refused() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let (wire, hello) = wire(at(1), &mut a, &mut b, "tcp://b:1");
    let Frame::Hello(mut hello, extensions) = hello else { panic!("no Hello") };
    hello.versions = VersionRange { min: 7, max: 9 };
    let (code, text, _) = refused(&mut a, &mut b, Frame::Hello(hello, extensions), wire);
    assert_eq!(code, RefuseCode::NO_COMMON_VERSION);
    assert_eq!(text, "versions 1 to 1 are spoken here, not 7 to 9");
}

#[test]
fn a_certificate_of_another_node_is_refused_by_either_side() {
    let other =
        || PeerIdentity::Certified(CertifiedNames::new(["kuzzle.cluster", "other.kuzzle.cluster"]).unwrap());
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let (mut link, hello) = wire(at(1), &mut a, &mut b, "tcp://b:1");
    link.acceptor = b.endpoint.handle_accepted(at(1), other(), "10.0.0.1:999".to_owned());
    let (code, text, got) = refused(&mut a, &mut b, hello, link);
    assert_eq!(
        (code, text.as_str()),
        (RefuseCode::NOT_AUTHORISED, "the certificate is not for a.kuzzle.cluster")
    );
    assert_eq!(got.node, None, "a stranger learned who refused it");

    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let dialler = a.dial(at(1), "tcp://b:1");
    a.endpoint.handle_connected(at(1), dialler, other());
    let hello = a.frame();
    let acceptor = b.endpoint.handle_accepted(at(1), PeerIdentity::Plaintext, "10.0.0.1:999".to_owned());
    b.endpoint.handle_frame(at(1), acceptor, hello);
    let welcome = b.frame();
    a.endpoint.handle_frame(at(1), dialler, welcome);
    let text = "the certificate is not for b.kuzzle.cluster";
    assert_eq!(a.actions(), [format!("link 1: Refuse, not authorised: {text}"), "link 1: close".to_owned()]);
    let refuse = a.frame();
    b.endpoint.handle_frame(at(1), acceptor, refuse);
    assert_eq!(b.actions(), ["link 1: close"]);
    let [EndpointEvent::CallerFailed { failure: HandshakeFailure::Refused(got), .. }] = &b.events()[..]
    else {
        panic!("the acceptor reports something else")
    };
    assert_eq!((got.code, got.text.as_str()), (RefuseCode::NOT_AUTHORISED, text));
    let outcome =
        DialOutcome::Declined { node: id("b"), code: RefuseCode::NOT_AUTHORISED, text: text.to_owned() };
    let address = address("tcp://b:1");
    assert_eq!(a.events()[2..], [EndpointEvent::DialOutcome { address, outcome, changed: true }]);
}

#[test]
fn a_node_that_reaches_itself_lets_the_address_be_for_a_minute() {
    let mut a = Side::node("a");
    a.endpoint.add_target(at(1), address("tcp://a:9")).unwrap();
    a.actions();
    let dialler = a.dialled[0];
    let acceptor = a.endpoint.handle_accepted(at(1), PeerIdentity::Plaintext, "10.0.0.1:999".to_owned());
    a.endpoint.handle_connected(at(1), dialler, PeerIdentity::Plaintext);
    let hello = a.frame();
    a.endpoint.handle_frame(at(1), acceptor, hello);
    let refuse = a.frame();
    a.endpoint.handle_frame(at(1), dialler, refuse);
    let events = a.events();
    let [
        EndpointEvent::DialStarted { .. },
        EndpointEvent::DialConnected { .. },
        EndpointEvent::Refused { code, .. },
        EndpointEvent::DialOutcome { outcome, .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*code, outcome), (RefuseCode::SELF_CONNECTION, &DialOutcome::ToSelf));
    assert_eq!(a.endpoint.poll_timeout(), Some(at(61)));
}

#[test]
fn an_older_incarnation_is_told_of_the_newer_one_in_session_and_later_of_its_record() {
    let (mut newer, mut b) = (Side::new(settings("a", 5)), Side::node("b"));
    let session = connect(at(1), &mut newer, &mut b, "tcp://b:1");
    let mut older = Side::new(settings("a", 3));
    let (first, hello) = wire(at(1), &mut older, &mut b, "tcp://b:1");
    b.events();
    older.events();
    b.endpoint.handle_frame(at(1), first.acceptor, hello);
    let refuse = b.frame();
    older.endpoint.handle_frame(at(1), first.dialler, refuse);
    assert_eq!(b.events()[0], EndpointEvent::DoubtSession { node: id("a"), session });
    let told = EndpointEvent::DuplicateId { epoch: 5, other: Some(address("tcp://a:1")), by: Some(id("b")) };
    assert_eq!(older.events()[0], told);

    b.endpoint.handle_session_ended(at(2), session, SessionEnd::Left);
    let (second, refuse) = answer(at(2), &mut older, &mut b, "tcp://b:1");
    older.events();
    older.endpoint.handle_frame(at(2), second.dialler, refuse);
    assert_eq!(older.events()[0], EndpointEvent::Superseded { epoch: 5, by: Some(id("b")) });

    let incarnation = Incarnation { epoch: 6, nonce: 0 };
    older.endpoint.set_incarnation(at(3), incarnation);
    connect(at(3), &mut older, &mut b, "tcp://b:1");
}

#[test]
fn a_dialler_refuses_an_acceptor_of_which_it_knew_a_newer_incarnation() {
    let (mut a, mut newer) = (Side::node("a"), Side::new(settings("b", 5)));
    let session = connect(at(1), &mut a, &mut newer, "tcp://b:1");
    a.endpoint.handle_session_ended(at(2), session, SessionEnd::LinkLost("gone".to_owned()));
    let mut older = Side::new(settings("b", 3));
    let (wire, welcome) = answer(at(3), &mut a, &mut older, "tcp://b:1");
    a.endpoint.handle_frame(at(3), wire.dialler, welcome);
    let text = "an incarnation of b with epoch 5 is on record";
    assert_eq!(a.actions(), [format!("link 2: Refuse, superseded: {text}"), "link 2: close".to_owned()]);
    let refuse = a.frame();
    older.endpoint.handle_frame(at(3), wire.acceptor, refuse);
    assert_eq!(older.events()[0], EndpointEvent::Superseded { epoch: 5, by: Some(id("a")) });
}

#[test]
fn a_peer_cannot_talk_a_node_into_being_superseded_by_an_older_epoch() {
    let mut a = Side::new(settings("a", 9));
    let link = a.dial(at(1), "tcp://b:1");
    a.endpoint.handle_connected(at(1), link, PeerIdentity::Plaintext);
    let refuse = Refuse { epoch: Some(8), ..admission::stranger(RefuseCode::SUPERSEDED, "no") };
    a.events();
    a.endpoint.handle_frame(at(1), link, frames::refuse(refuse));
    assert!(matches!(&a.events()[..], [EndpointEvent::DialOutcome { .. }]));
}

#[test]
fn a_leaving_node_refuses_everybody_and_dials_nobody() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let (open, _) = answer(at(1), &mut a, &mut b, "tcp://b:1");
    let (idle, hello) = wire(at(1), &mut a, &mut b, "tcp://b:2");
    b.endpoint.add_target(at(1), address("tcp://c:1")).unwrap();
    b.actions();
    b.endpoint.set_leaving(at(1));
    let refuse = "Refuse, leaving: this node is leaving the cluster";
    assert_eq!(
        b.actions(),
        [
            "link 3: close".to_owned(),
            format!("{}: {refuse}", open.acceptor),
            format!("{}: close", open.acceptor),
            format!("{}: {refuse}", idle.acceptor),
            format!("{}: close", idle.acceptor),
        ]
    );
    let late = b.endpoint.handle_accepted(at(1), PeerIdentity::Plaintext, "10.0.0.1:1".to_owned());
    b.endpoint.handle_frame(at(1), late, hello);
    assert_eq!(b.actions(), [format!("{late}: {refuse}"), format!("{late}: close")]);
    assert_eq!(b.endpoint.poll_timeout(), None);
    assert!(b.endpoint.probe(at(2), address("tcp://a:1")).is_err());
}

#[test]
fn a_node_with_too_many_open_handshakes_is_busy() {
    let mut b = Side::new(EndpointSettings { max_open_handshakes: 2, ..settings("b", 1) });
    let mut accept = || {
        let link = b.endpoint.handle_accepted(at(1), PeerIdentity::Plaintext, "10.0.0.1:999".to_owned());
        (link, b.actions())
    };
    assert_eq!((accept().1, accept().1), (Vec::new(), Vec::new()));
    let (link, actions) = accept();
    let refuse = format!("{link}: Refuse, busy: 2 handshakes are open already, 2 of them from there");
    assert_eq!(actions, [refuse, format!("{link}: close")]);
}

#[test]
fn a_host_that_fills_the_places_for_newcomers_leaves_some_to_others() {
    let mut b = Side::new(EndpointSettings { max_open_handshakes: 16, ..settings("b", 1) });
    let mut accept = |remote: &str| {
        b.endpoint.handle_accepted(at(1), PeerIdentity::Plaintext, remote.to_owned());
        b.actions().is_empty()
    };
    assert_eq!((0..100).filter(|port| accept(&format!("10.0.0.1:{port}"))).count(), 8);
    assert!(accept("10.0.0.2:1") && accept("10.0.0.2:2"));
    assert!(!accept("10.0.0.2:3"));
}

#[test]
fn a_liar_cannot_have_a_node_begin_anew_again_and_again() {
    let mut a = Side::node("a");
    let mut told = 0;
    for attempt in 1..=10 {
        let link = a.dial(at(attempt), &format!("tcp://b:{attempt}"));
        a.endpoint.handle_connected(at(attempt), link, PeerIdentity::Plaintext);
        let refuse = Refuse { epoch: Some(u64::MAX), ..admission::stranger(RefuseCode::SUPERSEDED, "") };
        a.endpoint.handle_frame(at(attempt), link, frames::refuse(refuse));
        let superseded = |event: &EndpointEvent| matches!(event, EndpointEvent::Superseded { .. });
        told += a.events().iter().filter(|event| superseded(event)).count();
    }
    assert_eq!((told, a.endpoint.disbelieved()), (3, 7));
}

#[test]
fn no_more_nodes_go_on_record_than_allowed_and_the_idle_ones_make_room() {
    let mut b = Side::new(EndpointSettings { max_peers: 2, ..settings("b", 1) });
    let mut others: Vec<Side> = ["a", "c", "d"].map(Side::node).into();
    for other in &mut others[..2] {
        connect(at(1), other, &mut b, "tcp://b:1");
    }
    let (wire, hello) = wire(at(1), &mut others[2], &mut b, "tcp://b:1");
    let (code, text, _) = refused(&mut others[2], &mut b, hello, wire);
    assert_eq!((code, text.as_str()), (RefuseCode::BUSY, "2 nodes are in session already"));
    b.endpoint.close_session(at(2), &id("a"), CloseCode::APPLICATION);
    connect(at(3), &mut others[2], &mut b, "tcp://b:1");
    let nodes: Vec<String> = b.endpoint.sessions().map(|(node, _)| node.to_string()).collect();
    assert_eq!(nodes, ["c", "d"]);
}

#[test]
fn callers_without_a_link_are_news_once_and_members_that_meet_twice_are_none() {
    let mut side = Side::node("b");
    let mut news = |remote: &str, kind| {
        side.endpoint.handle_accept_failed(at(1), remote.to_owned(), kind, "words".to_owned());
        match &side.events()[..] {
            [EndpointEvent::CallerFailed { changed, failure, .. }] => {
                assert_eq!(*failure, HandshakeFailure::NoLink { kind, text: "words".to_owned() });
                *changed
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(news("10.0.0.1:1", NoLink::Http));
    assert!(!news("10.0.0.1:2", NoLink::Http));
    assert!(news("10.0.0.2:1", NoLink::Http));
    assert!(news("10.0.0.1:3", NoLink::Tls));
    // A member of the same host that meets itself in between.
    let link = side.endpoint.handle_accepted(at(1), PeerIdentity::Plaintext, "10.0.0.1:4".to_owned());
    let hello = frames::hello(&side.endpoint.settings.clone(), None, &mut side.endpoint.rng);
    side.endpoint.handle_frame(at(1), link, hello);
    let changed: Vec<bool> = side
        .events()
        .into_iter()
        .filter_map(|event| match event {
            EndpointEvent::Refused { code: RefuseCode::SELF_CONNECTION, changed, .. } => Some(changed),
            _ => None,
        })
        .collect();
    assert_eq!(changed, [false]);
    side.endpoint.handle_accept_failed(at(1), "10.0.0.1:5".to_owned(), NoLink::Tls, "words".to_owned());
    assert!(matches!(&side.events()[..], [EndpointEvent::CallerFailed { changed: false, .. }]));
}
