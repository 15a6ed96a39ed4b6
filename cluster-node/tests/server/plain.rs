//! Connections that are no WebSockets: who has to go when there are too many.

use std::time::Duration;

use cluster_http::HostLoad as _;
use cluster_node::load::Bound;
use cluster_node::server::ServerLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Host, alone, within};

/// A connection on which something has been written.
async fn connection(host: &Host, written: &str) -> TcpStream {
    let mut stream = within(TcpStream::connect(host.address())).await.expect("a connection");
    stream.write_all(written.as_bytes()).await.expect("written");
    stream
}

/// A connection that has been answered, and stays.
async fn answered(host: &Host) -> TcpStream {
    let mut stream = connection(host, "GET /_healthcheck HTTP/1.1\r\nhost: node\r\n\r\n").await;
    assert_eq!(stream.read(&mut [0; 1]).await.expect("an answer"), 1);
    stream
}

#[tokio::test]
async fn a_plain_connection_ends_after_a_while() {
    let host = alone(ServerLimits::default().with_plain_for(Duration::from_millis(50))).await;
    let mut silent = within(TcpStream::connect(host.address())).await.expect("a connection");
    assert_eq!(within(silent.read(&mut [0; 1])).await.expect("an end"), 0);
    host.stop().await;
}

#[tokio::test]
async fn a_plain_connection_too_many_takes_the_place_of_the_one_that_has_been_idle_for_longest() {
    let host = alone(ServerLimits::default().with_plain_connections(2)).await;
    let mut silent = connection(&host, "").await;
    let _asking = [within(answered(&host)).await, within(answered(&host)).await];
    assert_eq!(within(silent.read(&mut [0; 1])).await.expect("an end"), 0);
    assert_eq!(host.node.load().met(Bound::PlainConnections), 1);
    let why = "plain connections are closed (server.limits.plainConnections)".to_owned();
    assert!(host.node.load().overloaded().contains(&why));
    host.stop().await;
}

#[tokio::test]
async fn connections_that_never_end_the_head_of_a_request_hold_up_nobody() {
    /// If each held up the next one for a second, this would be more than the patience of the test.
    const MANY: usize = 32;
    let host = alone(ServerLimits::default().with_plain_connections(MANY)).await;
    let mut slow = Vec::new();
    for _ in 0..MANY {
        slow.push(connection(&host, "GET /_healthcheck HTTP/1.1\r\nho").await);
    }
    let newcomers = within(async {
        let mut newcomers = Vec::new();
        for _ in 0..MANY {
            newcomers.push(answered(&host).await);
        }
        newcomers
    });
    assert_eq!(newcomers.await.len(), MANY);
    for mut stream in slow {
        // With what it had said unread its end may be a reset.
        let end = within(stream.read(&mut [0; 1])).await;
        assert!(!end.is_ok_and(|read| read > 0));
    }
    host.stop().await;
}

#[tokio::test]
async fn requests_that_drip_hold_up_nobody() {
    const MANY: usize = 8;
    let host = alone(ServerLimits::default().with_plain_connections(MANY)).await;
    let mut dripping = Vec::new();
    for _ in 0..MANY {
        let head = "POST /_query HTTP/1.1\r\nhost: node\r\ncontent-length: 100\r\n\r\n{";
        dripping.push(connection(&host, head).await);
    }
    within(answered(&host)).await;
    assert_eq!(host.node.load().met(Bound::PlainConnections), 1);
    let refused =
        dripping.iter().filter(|stream| stream.try_read(&mut [0; 1]).is_ok_and(|read| read > 0)).count();
    assert_eq!(refused, 0, "it did not wait until they were too late");
    host.stop().await;
}

#[tokio::test]
async fn whoever_has_waited_for_a_place_is_read_before_giving_it_to_the_next() {
    const MANY: usize = 16;
    let host = alone(ServerLimits::default().with_plain_connections(1)).await;
    let mut reader = connection(&host, "GET /_plugin/cluster/events HTTP/1.1\r\nhost: node\r\n\r\n").await;
    assert!(within(reader.read(&mut [0; 1])).await.expect("an answer") > 0);
    let mut waiting = Vec::new();
    for _ in 0..MANY {
        waiting.push(connection(&host, "GET /_healthcheck HTTP/1.1\r\nhost: node\r\n\r\n").await);
    }
    drop(reader);
    for stream in &mut waiting {
        assert_eq!(within(stream.read(&mut [0; 1])).await.expect("an answer"), 1);
    }
    host.stop().await;
}

#[tokio::test]
async fn a_reader_of_events_is_not_idle_and_gives_way_to_nobody() {
    let host = alone(ServerLimits::default().with_plain_connections(2)).await;
    let mut reader = connection(&host, "GET /_plugin/cluster/events HTTP/1.1\r\nhost: node\r\n\r\n").await;
    assert!(within(reader.read(&mut [0; 1])).await.expect("an answer") > 0);
    let mut idle = Vec::new();
    for _ in 0..3 {
        idle.push(within(answered(&host)).await);
    }
    assert_eq!(host.node.load().met(Bound::PlainConnections), 2);
    // A status comes each second, beyond what was there before the others came.
    let mut statuses = 0;
    let mut text = [0; 64 * 1024];
    while statuses < 3 {
        let read = within(reader.read(&mut text)).await.expect("events");
        assert!(read > 0, "the reader was closed");
        statuses += String::from_utf8_lossy(&text[..read]).matches("event: status").count();
    }
    host.stop().await;
}
