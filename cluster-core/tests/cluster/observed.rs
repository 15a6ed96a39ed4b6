//! What operators are shown: changes with their dates, round trips, and who sees whom.

use cluster_core::discovery::MemoryDirectory;
use cluster_core::engine::ConnectionId;
use cluster_core::runtime::SHOWN_ACTIVITY;

use crate::harness::{GIVE_UP, TestNode, room, three, together};

#[tokio::test]
async fn changes_are_numbered_dated_and_waited_for() {
    let directory = MemoryDirectory::default();
    let node = TestNode::start("n0", &directory, |builder| builder).await;
    tokio::time::timeout(GIVE_UP, node.cluster.wait_ready()).await.unwrap();
    let seen = node.cluster.activity_after(0);
    assert_eq!(seen.iter().map(|change| change.event.as_str()).collect::<Vec<_>>(), ["ready"]);
    let other = TestNode::start("n1", &directory, |builder| builder).await;
    let last = tokio::time::timeout(GIVE_UP, node.cluster.wait_activity(1)).await.unwrap();
    assert!(last > 1);
    let joined = node.cluster.activity_after(1).remove(0);
    assert_eq!((joined.number, joined.event.as_str(), joined.node.as_deref()), (2, "joined", Some("n1")));
    // An epoch is the wall clock when a node starts.
    let started = other.cluster.incarnation().epoch;
    assert!(joined.at_ms.abs_diff(started) < 60_000, "{joined:?}, started {started}");
    together(&[node, other]).await;
}

#[tokio::test]
async fn a_status_shows_the_last_changes_only() {
    let node = TestNode::start("n0", &MemoryDirectory::default(), |builder| builder).await;
    tokio::time::timeout(GIVE_UP, node.cluster.wait_ready()).await.unwrap();
    let status = node.cluster.status();
    assert!(status.activity.len() <= SHOWN_ACTIVITY);
    assert_eq!(status.activity.last().map(|change| change.event.as_str()), Some("ready"));
}

#[tokio::test]
async fn round_trips_and_clocks_are_measured_soon_after_a_session_begins() {
    let nodes = three().await;
    let measured = async {
        loop {
            let members = nodes[0].cluster.status().members;
            if members.iter().all(|member| member.round_trip_us.is_some()) {
                return members;
            }
            tokio::task::yield_now().await;
        }
    };
    for member in tokio::time::timeout(GIVE_UP, measured).await.unwrap() {
        // All nodes read the same clock here.
        let round_trip_ms = i64::try_from(member.round_trip_us.unwrap() / 1_000).unwrap();
        assert!(member.clock_skew_ms.unwrap().abs() <= round_trip_ms + 2, "{member:?}");
        assert_eq!((member.tls, member.protocol.is_some(), member.caught_up), (Some(false), true, true));
    }
}

#[tokio::test]
async fn the_matrix_has_a_row_of_each_node() {
    let nodes = three().await;
    let subscribed = nodes[1].cluster.subscribe(ConnectionId(1), &room(1)).unwrap();
    nodes[1].cluster.heard(subscribed.version, GIVE_UP).await.unwrap();
    let matrix = nodes[0].cluster.matrix(GIVE_UP).await;
    assert_eq!(matrix.rows.keys().collect::<Vec<_>>(), ["n0", "n1", "n2"]);
    assert!(matrix.silent.is_empty(), "{matrix:?}");
    for (name, row) in &matrix.rows {
        assert!(row.ready && row.sees.len() == 2 && !row.sees.contains_key(name), "{matrix:?}");
        assert_eq!((row.rooms, row.subscriptions), (1, 1));
        assert!(row.sees.values().all(|sight| sight.state == "connected"), "{matrix:?}");
    }
}
