//! Links without TLS, and the errors of dialling.

use super::*;
use crate::link::Speech;
use crate::proto::PeerIdentity;
use crate::tls::fixture::TestAuthority;

#[tokio::test]
async fn members_without_tls_meet_over_both_families() {
    for bound in ["127.0.0.1:0", "[::1]:0"] {
        let mut listener = Listener::bind(bound.parse().unwrap()).unwrap();
        let (mut dialled, mut accepted) = meet(&mut listener, None, None).await;
        for link in [&dialled, &accepted] {
            assert_eq!(
                (link.info.transport, &link.info.identity),
                (TransportKind::Tcp, &PeerIdentity::Plaintext)
            );
            assert!(link.writer.is_write_vectored());
        }
        assert_eq!(dialled.info.remote, Some(listener.local_addr()));
        dialled.writer.write_all(b"there").await.unwrap();
        dialled.writer.shutdown().await.unwrap();
        let mut read = Vec::new();
        accepted.reader.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"there");
    }
}

#[tokio::test]
async fn a_host_name_is_resolved_and_all_its_addresses_are_tried() {
    let mut listener = listen();
    let address: Address = format!("localhost:{}", listener.local_addr().port()).parse().unwrap();
    let dialled = connect(&address, None, eventually());
    let (link, _accepted) = tokio::join!(dialled, listener.accept());
    assert_eq!(link.unwrap().info.remote, Some(listener.local_addr()));
}

#[tokio::test]
async fn what_cannot_be_dialled_says_why() {
    let taken = nobody();
    let nobody = Address::from_ip(Scheme::Tcp, taken.1.ip(), taken.1.port());
    let error = connect(&nobody, None, eventually()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{nobody} refused the connection: nothing listens there"));

    // No label of a DNS name is that long, so no resolver is asked.
    let unknown: Address = format!("{}.invalid:1", "x".repeat(64)).parse().unwrap();
    let error = connect(&unknown, None, eventually()).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("{unknown} cannot be resolved: ")), "{error}");

    let quic: Address = "quic://127.0.0.1:1".parse().unwrap();
    let error = connect(&quic, None, eventually()).await.unwrap_err();
    assert_eq!(error.to_string(), "quic://127.0.0.1:1 cannot be dialled over TCP");
}

#[tokio::test]
async fn a_silent_acceptor_runs_into_the_deadline() {
    let listener = listen();
    let address = address(&listener);
    let tls = TestAuthority::new().node("a");
    // The kernel completes the connection, nobody answers on it.
    let error = connect(&address, Some(&tls), shortly()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{address} accepted the connection and then said nothing in time"));
}

#[tokio::test]
async fn an_acceptor_that_closes_in_the_handshake_is_told_from_one_that_refuses() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::from_ip(Scheme::Tcp, [127, 0, 0, 1].into(), listener.local_addr().unwrap().port());
    let tls = TestAuthority::new().node("a");
    let closing = async {
        let (stream, _) = listener.accept().await.unwrap();
        farewell::farewell(stream, &[]).await;
    };
    let (dialled, ()) = tokio::join!(connect(&address, Some(&tls), eventually()), closing);
    assert_eq!(
        dialled.unwrap_err().to_string(),
        format!("{address} closed the connection during the TLS handshake")
    );
}

#[tokio::test]
async fn a_link_sends_at_once_and_queues_little_in_the_kernel() {
    let listener = listen();
    let stream = TcpStream::connect(listener.local_addr()).await.unwrap();
    tune(&stream).unwrap();
    assert!(stream.nodelay().unwrap());
    #[cfg(target_os = "linux")]
    assert_eq!(socket2::SockRef::from(&stream).tcp_notsent_lowat().unwrap(), UNSENT);
}

#[tokio::test]
async fn tls_to_a_plaintext_port_is_named_at_both_ends() {
    let mut listener = listen();
    let address = address(&listener);
    let tls = TestAuthority::new().node("a");
    let accepted = async { listener.accept().await.secure(None, eventually()).await.unwrap_err() };
    let (dialled, accepted) = tokio::join!(connect(&address, Some(&tls), eventually()), accepted);
    assert_eq!(
        dialled.unwrap_err().to_string(),
        format!("{address} does not speak TLS: is it a node without TLS settings?")
    );
    assert!(matches!(accepted, AcceptError::TlsToPlaintext { .. }), "{accepted}");
}

#[tokio::test]
async fn plaintext_to_a_tls_port_is_named_at_both_ends() {
    let mut listener = listen();
    let address = address(&listener);
    let tls = TestAuthority::new().node("a");
    let accepted = async { listener.accept().await.secure(Some(&tls), eventually()).await.unwrap_err() };
    let dialled = async {
        let mut link = connect(&address, None, eventually()).await.unwrap();
        link.writer.write_all(&[0, 0, 0, 1, 1]).await.unwrap();
        let mut answer = Vec::new();
        link.reader.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let (answer, accepted) = tokio::join!(dialled, accepted);
    assert_eq!(Speech::of(&answer), Speech::Tls);
    assert!(matches!(accepted, AcceptError::PlaintextToTls { .. }), "{accepted}");
}
