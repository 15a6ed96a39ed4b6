//! Links that are lost and made again: what was under way arrives once, whatever carries the next one.

use std::sync::Arc;

use cluster_transport::endpoint::{Event, SessionHandle};
use cluster_transport::link::TransportKind;
use cluster_transport::proto::Lane;
use cluster_transport::proto::address::Scheme;
use cluster_transport::proto::endpoint::EndpointEvent;
use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::session::Missed;

use crate::harness::{Carrier, Node, Pair, Seen};
use crate::line::Line;

/// How many messages are sent between two cuts, on each lane and in each direction.
const BATCH: u32 = 2_000;
const LANES: [Lane; 2] = [Lane::Events, Lane::Notifications];

over_every_link!(
    after_any_cuts_everything_has_arrived_once,
    a_link_that_ended_at_one_end_only_is_replaced,
    a_session_that_was_closed_with_a_code_is_dialled_again,
);

fn send(session: &SessionHandle, numbers: std::ops::Range<u32>) {
    for number in numbers {
        for lane in LANES {
            session.send(lane, b"#", Payload::Copied(&number.to_be_bytes())).unwrap();
        }
    }
}

/// Waits until both ends have heard of each other on every lane, which is where continuity begins: number 0 has arrived.
async fn meet(pair: &Pair) -> (Arc<SessionHandle>, Arc<SessionHandle>) {
    let (at_a, at_b) = (pair.a.session().await, pair.b.session().await);
    send(&at_a, 0..1);
    send(&at_b, 0..1);
    for node in [&pair.a, &pair.b] {
        for lane in LANES {
            node.has(lane, 1).await;
        }
    }
    (at_a, at_b)
}

/// Asserts that a node has every number below `end` on both lanes, once and in order, and was told of no loss.
async fn assert_arrived(node: &Node, end: u32) {
    for lane in LANES {
        let got = node.messages(lane, usize::try_from(end).unwrap()).await;
        let expected = (0..end).map(|number| [b"#", &number.to_be_bytes()[..]].concat());
        assert!(got.into_iter().eq(expected), "{} on the {lane} lane", node.name);
    }
    let lost = node.count(|seen| matches!(seen, Seen::Lagged(_, _, Missed::Known(_))));
    let unknown = node.count(|seen| matches!(seen, Seen::Lagged(_, _, Missed::Unknown)));
    assert_eq!((lost, unknown), (0, LANES.len()), "{}: first contact is all that is unknown", node.name);
}

async fn after_any_cuts_everything_has_arrived_once(carrier: Carrier) {
    let line = Line::default();
    let pair = Pair::connect_through(carrier, &line).await;
    let (mut at_a, mut at_b) = meet(&pair).await;
    let cuts = 5;
    for cut in 0..cuts {
        let numbers = 1 + cut * BATCH..1 + (cut + 1) * BATCH;
        send(&at_a, numbers.clone());
        send(&at_b, numbers);
        // Some of it is on its way now; what is sent before the next session waits for it.
        if cut % 2 == 0 {
            pair.b.has(Lane::Notifications, usize::try_from(cut * BATCH).unwrap() + 2).await;
        }
        line.cut();
        (at_a, at_b) = (pair.a.session().await, pair.b.session().await);
    }
    assert_arrived(&pair.a, 1 + cuts * BATCH).await;
    assert_arrived(&pair.b, 1 + cuts * BATCH).await;
}

async fn a_link_that_ended_at_one_end_only_is_replaced(carrier: Carrier) {
    let line = Line::default();
    let pair = Pair::connect_through(carrier, &line).await;
    let (at_a, at_b) = meet(&pair).await;
    send(&at_a, 1..BATCH);
    send(&at_b, 1..BATCH);
    line.cut_at_one_end();
    // The other end still has its session, which the next one takes the place of.
    let (replacing, replaced) = pair
        .b
        .wait_for_event(|event| match event {
            Event::Up { session, event: EndpointEvent::SessionUp { replaced, .. } } => {
                Some((Arc::clone(session), *replaced))
            }
            _ => None,
        })
        .await;
    assert_eq!(replaced, Some(at_b.id()));
    assert_eq!(pair.a.session().await.id(), replacing.id());
    send(&at_a, BATCH..2 * BATCH);
    send(&at_b, BATCH..2 * BATCH);
    assert_arrived(&pair.a, 2 * BATCH).await;
    assert_arrived(&pair.b, 2 * BATCH).await;
    let down = |seen: &Seen| matches!(seen, Seen::Event(Event::Other(EndpointEvent::SessionDown { .. })));
    assert_eq!(pair.b.count(down), 0, "to the other end the pair was in session all the time");
}

async fn a_session_that_was_closed_with_a_code_is_dialled_again(carrier: Carrier) {
    let pair = Pair::connect(carrier).await;
    let (at_a, at_b) = meet(&pair).await;
    send(&at_a, 1..BATCH);
    at_b.close(cluster_transport::proto::body::CloseCode::APPLICATION, "to see it come back");
    let end = pair.a.session_end().await;
    assert!(format!("{end:?}").contains("to see it come back"), "{end:?}");
    let again = pair.a.session().await;
    assert_ne!(again.id(), at_a.id());
    send(&again, BATCH..2 * BATCH);
    assert_arrived(&pair.b, 2 * BATCH).await;
}

#[tokio::test]
async fn a_session_goes_on_from_quic_to_tcp_and_back() {
    let line = Line::default();
    let pair = Pair::connect_through(Carrier::Quic, &line).await;
    let (quic, tcp) = (pair.b.address.clone(), pair.b.address.with_scheme(Scheme::Tcp));
    let (mut at_a, mut at_b) = meet(&pair).await;
    let mut sent = 1;
    for (next, kind) in
        [(&tcp, TransportKind::Quic), (&quic, TransportKind::TcpTls), (&tcp, TransportKind::Quic)]
    {
        assert_eq!((at_a.link().transport, at_b.link().transport), (kind, kind));
        send(&at_a, sent..sent + BATCH);
        send(&at_b, sent..sent + BATCH);
        sent += BATCH;
        let last = if *next == tcp { &quic } else { &tcp };
        assert!(pair.a.endpoint.remove_target(last));
        line.cut();
        pair.a.endpoint.add_target(next.clone()).unwrap();
        (at_a, at_b) = (pair.a.session().await, pair.b.session().await);
    }
    assert_arrived(&pair.a, sent).await;
    assert_arrived(&pair.b, sent).await;
}
