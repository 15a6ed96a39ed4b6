//! The conformance suite: endpoints on real links, the same tests over TCP, TCP with TLS, QUIC, and memory.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[macro_use]
mod harness;
mod asking;
mod back_pressure;
mod certificates;
mod flood;
mod line;
mod moving;
mod networks;
mod proxy;
mod quirks;
mod receiving;
mod refusals;
mod resuming;
mod setup;
mod strangers;
mod tunnel;
mod windows;

use std::time::Duration;

use cluster_transport::endpoint::RequestError;
use cluster_transport::proto::Lane;
use cluster_transport::proto::endpoint::SessionEnd;
use cluster_transport::proto::lanes::Payload;
use harness::{Carrier, GIVE_UP, Node, Pair, Seen};

over_every_link!(
    messages_arrive_once_and_in_order_on_every_lane,
    a_long_message_arrives_beside_short_ones,
    requests_are_answered_refused_or_run_into_their_deadline,
    a_dropped_request_is_cancelled_at_the_other_side,
    a_leave_delivers_the_last_words,
    a_crash_closes_the_link_without_a_word,
    a_request_under_way_is_lost_with_its_link,
    many_dial_each_other_at_once_and_each_pair_has_one_session,
);

async fn messages_arrive_once_and_in_order_on_every_lane(carrier: Carrier) {
    let pair = Pair::connect(carrier).await;
    let session = pair.a.session().await;
    let lanes = [Lane::Control, Lane::State, Lane::Events, Lane::Notifications];
    for i in 0..5_000_u32 {
        for lane in lanes {
            session.send(lane, b"#", Payload::Copied(&i.to_be_bytes())).unwrap();
        }
    }
    for lane in lanes {
        let got = pair.b.messages(lane, 5_000).await;
        let expected: Vec<_> = (0..5_000_u32).map(|i| [b"#", &i.to_be_bytes()[..]].concat()).collect();
        assert_eq!(got, expected, "{lane}");
    }
}

async fn a_long_message_arrives_beside_short_ones(carrier: Carrier) {
    let pair = Pair::connect(carrier).await;
    let session = pair.a.session().await;
    let long: Vec<u8> = (0..5_u32 << 20).map(|i| u8::try_from(i % 253).unwrap()).collect();
    session.send(Lane::Events, &[], Payload::Shared(long.clone().into())).unwrap();
    session.send(Lane::Events, &[], Payload::Copied(b"after")).unwrap();
    session.send(Lane::Control, &[], Payload::Copied(b"beside")).unwrap();
    assert_eq!(pair.b.messages(Lane::Control, 1).await, [b"beside".to_vec()]);
    assert_eq!(pair.b.messages(Lane::Events, 2).await, [long, b"after".to_vec()]);
}

async fn requests_are_answered_refused_or_run_into_their_deadline(carrier: Carrier) {
    let pair = Pair::connect(carrier).await;
    let session = pair.a.session().await;
    let ask = |what: &'static [u8], timeout| session.request(Payload::Copied(what), timeout);
    let (echo, refused, silence) = tokio::join!(
        ask(b"echo me", GIVE_UP),
        ask(b"refuse me", GIVE_UP),
        ask(b"ignore me", Duration::from_millis(50))
    );
    assert_eq!(echo.unwrap(), b"echo me"[..]);
    assert_eq!(refused.unwrap_err().to_string(), "the peer refused: as you wish (code 1)");
    assert_eq!(silence.unwrap_err(), RequestError::DeadlinePassed);
    let long = vec![3; 3 << 20];
    let payload = [b"echo", &long[..]].concat();
    let reply = session.request(Payload::Shared(payload.clone().into()), GIVE_UP).await.unwrap();
    assert_eq!(reply, payload);
}

async fn a_dropped_request_is_cancelled_at_the_other_side(carrier: Carrier) {
    let pair = Pair::connect(carrier).await;
    let session = pair.a.session().await;
    {
        let mut request = Box::pin(session.request(Payload::Copied(b"ignore me"), GIVE_UP));
        tokio::select! {
            biased;
            outcome = &mut request => panic!("nobody answers, but {outcome:?}"),
            seen = pair.b.wait_for(|seen| matches!(seen, Seen::Asked).then_some(())) => seen,
        }
    }
    pair.b.wait_for(|seen| matches!(seen, Seen::Cancelled).then_some(())).await;
}

async fn a_leave_delivers_the_last_words(carrier: Carrier) {
    let pair = Pair::connect(carrier).await;
    let session = pair.a.session().await;
    for _ in 0..1_000 {
        session.send(Lane::Notifications, &[], Payload::Copied(&[7; 1_000])).unwrap();
    }
    pair.a.endpoint.shutdown().await;
    assert_eq!(pair.b.messages(Lane::Notifications, 1_000).await.len(), 1_000);
    assert_eq!(pair.b.session_end().await, SessionEnd::Left);
    assert!(session.send(Lane::Control, &[], Payload::Copied(b"too late")).is_err());
}

async fn a_crash_closes_the_link_without_a_word(carrier: Carrier) {
    let pair = Pair::connect(carrier).await;
    pair.b.session().await;
    pair.a.endpoint.abort();
    let end = pair.b.session_end().await;
    assert_eq!(end, SessionEnd::LinkClosed);
}

async fn a_request_under_way_is_lost_with_its_link(carrier: Carrier) {
    let pair = Pair::connect(carrier).await;
    let session = pair.a.session().await;
    let request = session.request(Payload::Copied(b"ignore me"), GIVE_UP);
    let crash = async {
        pair.b.wait_for(|seen| matches!(seen, Seen::Asked).then_some(())).await;
        pair.b.endpoint.abort();
    };
    let (outcome, ()) = tokio::join!(request, crash);
    assert_eq!(outcome.unwrap_err(), RequestError::LinkLost);
}

async fn many_dial_each_other_at_once_and_each_pair_has_one_session(carrier: Carrier) {
    let nodes: Vec<Node> = (0..8).map(|i| Node::start(&format!("n{i}"), carrier)).collect();
    for node in &nodes {
        for other in nodes.iter().filter(|other| other.name != node.name) {
            node.endpoint.add_target(other.address.clone()).unwrap();
        }
    }
    for node in &nodes {
        let mut peers = Vec::new();
        for _ in 0..7 {
            peers.push(node.session().await.peer().to_string());
        }
        peers.sort();
        let expected: Vec<_> =
            nodes.iter().map(|n| n.name.clone()).filter(|name| *name != node.name).collect();
        assert_eq!(peers, expected, "{}", node.name);
    }
}
