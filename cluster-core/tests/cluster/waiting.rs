//! Publishing that waits for room: nothing lost, whatever the pace, and a receiver that takes nothing delays nobody else.

use std::time::Duration;

use cluster_core::discovery::MemoryDirectory;
use cluster_core::engine::{ClusterEvent, ConnectionId};
use cluster_transport::proto::session::{Direction, Missed};

use crate::harness::{GIVE_UP, TestNode, Told, room, together};

/// Three nodes with rings of about two hundred notifications, of which the last two have a subscriber in room 1.
async fn three_with_small_rings() -> Vec<TestNode> {
    let directory = MemoryDirectory::default();
    let mut nodes = Vec::new();
    for name in ["n0", "n1", "n2"] {
        nodes.push(TestNode::start(name, &directory, |builder| builder.ring_bytes(RING)).await);
    }
    together(&nodes).await;
    for node in &nodes[1..] {
        let subscribed = node.cluster.subscribe(ConnectionId(1), &room(1)).unwrap();
        node.cluster.heard(subscribed.version, GIVE_UP).await.unwrap();
    }
    nodes
}

const RING: usize = 1 << 20;
const PAYLOAD: usize = 4 << 10;

fn payload(number: u32) -> Vec<u8> {
    let mut payload = vec![b'.'; PAYLOAD];
    payload[..4].copy_from_slice(&number.to_be_bytes());
    payload
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_at_any_rate_by_a_publisher_that_waits() {
    let nodes = three_with_small_rings().await;
    for number in 0..3_000 {
        let sent = nodes[0].cluster.notify_document_waiting(&[room(1).id()], &payload(number), GIVE_UP).await;
        assert_eq!((sent.nodes, sent.shed), (2, 0), "{sent:?}");
    }
    for node in &nodes[1..] {
        for number in 0..3_000 {
            let Told::Document { payload: got, .. } = node.next_notification().await else { panic!() };
            assert_eq!(got, payload(number), "{} at {number}", node.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_receiver_that_takes_nothing_delays_no_other_and_what_it_lost_is_named() {
    let nodes = three_with_small_rings().await;
    nodes[2].block();
    // More than the ring and the window, and everything between, hold.
    let mut lost = 0;
    for number in 0..3_000 {
        let wait = Duration::from_millis(if lost == 0 { 100 } else { 0 });
        let sent = nodes[0].cluster.notify_document_waiting(&[room(1).id()], &payload(number), wait).await;
        assert_eq!(sent.nodes, 2);
        assert!(sent.shed_at.iter().all(|(node, _)| node.as_str() == "n2"), "{sent:?}");
        lost += sent.shed;
        let Told::Document { payload: got, .. } = nodes[1].next_notification().await else { panic!() };
        assert_eq!(got, payload(number));
    }
    assert!(lost > 0, "n2 took everything");
    let lag = |node: &str| {
        let status = nodes[0].cluster.status();
        let member = status.members.into_iter().find(|member| member.node == node).unwrap();
        member.lag["notifications"]
    };
    let (quick, slow) = (lag("n1"), lag("n2"));
    assert_eq!((quick.shed, slow.shed), (0, lost));
    let held = slow.unsent_bytes + slow.unacknowledged_bytes;
    assert!(held <= RING + 2 * PAYLOAD && slow.unsent_messages > 0, "{slow:?}");
    nodes[2].unblock();
    nodes[2].until(|told| told.iter().any(|told| is_number(told, 2_999))).await;
    let received = u64::try_from(nodes[2].notifications().len()).unwrap();
    nodes[2].until(|told| missed(told, Direction::Inbound) == lost).await;
    assert_eq!(received + lost, 3_000);
    nodes[0].until(|told| missed(told, Direction::Outbound) == lost).await;
    for node in &nodes {
        assert_eq!(node.count(|told| matches!(told, Told::Doubted(_))), 0, "{} doubted somebody", node.name);
    }
}

/// How many messages a host was told are missing.
fn missed(told: &[Told], direction: Direction) -> u64 {
    let missed = told.iter().map(|told| match told {
        Told::Lagged(_, d, Missed::Known(messages)) if *d == direction => *messages,
        _ => 0,
    });
    missed.sum()
}

fn is_number(told: &Told, number: u32) -> bool {
    matches!(told, Told::Document { payload, .. } if payload[..4] == number.to_be_bytes())
}

#[tokio::test]
async fn an_event_that_waits_goes_to_every_other_member() {
    let nodes = three_with_small_rings().await;
    for i in 0..1_000 {
        let event = ClusterEvent::Custom { name: format!("{i}"), payload: vec![b'.'; PAYLOAD] };
        let sent = nodes[0].cluster.publish_event_waiting(&event, GIVE_UP).await.unwrap();
        assert_eq!((sent.nodes, sent.shed), (2, 0));
    }
    for node in &nodes[1..] {
        assert_eq!(node.events(1_000).await.len(), 1_000);
    }
}
