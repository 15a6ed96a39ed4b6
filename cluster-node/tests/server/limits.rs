//! What a client may cost, and what happens at each limit.

use std::time::Duration;

use cluster_core::config::ConfigBuilder;
use cluster_http::HostLoad as _;
use cluster_node::client::{Client, ClientError};
use cluster_node::load::Bound;
use cluster_node::server::ServerLimits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::support::{alone, bounded, get, realtime, with, within};

/// What the server tells a client before it closes; whatever else it sends is left out.
async fn farewell(client: &mut Client) -> (u16, String) {
    let closed = within(async {
        loop {
            if let Err(error) = client.receive().await {
                return error;
            }
        }
    });
    match closed.await {
        ClientError::Closed { code, reason } => (code, reason),
        other => panic!("not closed: {other}"),
    }
}

fn subscription(users: &str) -> Value {
    json!({"index": "i", "collection": "c", "body": {}, "users": users})
}

#[tokio::test]
async fn a_client_that_reads_too_slowly_is_told_to_go_and_holds_nobody_back() {
    let host = alone(ServerLimits::default().with_outgoing_bytes(256 * 1024)).await;
    let (mut slow, mut watcher) = (host.client().await, host.client().await);
    realtime(&mut watcher, "subscribe", json!({"index": "i", "collection": "c", "body": {"exists": "none"}}))
        .await;
    realtime(&mut slow, "subscribe", subscription("none")).await;
    let room = realtime(&mut watcher, "list", json!({})).await["i"]["c"].as_object().expect("rooms").len();
    assert_eq!(room, 2);
    let message = json!({"index": "i", "collection": "c", "body": {"text": "x".repeat(64 * 1024)}});
    while realtime(&mut watcher, "list", json!({})).await["i"]["c"].as_object().expect("rooms").len() == 2 {
        realtime(&mut watcher, "publish", message.clone()).await;
    }
    assert_eq!(farewell(&mut slow).await, (1011, "too much backpressure: client is too slow".to_owned()));
    host.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_connection_with_the_size() {
    let host = alone(ServerLimits::default().with_request_bytes(1_000)).await;
    let mut client = host.client().await;
    client.send(json!({"pad": "x".repeat(1_000)}).to_string()).await.expect("sent");
    let (code, reason) = farewell(&mut client).await;
    assert_eq!((code, reason.contains("1000")), (1009, true), "{reason}");
    host.stop().await;
}

#[tokio::test]
async fn a_silent_client_is_told_to_go() {
    let host = alone(ServerLimits::default().with_idle_timeout(Duration::from_millis(50))).await;
    let mut client = host.client().await;
    assert_eq!(farewell(&mut client).await, (1011, "the client was silent for too long".to_owned()));
    host.stop().await;
}

#[tokio::test]
async fn a_client_too_many_is_turned_away_until_another_goes() {
    let host = alone(ServerLimits::default().with_connections(1)).await;
    let first = host.client().await;
    let refused = within(Client::connect(host.address())).await.expect_err("the node is full");
    assert!(refused.to_string().contains("503"), "{refused}");
    drop(first);
    within(async { while Client::connect(host.address()).await.is_err() {} }).await;
    host.stop().await;
}

#[tokio::test]
async fn a_node_that_stops_sends_its_clients_elsewhere() {
    let host = alone(ServerLimits::default()).await;
    let mut client = host.client().await;
    realtime(&mut client, "subscribe", subscription("all")).await;
    let cluster = host.node.cluster().clone();
    within(host.stop()).await;
    assert_eq!(farewell(&mut client).await, (1011, "Connection closed by remote host".to_owned()));
    assert_eq!(cluster.status().rooms, 0);
}

#[tokio::test]
async fn a_client_that_only_pings_and_never_reads_is_told_to_go() {
    let host = alone(ServerLimits::default().with_idle_timeout(Duration::from_secs(1))).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stream = within(socket.connect(host.address())).await.expect("a connection");
    let upgrade = "GET / HTTP/1.1\r\nhost: node\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.expect("written");
    assert_eq!(stream.read(&mut [0; 1]).await.expect("an answer"), 1);
    let mut ping = vec![0x89, 0x80 | 125];
    ping.resize(2 + 4 + 125, 0);
    let pings = ping.repeat(100);
    within(async { while stream.write_all(&pings).await.is_ok() {} }).await;
    assert_eq!(host.node.load().met(Bound::Silence), 1);
    host.stop().await;
}

#[tokio::test]
async fn subscriptions_and_rooms_too_many_are_refused_and_counted() {
    let host = bounded(|config| config.server_subscriptions_per_client(2_usize).server_rooms(3_usize)).await;
    let (mut first, mut second) = (host.client().await, host.client().await);
    let subscribe = async |client: &mut Client, field: &str| {
        let body = json!({"index": "i", "collection": "c", "body": {"exists": field}});
        let request = with(json!({"controller": "realtime", "action": "subscribe"}), body);
        within(client.result_of(request)).await.map_err(|error| match error {
            ClientError::Refused { error } => (error["id"].clone(), error["status"].clone()),
            other => panic!("not refused: {other}"),
        })
    };
    for field in ["a", "b"] {
        subscribe(&mut first, field).await.expect("room for it");
    }
    let refused = subscribe(&mut first, "c").await.expect_err("one too many");
    assert_eq!(refused, (json!("core.realtime.too_many_subscriptions"), json!(413)));
    subscribe(&mut second, "c").await.expect("room for it");
    let refused = subscribe(&mut second, "d").await.expect_err("one too many");
    assert_eq!(refused, (json!("core.realtime.too_many_rooms"), json!(413)));
    let load = host.node.load();
    assert_eq!((load.met(Bound::Subscriptions), load.met(Bound::Rooms)), (1, 1));
    assert!(load.overloaded().contains(&"subscriptions are refused (server.limits.rooms)".to_owned()));
    host.stop().await;
}

#[tokio::test]
async fn when_too_much_waits_for_all_those_go_for_whom_most_waits() {
    let total = 1024 * 1024_usize;
    let bounds =
        |config: ConfigBuilder| config.server_outgoing_bytes(total).server_outgoing_bytes_total(total);
    let host = bounded(bounds).await;
    let mut publisher = host.client().await;
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut client = host.client().await;
        realtime(&mut client, "subscribe", subscription("none")).await;
        slow.push(client);
    }
    let load = host.node.load();
    let message = json!({"index": "i", "collection": "c", "body": {"text": "x".repeat(64 * 1024)}});
    while load.met(Bound::OutgoingTotal) == 0 {
        realtime(&mut publisher, "publish", message.clone()).await;
    }
    assert_eq!(load.met(Bound::Outgoing), 0, "nobody had a bound of its own");
    let told = "too much backpressure: slow clients take up this node's memory".to_owned();
    let mut gone = 0;
    for client in &mut slow {
        // Who may stay is asked for an answer behind all that waits for it.
        let answer = within(client.result_of(json!({"controller": "server", "action": "now"}))).await;
        match answer {
            Ok(_) => {}
            Err(ClientError::Closed { code: 1013, reason }) if reason == told => gone += 1,
            Err(other) => panic!("neither served nor told to go: {other}"),
        }
    }
    assert_eq!(load.met(Bound::OutgoingTotal), gone);
    within(async {
        let used = || load.details()["waitingBytes"].as_u64();
        while used() > Some(64) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    host.stop().await;
}

#[tokio::test]
async fn a_node_that_refuses_says_so_in_health_status_and_metrics_and_serves_on() {
    let host = alone(ServerLimits::default().with_connections(1)).await;
    let ask = async |path: &str| within(get(host.address(), &format!("/_plugin/cluster/{path}"))).await;
    let result = |(status, body): (u16, String)| {
        (status, serde_json::from_str::<Value>(&body).expect("JSON")["result"].clone())
    };
    assert_eq!(result(ask("health").await), (200, json!("ok")));
    let _first = host.client().await;
    within(Client::connect(host.address())).await.expect_err("the node is full");
    assert_eq!(result(ask("health").await), (200, json!("overloaded")));
    let why = json!(["clients are turned away (server.limits.clients)"]);
    let (status, ready) = result(ask("health/ready").await);
    assert_eq!((status, &ready["ready"], &ready["overloaded"]), (200, &json!(true), &why));
    let (_, shown) = result(ask("status").await);
    let load = &shown["load"];
    assert_eq!(
        (&load["overloaded"], &load["bounds"]["clients"], &load["clients"]),
        (&why, &json!(1), &json!(1))
    );
    let (_, page) = ask("metrics").await;
    for line in ["cluster_overloaded 1.0", "cluster_clients_refused_total 1", "cluster_clients 1.0"] {
        assert!(page.lines().any(|shown| shown == line), "{line} is not in\n{page}");
    }
    host.stop().await;
}

#[tokio::test]
async fn the_figures_of_the_load_are_those_of_the_document() {
    let host = alone(ServerLimits::default()).await;
    let (_, page) = within(get(host.address(), "/_plugin/cluster/metrics")).await;
    let document = include_str!("../../../docs/METRICS.md");
    let (_, table) = document.split_once("Of a host that tells").expect("the part about hosts");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `cluster_")?.split_once('`'));
    let rows: Vec<(&str, &str)> = rows.take_while(|(name, _)| !name.contains(' ')).collect();
    for (name, rest) in &rows {
        let mut shown = page.lines().filter(|line| line.starts_with(&format!("cluster_{name}")));
        let first = shown.next().unwrap_or_else(|| panic!("{name} is not in\n{page}"));
        let reasoned = rest.trim_start_matches(" | ").starts_with("counter, `reason`");
        assert_eq!(first.contains("{reason="), reasoned, "{first}");
    }
    assert_eq!(rows.len(), host.node.load().figures().len());
    host.stop().await;
}
