//! A node with ten times as much to do as it can: it refuses and sends away by policy, stays a member, says so, and is well again
//! within seconds. Three processes; the first one is overloaded, and clients of the others must not notice.
//!
//! What the node can do is measured first, in the same run. `CLUSTER_OVERLOAD_SECONDS` (default 3) says for how long each of the four
//! floods lasts, at most 10: a client that says nothing for a minute has to go.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it has done"
)]

mod floods;
mod watch;

use std::time::Duration;

use cluster_tests::{GIVE_UP, NodeProcess, Stream};
use tokio::time::Instant;

use floods::{Told, connections, publications, readers, subscriptions, sustainable};
use watch::{Node, Watch};

/// The bounds of the node that is overloaded: small, so that a small machine reaches them.
const CLIENTS: usize = 100;
const PLAIN: usize = 50;
const REQUESTS: usize = 16;
const ROOMS: usize = 200;
/// Near the bound of all: the clients that do not read share the same texts, and only what each has of its own comes on top.
const OUTGOING: usize = 7 * 1024 * 1024;
const OUTGOING_TOTAL: usize = 8 * 1024 * 1024;
/// What an overloaded node may need more than before: what waits for clients, a copy of it in the buffers of their sockets, what waits
/// for members, and the buffers of its allocator.
const SLACK_MIB: u64 = 160;
/// A node is well again a few seconds after; later than ten times that it never is.
const WELL_WITHIN: Duration = Duration::from_secs(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overloaded_node_sheds_by_policy_stays_a_member_says_so_and_is_well_again() {
    let mut nodes = start();
    let [a, b, c] = [&nodes[0], &nodes[1], &nodes[2]].map(Node::of);
    // What is published at the overloaded node may be refused; what is published elsewhere may not be lost anywhere.
    let streams =
        [Stream::begin("b-c", b.address, c.address).await, Stream::begin("b-a", b.address, a.address).await];
    let sustainable = sustainable(&a).await;
    let watch = Watch::begin(&a, [&b, &c]);
    streams.iter().for_each(Stream::under_attack);
    let length = length();

    let slow = readers(&a, length).await;
    let full = connections(&a, CLIENTS, length).await;
    let rooms = subscriptions(&a, ROOMS, length).await;
    let flood = publications(&a, 10 * sustainable, length).await;
    let ended = Instant::now();

    let told = [&slow, &full, &rooms, &flood].into_iter().fold(Told::default(), |all, told| all + told);
    let load = a.well(WELL_WITHIN).await;
    let well_after = ended.elapsed();
    told.assert_counted(&load);
    let mut latencies = Vec::new();
    for stream in streams {
        latencies.push(stream.finish().await);
    }
    let seen = watch.end().await;
    println!(
        "sustainable: {sustainable} messages a second; offered and done while it lasted: {}",
        flood.rates()
    );
    println!("told: {told:?}; well after {well_after:.1?}; {seen}");
    println!(
        "99th percentile, at the sustainable load and beyond: b to c {:.1?}, b to a {:.1?}",
        latencies[0], latencies[1]
    );
    seen.assert_kept(SLACK_MIB);
    for node in &mut nodes {
        node.kill();
    }
}

fn length() -> Duration {
    let seconds = std::env::var("CLUSTER_OVERLOAD_SECONDS").ok();
    let seconds = seconds.map_or(3, |text| {
        text.parse().unwrap_or_else(|_| panic!("CLUSTER_OVERLOAD_SECONDS is {text:?}, not a whole number"))
    });
    assert!((1..=10).contains(&seconds), "CLUSTER_OVERLOAD_SECONDS is {seconds}, not 1 to 10");
    Duration::from_secs(seconds)
}

fn start() -> Vec<NodeProcess> {
    let mut nodes: Vec<NodeProcess> = Vec::new();
    for name in ["node-a", "node-b", "node-c"] {
        let seeds: Vec<_> =
            nodes.iter().map(|node| format!("\"tcp://127.0.0.1:{}\"", node.member_port())).collect();
        let mut settings = vec![
            "server.port=0".to_owned(),
            "plugins.cluster.bind=tcp://127.0.0.1:0".to_owned(),
            format!("plugins.cluster.seeds=[{}]", seeds.join(",")),
            format!("plugins.cluster.minimumNodes={}", if seeds.is_empty() { 1 } else { 2 }),
        ];
        if nodes.is_empty() {
            settings.extend([
                format!("server.limits.clients={CLIENTS}"),
                format!("server.limits.plainConnections={PLAIN}"),
                format!("server.limits.requests={REQUESTS}"),
                format!("server.limits.rooms={ROOMS}"),
                format!("server.limits.outgoingBytes={OUTGOING}"),
                format!("server.limits.outgoingBytesTotal={OUTGOING_TOTAL}"),
            ]);
        }
        nodes.push(NodeProcess::launch(name, &settings));
    }
    for node in &mut nodes {
        node.ready();
    }
    nodes
}

/// Waits for something, or fails.
async fn within<T>(what: &str, done: impl Future<Output = T>) -> T {
    tokio::time::timeout(GIVE_UP, done).await.unwrap_or_else(|_| panic!("{what}: not within {GIVE_UP:?}"))
}
