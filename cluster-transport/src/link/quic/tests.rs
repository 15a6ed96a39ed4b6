//! What QUIC does that a byte stream cannot, and what it must not do.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::*;
use crate::link::{ConnectError, reach};
use crate::proto::address::Scheme;
use crate::proto::frame::{Frame, LaneStart};
use crate::proto::lanes::LaneSettings;
use crate::proto::{Address, Lane, SessionId};
use crate::tls::Tls;
use crate::tls::fixture::TestAuthority;

fn eventually() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn listen(tls: &Tls) -> (Listener, Address) {
    let windows = LaneSettings::default().windows;
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), tls.clone(), &windows).unwrap();
    let local = listener.local_addr();
    (listener, Address::from_ip(Scheme::Quic, local.ip(), local.port()))
}

fn dialler(tls: &Tls) -> Dialler {
    Dialler::new(tls.clone(), &LaneSettings::default().windows)
}

#[tokio::test]
async fn what_was_written_arrives_before_the_link_is_closed() {
    let authority = TestAuthority::new();
    let (a, b) = (authority.node("a"), authority.node("b"));
    let (mut listener, address) = listen(&b);
    let dialler = dialler(&a);
    let sent = vec![7; 1_000];
    let dialled = async {
        let mut link = dialler.connect(&address, eventually(), &|| {}).await.unwrap();
        link.writer.write_all(&sent).await.unwrap();
        link.writer.shutdown().await.unwrap();
    };
    let accepted = async {
        let mut link = listener.accept().await.unwrap().secure(eventually()).await.unwrap();
        let mut read = Vec::new();
        link.reader.read_to_end(&mut read).await.unwrap();
        read
    };
    let ((), read) = tokio::join!(dialled, accepted);
    assert_eq!(read, sent);
}

#[tokio::test]
async fn a_ping_is_answered_by_a_listener_and_makes_no_connection() {
    let (mut listener, address) = listen(&TestAuthority::new().node("b"));
    reach(&address, Duration::from_secs(20)).await.unwrap();
    let accepted = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
    assert!(accepted.is_err(), "there is nothing to accept");
}

#[tokio::test]
async fn a_dropped_link_ends_the_peers_reading() {
    let authority = TestAuthority::new();
    let (a, b) = (authority.node("a"), authority.node("b"));
    let (mut listener, address) = listen(&b);
    let dialler = dialler(&a);
    let dialled = async {
        let mut link = dialler.connect(&address, eventually(), &|| {}).await.unwrap();
        link.writer.write_all(&[1]).await.unwrap();
        link
    };
    let accepted = async { listener.accept().await.unwrap().secure(eventually()).await.unwrap() };
    let (dialled, mut accepted) = tokio::join!(dialled, accepted);
    drop(dialled);
    let mut read = Vec::new();
    accepted.reader.read_to_end(&mut read).await.unwrap();
    assert!(read.len() <= 1);
}

#[tokio::test]
async fn a_node_that_is_busy_says_so() {
    let authority = TestAuthority::new();
    let (mut listener, address) = listen(&authority.node("b"));
    let dialler = dialler(&authority.node("a"));
    let refusing = async { listener.accept().await.unwrap().refuse() };
    let connecting = dialler.connect(&address, eventually(), &|| {});
    let (outcome, ()) = tokio::join!(connecting, refusing);
    let expected = format!("{address} is busy: it has as many handshakes under way as it takes");
    assert_eq!(outcome.unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn an_address_that_is_to_be_proven_costs_a_round_trip_and_no_more() {
    let authority = TestAuthority::new();
    let (mut listener, address) = listen(&authority.node("b"));
    let dialler = dialler(&authority.node("a"));
    let accepting = async {
        let unproven = listener.accept().await.unwrap();
        assert!(unproven.validate().is_none());
        let proven = listener.accept().await.unwrap().validate().expect("it has been proven");
        proven.secure(eventually()).await.unwrap()
    };
    let dialling = async {
        let mut link = dialler.connect(&address, eventually(), &|| {}).await.unwrap();
        link.writer.write_all(&[42]).await.unwrap();
        link
    };
    let (_dialled, mut accepted) = tokio::join!(dialling, accepting);
    assert_eq!(accepted.reader.read_u8().await.unwrap(), 42);
}

#[tokio::test]
async fn nobody_answers_at_an_address_without_a_listener() {
    let authority = TestAuthority::new();
    let unheard = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = unheard.local_addr().unwrap();
    let address = Address::from_ip(Scheme::Quic, local.ip(), local.port());
    let deadline = Instant::now() + Duration::from_millis(50);
    let outcome =
        dialler(&authority.node("a")).connect(&address, deadline, &|| panic!("nobody is there")).await;
    assert!(matches!(outcome, Err(ConnectError::TimedOut { .. })), "{outcome:?}");
}

#[tokio::test]
async fn no_early_data_is_ever_sent() {
    let authority = TestAuthority::new();
    let (a, b) = (authority.node("a"), authority.node("b"));
    let (mut listener, address) = listen(&b);
    let endpoint =
        socket::endpoint("127.0.0.1:0".parse().unwrap(), None, StrangeDatagrams::default()).unwrap();
    // One configuration for both: whatever the first connection could leave behind, the second one would find.
    let crypto = a.quic_client(&crate::tls::Witness::default()).unwrap();
    let config = quinn::ClientConfig::new(std::sync::Arc::new(crypto));
    let at = std::net::SocketAddr::new(address.ip().unwrap(), address.port());
    for _ in 0..2 {
        let connecting = endpoint.connect_with(config.clone(), at, "prod.cluster").unwrap();
        let connecting = connecting.into_0rtt().err().expect("nothing of an earlier session is known");
        let dialled = async {
            let connection = connecting.await.unwrap();
            let (mut send, mut receive) = connection.open_bi().await.unwrap();
            send.write_all(&[1]).await.unwrap();
            // A ticket would have come before this.
            receive.read_exact(&mut [0]).await.unwrap();
        };
        let accepted = async {
            let mut link = listener.accept().await.unwrap().secure(eventually()).await.unwrap();
            link.writer.write_all(&[2]).await.unwrap();
            link
        };
        let ((), _link) = tokio::join!(dialled, accepted);
    }
}

#[tokio::test]
async fn what_came_on_a_lane_before_the_end_of_the_connection_is_read_and_the_end_shows_as_often_as_it_is_asked_for()
 {
    let authority = TestAuthority::new();
    let (a, b) = (authority.node("a"), authority.node("b"));
    let (mut listener, address) = listen(&b);
    let dialler = dialler(&a);
    let windows = LaneSettings::default().windows;
    let start = LaneStart { session: SessionId(7), lane: Lane::Events, first: 0 };
    let frame = Frame::LaneStart(start).encode();
    let dialling = async {
        let mut link = dialler.connect(&address, eventually(), &|| {}).await.unwrap();
        link.writer.write_all(&[1]).await.unwrap();
        let (_readers, mut writers) = link.lanes.take().unwrap().open(&windows).unwrap();
        assert!(writers.put(Lane::Events, frame.clone()).is_none());
        std::future::poll_fn(|cx| writers.poll_write(cx)).await.unwrap();
        // The other lanes have no stream yet, as far as the peer knows.
        link.reader.read_u8().await.unwrap();
    };
    let accepting = async {
        let mut link = listener.accept().await.unwrap().secure(eventually()).await.unwrap();
        let (mut readers, _writers) = link.lanes.take().unwrap().open(&windows).unwrap();
        let mut read = 0;
        while read < frame.len() {
            read += std::future::poll_fn(|cx| readers.poll_read(cx)).await.unwrap();
        }
        link.writer.write_all(&[2]).await.unwrap();
        for _ in 0..3 {
            let end = std::future::poll_fn(|cx| readers.poll_read(cx)).await.unwrap_err();
            assert_eq!(end.kind(), std::io::ErrorKind::UnexpectedEof);
        }
        readers.next_frame().unwrap().unwrap()
    };
    let ((), got) = tokio::join!(dialling, accepting);
    assert_eq!(got, frame.slice(4..));
}
