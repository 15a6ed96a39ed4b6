//! Members on real sockets: what one does, the hosts of the others are told. And what is told of this to those who come from
//! another cluster.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod harness;
mod migration;
mod observed;
mod operations;
mod registers;
mod waiting;

use std::time::Duration;

use cluster_core::discovery::MemoryDirectory;
use cluster_core::engine::{ClusterEvent, ConnectionId, IndexEntry};
use cluster_core::runtime::{CommandOutcome, Reset};
use cluster_transport::proto::session::{Direction, Missed};
use harness::{GIVE_UP, TestNode, Told, room, three};

#[tokio::test]
async fn a_node_alone_is_ready_at_once() {
    let node = TestNode::start("alone", &MemoryDirectory::default(), |builder| builder).await;
    tokio::time::timeout(GIVE_UP, node.cluster.wait_ready()).await.unwrap();
    assert_eq!(node.cluster.status().members, []);
}

#[tokio::test]
async fn three_nodes_find_each_other_and_share_their_rooms() {
    let nodes = three().await;
    let subscribed = nodes[0].cluster.subscribe(ConnectionId(1), &room(1)).unwrap();
    assert_eq!((subscribed.count, subscribed.changed), (1, true));
    nodes[0].cluster.heard(subscribed.version, GIVE_UP).await.unwrap();
    for node in &nodes {
        assert_eq!(node.cluster.count(&room(1).id()).await, Some(1));
        node.told(|told| matches!(told, Told::Appeared(id) if *id == room(1).id())).await;
    }
    let joined = nodes[1].cluster.join(ConnectionId(1), room(1).id()).await.unwrap();
    nodes[1].cluster.heard(joined.version, GIVE_UP).await.unwrap();
    for node in &nodes {
        assert_eq!(node.cluster.count(&room(1).id()).await, Some(2));
    }
    nodes[0].cluster.disconnect(ConnectionId(1));
    nodes[1].cluster.unsubscribe(ConnectionId(1), room(1).id()).unwrap();
    for node in &nodes {
        node.told(|told| matches!(told, Told::Disappeared(id) if *id == room(1).id())).await;
    }
}

#[tokio::test]
async fn a_notification_goes_to_those_who_hold_a_subscriber_and_to_nobody_else() {
    let nodes = three().await;
    let subscribed = nodes[1].cluster.subscribe(ConnectionId(1), &room(1)).unwrap();
    nodes[1].cluster.heard(subscribed.version, GIVE_UP).await.unwrap();
    for i in 0..100_u8 {
        let sent = nodes[0].cluster.notify_document(&[room(1).id()], &[i]);
        assert_eq!((sent.nodes, sent.avoided, sent.shed), (1, 1, 0));
    }
    for i in 0..100_u8 {
        let expected = Told::Document { from: "n0".into(), rooms: vec![room(1).id()], payload: vec![i] };
        assert_eq!(nodes[1].next_notification().await, expected);
    }
    nodes[0].cluster.notify_user(&room(1).id(), b"somebody came");
    let expected = Told::User { from: "n0".into(), room: room(1).id(), payload: b"somebody came".to_vec() };
    assert_eq!(nodes[1].next_notification().await, expected);
    assert_eq!(nodes[2].notifications(), []);
    let status = nodes[0].cluster.status();
    assert_eq!((status.notifications_sent, status.notifications_avoided), (101, 101));
}

#[tokio::test]
async fn a_notification_of_five_mebibytes_arrives_whole() {
    let nodes = three().await;
    let subscribed = nodes[1].cluster.subscribe(ConnectionId(1), &room(1)).unwrap();
    nodes[1].cluster.heard(subscribed.version, GIVE_UP).await.unwrap();
    let payload: Vec<u8> = (0..5_u32 << 20).map(|i| u8::try_from(i % 251).unwrap()).collect();
    nodes[0].cluster.notify_document(&[room(1).id()], &payload);
    let expected = Told::Document { from: "n0".into(), rooms: vec![room(1).id()], payload };
    assert_eq!(nodes[1].next_notification().await, expected);
}

#[tokio::test]
async fn a_publisher_is_told_of_a_notification_that_no_lane_takes() {
    let nodes = three().await;
    let subscribed = nodes[1].cluster.subscribe(ConnectionId(1), &room(1)).unwrap();
    nodes[1].cluster.heard(subscribed.version, GIVE_UP).await.unwrap();
    let sent = nodes[0].cluster.notify_document(&[room(1).id()], &vec![0; 17 << 20]);
    assert_eq!((sent.nodes, sent.shed), (1, 1));
    let lost = Told::Lagged("n1".into(), Direction::Outbound, Missed::Known(1));
    nodes[0].told(|told| *told == lost).await;
}

/// Every event, on every node: exactly one call on each of the others, none on the sender.
#[tokio::test]
async fn every_event_is_told_once_to_each_other_host() {
    let nodes = three().await;
    let entry = || IndexEntry { index: "i".into(), collection: Some("c".into()), scope: "public".into() };
    let events = [
        (ClusterEvent::IndexCacheAdded(entry()), "index_cache_added i/c public"),
        (ClusterEvent::IndexCacheRemoved(entry()), "index_cache_removed i/c public"),
        (ClusterEvent::ProfileInvalidated { id: "p".into() }, "profile_invalidated p"),
        (ClusterEvent::RoleInvalidated { id: "r".into() }, "role_invalidated r"),
        (ClusterEvent::ValidatorsChanged, "validators_changed"),
        (ClusterEvent::SecurityReset, "security_reset"),
        (ClusterEvent::Custom { name: "mine".into(), payload: b"p".to_vec() }, "custom_event mine p"),
    ];
    for (event, _) in &events {
        for node in &nodes {
            assert_eq!(node.cluster.publish_event(event).unwrap().nodes, 2);
        }
    }
    for node in &nodes {
        let mut expected: Vec<(String, String)> = Vec::new();
        for other in nodes.iter().filter(|other| other.name != node.name) {
            expected.extend(events.iter().map(|(_, words)| (other.name.clone(), (*words).to_owned())));
        }
        let mut got = node.events(expected.len()).await;
        got.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(got, expected, "{}: each publisher's events in order, once", node.name);
    }
}

#[tokio::test]
async fn commands_have_one_outcome_for_each_member() {
    let nodes = three().await;
    let others = ["n1", "n2"].map(|name| name.parse().unwrap());
    let done = others.clone().map(|node| (node, CommandOutcome::Done));
    assert_eq!(nodes[0].cluster.dump("tonight").await, done.clone().into());
    for node in &nodes[1..] {
        node.told(|told| *told == Told::Event("n0".into(), "dump tonight".into())).await;
    }
    let refused = |node| (node, CommandOutcome::Refused("not today".to_owned()));
    assert_eq!(nodes[0].cluster.shutdown_others().await, others.map(refused).into());
    let all = ["n0", "n1", "n2"].map(|name| (name.parse().unwrap(), CommandOutcome::Done));
    assert_eq!(nodes[2].cluster.reset(Reset::Verify).await, all.into());
}

#[tokio::test]
async fn a_reset_leaves_live_rooms_alone_and_a_blanking_one_does_not() {
    let nodes = three().await;
    let subscribed = nodes[0].cluster.subscribe(ConnectionId(1), &room(1)).unwrap();
    nodes[0].cluster.heard(subscribed.version, GIVE_UP).await.unwrap();
    for _ in 0..3 {
        nodes[1].cluster.reset(Reset::Verify).await;
    }
    for node in &nodes {
        node.told(|told| *told == Told::Appeared(room(1).id())).await;
        assert_eq!(node.count(|told| matches!(told, Told::Disappeared(_))), 0, "the room flapped");
        assert_eq!(node.cluster.count(&room(1).id()).await, Some(1));
    }
    nodes[1].cluster.reset(Reset::Blank).await;
    for node in &nodes {
        node.told(|told| *told == Told::Disappeared(room(1).id())).await;
    }
}

#[tokio::test]
async fn blanking_resets_of_several_nodes_at_once_spare_what_is_subscribed_after_them() {
    let nodes = three().await;
    let before = nodes[0].cluster.subscribe(ConnectionId(1), &room(1)).unwrap();
    nodes[0].cluster.heard(before.version, GIVE_UP).await.unwrap();
    // A host that has not been told yet of a room need not be told at all of one that is gone by then.
    for node in &nodes {
        node.told(|told| *told == Told::Appeared(room(1).id())).await;
    }
    let resets = nodes.iter().map(|node| {
        let cluster = node.cluster.clone();
        tokio::spawn(async move { cluster.reset(Reset::Blank).await })
    });
    let resets: Vec<_> = resets.collect();
    for reset in resets {
        let outcomes = reset.await.unwrap();
        let done = ["n0", "n1", "n2"].map(|name| (name.parse().unwrap(), CommandOutcome::Done));
        assert_eq!(outcomes, done.into());
        // The first of them is over: what comes now is newer than what the others have heard of.
        nodes[0].cluster.subscribe(ConnectionId(2), &room(2)).unwrap();
    }
    for node in &nodes {
        node.told(|told| *told == Told::Disappeared(room(1).id())).await;
        node.told(|told| *told == Told::Appeared(room(2).id())).await;
        assert_eq!(node.count(|told| *told == Told::Disappeared(room(2).id())), 0);
    }
}

#[tokio::test]
async fn requests_of_the_application_are_answered_by_the_host() {
    let nodes = three().await;
    let ask = |name: &'static str| {
        nodes[0].cluster.request(nodes[1].cluster.node_id(), name, b"payload", Duration::from_secs(5))
    };
    assert_eq!(ask("echo").await.unwrap(), b"n0: payload"[..]);
    let refused = ask("anything else").await.unwrap_err().to_string();
    assert_eq!(refused, "the peer refused: no such request here (code 1)");
    let nobody = "n9".parse().unwrap();
    let error = nodes[0].cluster.request(&nobody, "echo", b"", GIVE_UP).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no session with n9");
}

#[tokio::test]
async fn a_node_that_leaves_takes_its_counts_along_and_is_not_doubted() {
    let nodes = three().await;
    let subscribed = nodes[2].cluster.subscribe(ConnectionId(1), &room(1)).unwrap();
    nodes[2].cluster.heard(subscribed.version, GIVE_UP).await.unwrap();
    for node in &nodes[..2] {
        node.told(|told| *told == Told::Appeared(room(1).id())).await;
    }
    tokio::time::timeout(GIVE_UP, nodes[2].cluster.leave()).await.unwrap();
    for node in &nodes[..2] {
        node.told(|told| *told == Told::Disappeared(room(1).id())).await;
        node.told(|told| matches!(told, Told::Removed(name, why) if name == "n2" && why == "it left")).await;
        assert_eq!(node.count(|told| matches!(told, Told::Doubted(_))), 0);
    }
}

#[tokio::test]
async fn a_crash_is_noticed_its_counts_go_and_the_node_may_come_back() {
    let directory = MemoryDirectory::default();
    let nodes = harness::three_in(&directory).await;
    for connection in 0..50 {
        nodes[0].cluster.subscribe(ConnectionId(connection), &room(1)).unwrap();
    }
    let kept = nodes[1].cluster.subscribe(ConnectionId(1), &room(1)).unwrap();
    nodes[1].cluster.heard(kept.version, GIVE_UP).await.unwrap();
    let crashed = tokio::time::Instant::now();
    let port = nodes[0].port();
    nodes[0].cluster.abort();
    for node in &nodes[1..] {
        node.told(|told| matches!(told, Told::Removed(name, _) if name == "n0")).await;
        assert_eq!(node.cluster.count(&room(1).id()).await, Some(1));
    }
    println!("noticed and clean everywhere after {:?}", crashed.elapsed());
    let back = TestNode::start("n0", &directory, |builder| builder.bind(harness::binding(port))).await;
    tokio::time::timeout(GIVE_UP, back.cluster.wait_ready()).await.unwrap();
    assert_eq!(back.cluster.count(&room(1).id()).await, Some(1));
}

#[tokio::test]
async fn with_too_few_nodes_none_is_ready_and_each_says_why() {
    let directory = MemoryDirectory::default();
    let quorum = |builder: cluster_core::config::ConfigBuilder| {
        builder.minimum_nodes(std::num::NonZeroUsize::new(2).unwrap())
    };
    let first = TestNode::start("n0", &directory, quorum).await;
    first.told(|told| *told == Told::NotReady(vec!["1 of 2 nodes (minimumNodes)".to_owned()])).await;
    let second = TestNode::start("n1", &directory, quorum).await;
    for node in [&first, &second] {
        tokio::time::timeout(GIVE_UP, node.cluster.wait_ready()).await.unwrap();
    }
    second.cluster.leave().await;
    first.told(|told| *told == Told::NotReady(vec!["1 of 2 nodes (minimumNodes)".to_owned()])).await;
}
