//! What operators want of a member, on real sockets.

use std::num::NonZeroUsize;
use std::time::Duration;

use cluster_core::discovery::MemoryDirectory;
use cluster_core::engine::ConnectionId;
use cluster_core::engine::flight::FlightLine;
use cluster_core::engine::members::{Drain, DrainError};
use cluster_transport::proto::NodeId;

use crate::harness::{GIVE_UP, TestNode, room, three, together};

/// Waits until a condition holds that no event of the host stands for.
async fn eventually(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(GIVE_UP, wait).await.is_ok(), "it never came true");
}

#[tokio::test]
async fn a_drained_node_is_not_ready_and_the_next_drain_below_the_quorum_is_refused() {
    let directory = MemoryDirectory::default();
    let two = NonZeroUsize::new(2).unwrap();
    let mut nodes = Vec::new();
    for name in ["n0", "n1", "n2"] {
        nodes.push(TestNode::start(name, &directory, |config| config.minimum_nodes(two)).await);
    }
    together(&nodes).await;
    for node in &nodes {
        node.cluster.wait_ready().await;
    }
    let served_elsewhere = || nodes[0].cluster.status().members.iter().all(|member| member.ready);
    eventually(served_elsewhere).await;
    nodes[0].cluster.drain(Drain::IfQuorumHolds).unwrap();
    assert_eq!(nodes[0].cluster.readiness().reasons, ["this node is draining"]);
    let known =
        || nodes[1].cluster.status().members.iter().any(|member| member.node == "n0" && !member.ready);
    eventually(known).await;
    let refused = nodes[1].cluster.drain(Drain::IfQuorumHolds).unwrap_err();
    assert_eq!(refused, DrainError::BelowQuorum { remaining: 1, minimum: 2 });
    assert!(nodes[1].cluster.readiness().ready);
    nodes[1].cluster.drain(Drain::Anyway).unwrap();
    assert!(!nodes[1].cluster.readiness().ready);
}

#[tokio::test]
async fn a_forgotten_node_that_lives_comes_back_and_the_flight_recorder_tells_all_of_it() {
    let nodes = three().await;
    nodes[1].cluster.subscribe(ConnectionId(1), &room(1)).unwrap();
    for node in &nodes {
        node.cluster.converged(GIVE_UP).await.unwrap();
    }
    let gone: NodeId = "n1".parse().unwrap();
    nodes[0].cluster.hold(&gone, Duration::from_secs(60)).unwrap();
    nodes[0].cluster.forget(&gone).unwrap();
    let back = |lines: &[FlightLine]| {
        let place =
            |what| lines.iter().rposition(|line| line.what == what && line.about.as_deref() == Some("n1"));
        place("joined") > place("removed")
    };
    eventually(|| back(&nodes[0].cluster.flight_lines())).await;
    nodes[0].cluster.converged(GIVE_UP).await.unwrap();
    assert_eq!(nodes[0].cluster.count(&room(1).id()).await, Some(1));
    let dump = nodes[0].cluster.flight_recorder();
    let lines: Vec<FlightLine> = dump.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    for expected in ["no verdicts about n1 for 60s, by hand", "removed n1: it was forgotten by hand", "ready"]
    {
        assert!(texts.contains(&expected), "{expected}: {texts:#?}");
    }
    assert!(lines.iter().all(|line| line.node == "n0" && line.wall_ms > 1_700_000_000_000));
    let nobody: NodeId = "nobody".parse().unwrap();
    assert!(nodes[0].cluster.forget(&nobody).is_err());
    assert!(nodes[0].cluster.hold(&nobody, Duration::from_secs(1)).is_err());
}

#[tokio::test]
async fn who_keeps_a_member_from_agreement_is_named() {
    let mut nodes = three().await;
    nodes[0].cluster.converged(GIVE_UP).await.unwrap();
    let held: NodeId = "n2".parse().unwrap();
    nodes[0].cluster.hold(&held, Duration::from_secs(60)).unwrap();
    nodes.pop().unwrap().cluster.abort();
    let in_doubt = || nodes[0].cluster.status().members.iter().any(|member| member.state == "in doubt");
    eventually(in_doubt).await;
    let error = nodes[0].cluster.converged(Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "after 1ms not the same state as n2");
}
