//! Whoever else comes to the port: browsers, scanners, slow and silent ones.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::tls::fixture::{TestAuthority, TestPair};
use crate::tls::{ALPN, TlsFault};

/// Writes the parts one by one, then closes its half; gives what comes back and what the acceptor says.
async fn speak(parts: &[&[u8]], tls: Option<&Tls>) -> (Vec<u8>, AcceptError) {
    let mut listener = listen();
    let local = listener.local_addr();
    let client = async {
        let mut stream = TcpStream::connect(local).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for part in parts {
            stream.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // A stranger may be reset without a word.
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    let accepted = async { listener.accept().await.secure(tls, eventually()).await.unwrap_err() };
    tokio::join!(client, accepted)
}

/// What the acceptor says of a client that writes this much and then neither goes on nor goes away.
async fn stall(written: &[u8], tls: Option<&Tls>) -> AcceptError {
    let mut listener = listen();
    let mut client = TcpStream::connect(listener.local_addr()).await.unwrap();
    client.write_all(written).await.unwrap();
    let connection = listener.accept().await;
    connection.secure(tls, shortly()).await.unwrap_err()
}

#[tokio::test]
async fn an_http_request_gets_an_answer_in_its_own_language() {
    let tls = TestAuthority::new().node("a");
    let get = &b"GET /_plugin/cluster/health HTTP/1.1\r\nHost: a\r\n\r\n"[..];
    for parts in [&[get][..], &[b"P", b"UT /x HTTP/1.1\r\n\r\n"], &[b"OPTIONS ", b"* HTTP/1.1\r\n\r\n"]] {
        for tls in [None, Some(&tls)] {
            let (answer, error) = speak(parts, tls).await;
            assert!(matches!(error, AcceptError::Http { .. }), "{error}");
            let answer = String::from_utf8(answer).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert_eq!(
                head,
                format!(
                    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close",
                    body.len()
                )
            );
            assert_eq!(
                body,
                "This is the cluster port: members talk here, and not HTTP. The API has a port of its own.\n"
            );
        }
    }
}

#[tokio::test]
async fn a_client_that_is_still_sending_is_not_cut_off() {
    let mut listener = listen();
    let local = listener.local_addr();
    let client = async {
        let mut stream = TcpStream::connect(local).await.unwrap();
        stream.write_all(b"POST /x HTTP/1.1\r\nContent-Length: 50000\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        for _ in 0..50 {
            stream.write_all(&[b'x'; 1000]).await.unwrap();
            tokio::task::yield_now().await;
        }
        answer
    };
    let accepted = async { listener.accept().await.secure(None, eventually()).await.unwrap_err() };
    let (answer, error) = tokio::join!(client, accepted);
    assert_eq!(&answer, b"HTTP/1.1 400");
    assert!(matches!(error, AcceptError::Http { .. }), "{error}");
}

#[tokio::test]
async fn garbage_is_refused_without_an_answer() {
    let tls = TestAuthority::new().node("a");
    for tls in [None, Some(&tls)] {
        for garbage in [&b"SSH-2.0-OpenSSH"[..], b"GETAWAY!", b"GET", &[255; 100], b"\r\n"] {
            let (answer, error) = speak(&[garbage], tls).await;
            assert_eq!(answer, b"");
            let AcceptError::Stranger { first, .. } = &error else { panic!("{garbage:?}: {error}") };
            assert_eq!(first, &garbage[..garbage.len().min(8)]);
        }
    }
}

#[tokio::test]
async fn garbage_behind_the_first_byte_of_tls_is_refused() {
    let tls = TestAuthority::new().node("a");
    let (_, error) = speak(&[&[22, 0xff, 0xff, 0xff, 0xff, 0xff]], Some(&tls)).await;
    assert!(matches!(error, AcceptError::Tls { fault: TlsFault::NotTls, .. }), "{error}");
    let (_, error) = speak(&[&[22, 3, 1, 0, 4, 0xff, 0, 0, 0]], Some(&tls)).await;
    assert!(matches!(error, AcceptError::Tls { fault: TlsFault::Other(_), .. }), "{error}");
}

#[tokio::test]
async fn a_client_that_says_nothing_and_goes_is_no_fault() {
    let (_, error) = speak(&[], None).await;
    assert!(matches!(error, AcceptError::Silent { .. }), "{error}");
}

#[tokio::test]
async fn who_does_not_go_on_runs_into_the_deadline() {
    let tls = TestAuthority::new().node("a");
    for tls in [None, Some(&tls)] {
        for written in [&b""[..], b"G", b"PUT"] {
            let error = stall(written, tls).await;
            assert!(matches!(error, AcceptError::TimedOut { .. }), "{written:?}: {error}");
        }
    }
    let hello = [22, 3, 1, 2, 0, 1];
    for length in 1..=hello.len() {
        let error = stall(&hello[..length], Some(&tls)).await;
        assert!(matches!(error, AcceptError::TimedOut { .. }), "{length}: {error}");
    }
}

/// What the acceptor says of a TLS client that is not one of ours.
async fn foreign(authority: &TestAuthority, pair: Option<TestPair>, alpn: &[&[u8]]) -> AcceptError {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match pair {
        None => builder.with_no_client_auth(),
        Some(pair) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();

    let tls = authority.node("b");
    let mut listener = listen();
    let local = listener.local_addr();
    let client = async {
        let stream = TcpStream::connect(local).await.unwrap();
        let name = "prod.cluster".try_into().unwrap();
        if let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(name, stream).await {
            // The refusal may come as an alert or as an end.
            let _ = stream.read_u8().await;
        }
    };
    let accepted = async { listener.accept().await.secure(Some(&tls), eventually()).await.unwrap_err() };
    tokio::join!(client, accepted).1
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let error = foreign(&TestAuthority::new(), None, &[ALPN]).await;
    assert!(matches!(error, AcceptError::Tls { fault: TlsFault::NoCertificate, .. }), "{error}");
}

#[tokio::test]
async fn a_certificate_with_names_without_end_is_refused() {
    let authority = TestAuthority::new();
    let names: Vec<String> = (0..70).map(|n| format!("n{n}.prod.cluster")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let error = foreign(&authority, Some(authority.issue(&names)), &[ALPN]).await;
    let AcceptError::Tls { fault, .. } = &error else { panic!("{error}") };
    assert_eq!(
        fault.to_string(),
        "presented a certificate that we refuse: the certificate carries more than 64 DNS names: issue one for the \
         cluster's names alone"
    );
}

#[tokio::test]
async fn a_member_that_speaks_something_else_is_refused() {
    let authority = TestAuthority::new();
    for alpn in [&[][..], &[&b"h2"[..]]] {
        let pair = authority.issue(&["prod.cluster", "a.prod.cluster"]);
        let error = foreign(&authority, Some(pair), alpn).await;
        assert!(matches!(error, AcceptError::Tls { fault: TlsFault::OtherProtocol, .. }), "{error}");
    }
}
