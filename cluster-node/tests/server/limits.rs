//! What a client may cost, and what happens at each limit.

use std::time::Duration;

use cluster_node::client::{Client, ClientError};
use cluster_node::server::ServerLimits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{alone, realtime, within};

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
async fn a_plain_connection_ends_after_a_while() {
    let host = alone(ServerLimits::default().with_plain_for(Duration::from_millis(50))).await;
    let mut silent = within(TcpStream::connect(host.address())).await.expect("a connection");
    assert_eq!(within(silent.read(&mut [0; 1])).await.expect("an end"), 0);
    host.stop().await;
}

#[tokio::test]
async fn a_plain_connection_too_many_waits_for_another_to_go() {
    let host = alone(ServerLimits::default().with_plain_connections(1)).await;
    let connect = || within(TcpStream::connect(host.address()));
    let (mut first, mut second) =
        (connect().await.expect("a connection"), connect().await.expect("a connection"));
    let ask = b"GET /_healthcheck HTTP/1.1\r\nhost: node\r\n\r\n";
    second.write_all(ask).await.expect("written");
    // Answered on the first connection, which is then kept: the second has not been taken.
    first.write_all(ask).await.expect("written");
    let mut byte = [0; 1];
    assert_eq!(within(first.read(&mut byte)).await.expect("an answer"), 1);
    assert!(second.try_read(&mut byte).is_err());
    drop(first);
    assert_eq!(within(second.read(&mut byte)).await.expect("an answer"), 1);
    host.stop().await;
}
