//! Peers that break the protocol, and inputs in no order at all.

use proptest::prelude::*;

use super::*;
use crate::proto::PerLane;
use crate::proto::body::{Go, Leave, Positions};
use crate::proto::wire::Extensions;

#[test]
fn what_is_no_handshake_frame_ends_the_link_with_a_reason() {
    let leave = Frame::Leave(Leave { ends: PerLane::default() }, Extensions::default());
    let mut b = Side::node("b");
    let mut accept = || b.endpoint.handle_accepted(at(1), PeerIdentity::Plaintext, "10.0.0.1:9".to_owned());
    let (first, second) = (accept(), accept());
    b.endpoint.handle_frame(at(1), first, leave);
    let text = "frame of kind 0x0a out of turn";
    assert_eq!(b.actions(), [format!("{first}: Close 1: {text}"), format!("{first}: close")]);
    b.endpoint.handle_bad_frame(at(1), second, &FrameError::UnknownKind { kind: 0x42 });
    let unknown = "frames of kind 0x42 must be understood and are not known here";
    assert_eq!(b.actions(), [format!("{second}: Close 2: {unknown}"), format!("{second}: close")]);
    let failed = |text: &str, changed| EndpointEvent::CallerFailed {
        remote: "10.0.0.1:9".to_owned(),
        failure: HandshakeFailure::Violation(text.to_owned()),
        changed,
    };
    assert_eq!(b.events(), [failed(text, true), failed(unknown, false)]);
}

#[test]
fn a_go_for_another_session_is_a_violation() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let (wire, _) = answer(at(1), &mut a, &mut b, "tcp://b:1");
    let go = Go { session: SessionId(1), positions: Positions::default() };
    b.endpoint.handle_frame(at(1), wire.acceptor, Frame::Go(go, Extensions::default()));
    let actions = b.actions();
    assert!(actions[0].starts_with("link 1: Close 1: Go for session 0000000000000001"), "{actions:?}");
    assert_eq!((actions.len(), b.endpoint.sessions().count()), (2, 0));
}

#[test]
fn a_welcome_cannot_take_the_id_of_another_session() {
    let (mut a, mut b, mut c) = (Side::node("a"), Side::node("b"), Side::node("c"));
    let session = connect(at(1), &mut a, &mut b, "tcp://b:1");
    let (wire, welcome) = answer(at(1), &mut a, &mut c, "tcp://c:1");
    let Frame::Welcome(mut welcome, extensions) = welcome else { panic!("no Welcome") };
    welcome.session = session;
    a.endpoint.handle_frame(at(1), wire.dialler, Frame::Welcome(welcome, extensions));
    let text = format!("session {session} of the Welcome is there already");
    assert_eq!(a.actions(), [format!("link 2: Close 1: {text}"), "link 2: close".to_owned()]);
    assert_eq!(a.endpoint.session_with(&id("b")), Some(session));
}

#[test]
fn a_go_after_the_deadline_is_too_late_even_if_the_timer_is_later_still() {
    let (mut a, mut b) = (Side::node("a"), Side::node("b"));
    let (wire, welcome) = answer(at(1), &mut a, &mut b, "tcp://b:1");
    a.endpoint.handle_frame(at(1), wire.dialler, welcome);
    let go = a.frame();
    b.endpoint.handle_frame(at(60), wire.acceptor, go);
    assert_eq!(b.actions(), ["link 1: Close 9: the handshake took too long", "link 1: close"]);
}

#[test]
fn a_peer_that_always_names_another_session_waits_for_the_next_attempt() {
    let mut a = Side::node("a");
    a.endpoint.add_target(at(1), address("tcp://b:1")).unwrap();
    a.actions();
    let mut connects = 0;
    for session in 1..10 {
        let Some(link) = a.dialled.pop_front() else { break };
        connects += 1;
        a.endpoint.handle_connected(at(1), link, PeerIdentity::Plaintext);
        let refuse = admission::stranger(RefuseCode::ALREADY_CONNECTED, "here");
        let refuse = crate::proto::body::Refuse { session: Some(SessionId(session)), ..refuse };
        a.endpoint.handle_frame(at(1), link, frames::refuse(refuse));
        a.actions();
    }
    assert_eq!(connects, 2);
}

#[test]
fn a_hello_carries_one_optional_extension_of_at_most_16_bytes() {
    let mut a = Side::node("a");
    let mut seen = std::collections::BTreeSet::new();
    for port in 1..50 {
        let link = a.dial(at(1), &format!("tcp://b:{port}"));
        a.endpoint.handle_connected(at(1), link, PeerIdentity::Plaintext);
        let Frame::Hello(_, extensions) = a.frame() else { panic!("no Hello") };
        let [grease] = extensions.as_slice() else { panic!("{extensions:?}") };
        assert!(grease.tag & crate::proto::wire::MUST_UNDERSTAND == 0 && grease.value.as_slice().len() <= 16);
        seen.insert(grease.tag);
    }
    assert!(seen.len() > 40, "the tags are not random: {seen:?}");
}

/// One input of any kind, aimed at one of the first links.
fn poke(a: &mut Side, b: &mut Side, now: Instant, link: LinkId, what: u8) {
    let endpoint = &mut a.endpoint;
    match what {
        0 => drop(endpoint.add_target(now, address(&format!("tcp://b:{}", link.0)))),
        1 => drop(endpoint.probe(now, address(&format!("tcp://b:{}", link.0)))),
        2 => drop(endpoint.handle_accepted(now, PeerIdentity::Plaintext, format!("host-{}:1", link.0))),
        3 => endpoint.handle_connected(now, link, PeerIdentity::Plaintext),
        4 => endpoint.handle_connect_failed(now, link, ConnectFailure::Refused),
        5 => endpoint.handle_link_closed(now, link, "closed".to_owned()),
        6 => endpoint.handle_bad_frame(now, link, &FrameError::Empty),
        7 => endpoint.handle_timeout(now),
        8 => endpoint.forget(now, &id("b")),
        9 => {
            endpoint.remove_target(now, &address(&format!("tcp://b:{}", link.0)));
        }
        10 => {
            let session = a.sessions.last().copied().unwrap_or(SessionId(0));
            endpoint.handle_session_ended(now, session, SessionEnd::Left);
        }
        11 => endpoint.set_incarnation(now, Incarnation { epoch: 1, nonce: link.0 }),
        12 => {
            // What another endpoint says to what this one said, on whatever link.
            if let Some((from, frame)) = a.frames.pop_front() {
                let theirs = b.endpoint.handle_accepted(now, PeerIdentity::Plaintext, "a:1".to_owned());
                b.endpoint.handle_frame(now, theirs, frame);
                b.actions();
                if let Some((_, answer)) = b.frames.pop_back() {
                    a.endpoint.handle_frame(now, from, answer);
                }
            }
        }
        _ => {
            let port = b.endpoint.handshakes.next_link().0 + 1;
            let other = b.dial(now, &format!("tcp://a:{port}"));
            b.endpoint.handle_connected(now, other, PeerIdentity::Plaintext);
            b.actions();
            if let Some((_, hello)) = b.frames.pop_back() {
                a.endpoint.handle_frame(now, link, hello);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_order_of_inputs_leaves_an_endpoint_whole(
        inputs in prop::collection::vec((0..14_u8, 1..40_u64, 0..2_000_u64), 1..200),
    ) {
        let (mut a, mut b) = (Side::node("a"), Side::node("b"));
        let mut now = at(1);
        for (what, link, pause) in inputs {
            now += Duration::from_millis(pause);
            b.endpoint.handle_timeout(now);
            poke(&mut a, &mut b, now, LinkId(link), what);
            a.actions();
            prop_assert!(a.endpoint.sessions().count() <= 1);
            prop_assert!(a.endpoint.handshakes.dials(Purpose::Target) <= DialSettings::default().concurrent);
        }
        a.endpoint.set_leaving(now);
        a.actions();
        prop_assert_eq!(a.endpoint.handshakes.all(), Vec::<LinkId>::new());
        prop_assert_eq!(a.endpoint.poll_timeout(), a.endpoint.peers.next_tick(), "but for the rings");
    }
}
