//! Whoever does not belong here is refused with a reason at both ends and one line, and costs the members nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use cluster_core::config::FilterSeed;
use cluster_tests::{Hostile, Member, Pair, Setup, Told, reserve_port, room};
use cluster_transport::proto::body::CloseCode;
use cluster_transport::proto::frame::{Frame, kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a dialler that is refused again and again writes after a few lines.
const SLOWS_DOWN: &str = "attempts have failed: trying on";
/// The same as a whole line.
const FIVE: &str = "WARN 5 attempts have failed: trying on, at most every 30s address=tcp://a";

/// Sends bytes and nothing more; what comes back until the other side closes.
async fn send(to: &Member, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to.socket_address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // Who is refused may be reset without a word.
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn a_node_of_another_cluster_is_refused() {
    let pair = Pair::start(|setup| setup).await;
    let other = |config: cluster_core::config::ConfigBuilder| {
        let name: cluster_transport::proto::ClusterName = "other".parse().unwrap();
        config.cluster_name(name)
    };
    let stranger = Setup::new("x").with(other).eager_for(&pair.a.address()).start().await;
    stranger.knows(&[&pair.a]);
    stranger.logs.contain(SLOWS_DOWN).await;
    stranger.together_with(&[]).await;
    let refused = "WARN no session: wrong cluster: this is cluster kuzzle, not other address=tcp://a";
    assert_eq!(stranger.logs.complaints(), [refused, FIVE]);
    pair.finish(&["WARN refused x: wrong cluster: this is cluster kuzzle, not other remote=127.0.0.1:*"])
        .await;
}

#[tokio::test]
async fn a_node_with_another_filter_seed_is_refused() {
    let pair = Pair::start(|setup| setup).await;
    let seeded =
        |config: cluster_core::config::ConfigBuilder| config.filter_seed(Some(FilterSeed::from([7; 32])));
    let stranger = Setup::new("x").with(seeded).eager_for(&pair.a.address()).start().await;
    stranger.knows(&[&pair.a]);
    stranger.logs.contain(SLOWS_DOWN).await;
    stranger.together_with(&[]).await;
    let why = "host settings differ: host settings that must be equal on all members differ, such as the filter seed";
    assert_eq!(
        stranger.logs.complaints(),
        [format!("WARN no session: {why} address=tcp://a"), FIVE.to_owned()]
    );
    pair.finish(&[&format!("WARN refused x: {why} remote=127.0.0.1:*")]).await;
}

#[tokio::test]
async fn http_on_the_cluster_port_gets_a_400_and_one_line() {
    let pair = Pair::start(|setup| setup).await;
    for _ in 0..3 {
        let answer = send(&pair.a, b"GET /_plugin/cluster/health HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let body =
            "This is the cluster port: members talk here, and not HTTP. The API has a port of its own.\n";
        let head = format!("Content-Type: text/plain\r\nContent-Length: {}\r\nConnection: close", body.len());
        let expected = format!("HTTP/1.1 400 Bad Request\r\n{head}\r\n\r\n{body}");
        assert_eq!(String::from_utf8(answer).unwrap(), expected);
    }
    pair.finish(&["WARN 127.0.0.1:* sent an HTTP request to the cluster port"]).await;
}

#[tokio::test]
async fn a_frame_of_garbage_before_the_handshake_is_answered_with_a_close() {
    let pair = Pair::start(|setup| setup).await;
    for _ in 0..3 {
        let mut peer = Hostile::dial(&pair.a, None).await;
        peer.send(&[0, 0, 0, 5, kind::HELLO, 0xff, 0xff, 0xff, 0xff]).await;
        let Some(Frame::Close(close, _)) = peer.next().await else { panic!() };
        let why = (close.code, close.text.as_str());
        assert_eq!(why, (CloseCode::VIOLATION, "Hello does not decode"));
        assert_eq!(peer.next().await, None);
    }
    pair.finish(&[
        "WARN a caller did not get in: protocol violation: Hello does not decode remote=127.0.0.1:*",
    ])
    .await;
}

#[tokio::test]
async fn a_frame_of_garbage_in_a_session_ends_that_session_alone() {
    let pair = Pair::start(|setup| setup).await;
    let mut peer = Hostile::in_session(&pair.a, "x").await;
    pair.a.recorder.was_told(|told| *told == Told::Joined("x".into())).await;
    peer.send(&[0, 0, 0, 5, kind::SEGMENT, 0xff, 0xff, 0xff, 0xff]).await;
    let close = loop {
        if let Frame::Close(close, _) = peer.next().await.unwrap() {
            break close;
        }
    };
    assert_eq!(close.code, CloseCode::VIOLATION, "{close:?}");
    assert_eq!(peer.next().await, None);
    pair.a.recorder.was_told(|told| matches!(told, Told::Removed(who, _) if who == "x")).await;
    pair.a.together_with(&["b"]).await;
    pair.finish(&["WARN ended the session: the peer broke the protocol node=x"]).await;
}

#[tokio::test]
async fn a_node_that_is_its_own_seed_says_so_and_goes_on() {
    let port = reserve_port();
    let own = format!("tcp://127.0.0.1:{port}");
    let node = Setup::new("a").bound(&own).eager_for(&own.parse().unwrap()).start().await;
    node.together_with(&[]).await;
    node.logs.contain("is this node's own").await;
    node.subscribe(1, &room(1)).await;
    let own = node.logs.lines(|line| line.contains("own"));
    assert_eq!(own, ["INFO this address is this node's own: it is not dialled for a while address=tcp://a"]);
    assert_eq!(node.logs.complaints(), [""; 0]);
}

#[tokio::test]
async fn of_two_processes_with_one_id_the_newer_serves_and_the_older_says_why_it_does_not() {
    let pair = Pair::start(|setup| setup).await;
    let older = Setup::new("x").eager_for(&pair.a.address()).start().await;
    older.together_with(&["a", "b"]).await;
    let newer = Setup::new("x").eager_for(&pair.a.address()).start().await;
    newer.together_with(&["a", "b"]).await;
    let epoch = newer.cluster.incarnation().epoch;
    let why = format!("another process of this id runs with epoch {epoch}");
    older.status(|status| !status.ready && status.reasons.contains(&why)).await;
    older.knows(&[&pair.a, &pair.b]);
    older.logs.name(format!("127.0.0.1:{}", newer.address().port()), "newer");
    older.logs.contain(SLOWS_DOWN).await;
    pair.a.logs.name(format!("127.0.0.1:{}", newer.address().port()), "newer");
    for member in [&pair.a, &pair.b, &newer] {
        let others: Vec<_> = ["a", "b", "x"].into_iter().filter(|name| *name != member.name()).collect();
        member.together_with(&others).await;
    }
    let duplicate =
        format!("duplicate id: an incarnation of x with epoch {epoch} is in session, at tcp://newer");
    assert_eq!(
        older.logs.lines(|line| line.starts_with("ERROR")),
        [
            "ERROR another process has this node's id x, at tcp://newer: stop one of them or give it another id"
        ]
    );
    let mut refused = older.logs.lines(|line| line.starts_with("WARN no session"));
    refused.sort();
    let expected = ["a", "b"].map(|at| format!("WARN no session: {duplicate} address=tcp://{at}"));
    assert_eq!(refused, expected);
    assert_eq!(newer.logs.complaints(), [""; 0]);
    pair.finish(&[&format!("WARN refused x: {duplicate} remote=127.0.0.1:*")]).await;
}
