//! Two nodes that cannot reach each other, and a third that carries a tunnel for them.

use std::sync::Arc;
use std::time::Duration;

use cluster_transport::endpoint::{Event, SessionHandle};
use cluster_transport::link::TransportKind;
use cluster_transport::proto::endpoint::{DialOutcome, EndpointEvent};
use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::session::Missed;
use cluster_transport::proto::{Address, Lane};

use crate::harness::{Carrier, GIVE_UP, Node, Seen};

/// `a` and `b` each have a session with `c`, and none with each other.
struct Trio {
    a: Node,
    b: Node,
    c: Node,
    /// The sessions of `a` and `b` with `c`.
    to_c: [Arc<SessionHandle>; 2],
}

impl Trio {
    async fn start(carrier: Carrier) -> Self {
        let [a, b, c] = ["a", "b", "c"].map(|name| Node::start(name, carrier));
        a.endpoint.add_target(c.address.clone()).unwrap();
        b.endpoint.add_target(c.address.clone()).unwrap();
        let to_c = [a.session().await, b.session().await];
        c.session().await;
        c.session().await;
        Self { a, b, c, to_c }
    }

    /// Dials `b` from `a` through `c`; the session at both ends.
    async fn tunnel(&self) -> (Arc<SessionHandle>, Arc<SessionHandle>) {
        self.a.endpoint.probe(through("c", "b")).unwrap();
        let (near, far) = (self.a.session().await, self.b.session().await);
        let tunnel = TransportKind::Tunnel;
        assert_eq!((near.link().transport, far.link().transport), (tunnel, tunnel));
        assert_eq!((near.peer().as_str(), far.peer().as_str()), ("b", "a"));
        (near, far)
    }
}

fn through(via: &str, to: &str) -> Address {
    Address::through(&via.parse().unwrap(), &to.parse().unwrap())
}

/// Waits until so many tunnels end at a node, and so many are carried by it.
async fn carried_are(node: &Node, expected: (usize, usize)) {
    let fitting = async {
        while node.endpoint.tunnels() != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(GIVE_UP, fitting).await.unwrap();
}

/// What became of a dial, in words.
async fn outcome(node: &Node, address: &Address) -> String {
    let outcome: DialOutcome = node
        .wait_for_event(|event| match event {
            Event::Other(EndpointEvent::DialOutcome { address: dialled, outcome, .. })
                if dialled == address =>
            {
                Some(outcome.clone())
            }
            _ => None,
        })
        .await;
    format!("{outcome:?}")
}

over_every_link!(
    a_session_through_a_tunnel_is_a_session_like_any_other,
    a_direct_link_takes_over_and_nothing_is_lost_or_told_twice,
    a_carrier_that_dies_ends_the_session_through_it,
);

async fn a_session_through_a_tunnel_is_a_session_like_any_other(carrier: Carrier) {
    let trio = Trio::start(carrier).await;
    let (near, far) = trio.tunnel().await;
    assert_eq!((trio.a.endpoint.tunnels(), trio.c.endpoint.tunnels()), ((1, 0), (0, 1)));
    // Far more than the credit, both ways at once, in lanes of all kinds.
    let long: Vec<u8> = (0..3_u32 << 20).map(|i| u8::try_from(i % 253).unwrap()).collect();
    for session in [&near, &far] {
        session.send(Lane::Events, &[], Payload::Shared(long.clone().into())).unwrap();
        for i in 0..1_000_u32 {
            session.send(Lane::Notifications, &[], Payload::Copied(&i.to_be_bytes())).unwrap();
        }
        session.send(Lane::Control, &[], Payload::Copied(b"beside")).unwrap();
    }
    let payload = [b"echo", &long[..]].concat();
    let reply = near.request(Payload::Shared(payload.clone().into()), GIVE_UP).await.unwrap();
    assert_eq!(reply, payload);
    for node in [&trio.a, &trio.b] {
        assert_eq!(node.messages(Lane::Control, 1).await, [b"beside".to_vec()]);
        assert_eq!(node.messages(Lane::Events, 1).await, std::slice::from_ref(&long));
        let numbers: Vec<_> = (0..1_000_u32).map(|i| i.to_be_bytes().to_vec()).collect();
        assert_eq!(node.messages(Lane::Notifications, 1_000).await, numbers);
    }
    assert_eq!(trio.c.count(|seen| matches!(seen, Seen::Message(..))), 0, "it is nobody's business at c");
}

async fn a_direct_link_takes_over_and_nothing_is_lost_or_told_twice(carrier: Carrier) {
    let trio = Trio::start(carrier).await;
    let (tunnelled, _) = trio.tunnel().await;
    let send = |session: &SessionHandle, i: u32| {
        session.send(Lane::Notifications, &[], Payload::Copied(&i.to_be_bytes())).unwrap();
    };
    (0..2_000).for_each(|i| send(&tunnelled, i));
    trio.a.endpoint.add_target(trio.b.address.clone()).unwrap();
    // The lanes are the pair's: the session that ends and the one that takes over feed the same numbers.
    (2_000..4_000).for_each(|i| send(&tunnelled, i));
    let direct = trio.a.session().await;
    assert!(!direct.is_tunnelled() && direct.shares_lanes_with(&tunnelled));
    (4_000..6_000).for_each(|i| send(&direct, i));
    let numbers: Vec<_> = (0..6_000_u32).map(|i| i.to_be_bytes().to_vec()).collect();
    assert_eq!(trio.b.messages(Lane::Notifications, 6_000).await, numbers);
    let lost = |seen: &Seen| matches!(seen, Seen::Lagged(Lane::Notifications, _, Missed::Known(_)));
    assert_eq!(trio.b.count(lost), 0);
    tunnelled.ended().await;
    carried_are(&trio.c, (0, 0)).await;
}

async fn a_carrier_that_dies_ends_the_session_through_it(carrier: Carrier) {
    let trio = Trio::start(carrier).await;
    let (near, far) = trio.tunnel().await;
    trio.c.endpoint.abort();
    let ended = async { tokio::join!(near.ended(), far.ended()) };
    tokio::time::timeout(GIVE_UP, ended).await.unwrap();
    carried_are(&trio.a, (0, 0)).await;
    carried_are(&trio.b, (0, 0)).await;
}

#[tokio::test]
async fn a_flood_through_a_tunnel_holds_up_no_heartbeat() {
    let trio = Trio::start(Carrier::Tcp).await;
    let (near, _) = trio.tunnel().await;
    for _ in 0..200 {
        near.send(Lane::Notifications, &[], Payload::Copied(&[7; 60_000])).unwrap();
    }
    near.send(Lane::Control, &[], Payload::Copied(b"a heartbeat")).unwrap();
    for session in &trio.to_c {
        session.send(Lane::Control, &[], Payload::Copied(b"for c")).unwrap();
    }
    assert_eq!(trio.b.messages(Lane::Control, 1).await, [b"a heartbeat".to_vec()]);
    assert_eq!(trio.c.messages(Lane::Control, 2).await.len(), 2);
    assert_eq!(trio.b.messages(Lane::Notifications, 200).await.len(), 200);
}

#[tokio::test]
async fn why_there_is_no_tunnel_is_the_outcome_of_the_dial() {
    let trio = Trio::start(Carrier::Tcp).await;
    for (dialled, expected) in [
        (through("c", "x"), "the carrier has no session with that node (code 2)"),
        (through("x", "b"), "there is no session with x, which is to carry a tunnel to b"),
    ] {
        trio.a.endpoint.probe(dialled.clone()).unwrap();
        let told = outcome(&trio.a, &dialled).await;
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(trio.a.endpoint.tunnels(), (0, 0));
}

#[tokio::test]
async fn a_tunnel_takes_the_place_of_a_session_that_has_fallen_silent() {
    let trio = Trio::start(Carrier::Tcp).await;
    trio.a.endpoint.add_target(trio.b.address.clone()).unwrap();
    let (direct, _) = (trio.a.session().await, trio.b.session().await);
    trio.a.endpoint.remove_target(&trio.b.address);
    direct.send(Lane::Notifications, &[], Payload::Copied(b"1")).unwrap();
    assert_eq!(trio.b.messages(Lane::Notifications, 1).await, [b"1".to_vec()]);
    let (tunnelled, _) = trio.tunnel().await;
    tunnelled.send(Lane::Notifications, &[], Payload::Copied(b"2")).unwrap();
    assert_eq!(trio.b.messages(Lane::Notifications, 1).await, [b"2".to_vec()]);
    direct.ended().await;
}
