//! Members with TLS that meet.

use std::io::IoSlice;

use rustls::HandshakeKind;

use super::*;
use crate::proto::{ClusterName, NodeId};
use crate::tls::TlsIdentity;
use crate::tls::fixture::{TestAuthority, prod};

fn node(id: &str) -> NodeId {
    id.parse().unwrap()
}

fn is(link: &Link, id: &str) -> bool {
    link.info.identity.permits(&prod(), &node(id))
}

#[tokio::test]
async fn both_sides_learn_who_the_other_is() {
    let authority = TestAuthority::new();
    let (a, b) = (authority.node("a"), authority.node("b"));
    for bound in ["127.0.0.1:0", "[::1]:0"] {
        let mut listener = Listener::bind(bound.parse().unwrap()).unwrap();
        let (dialled, accepted) = meet(&mut listener, Some(&a), Some(&b)).await;
        for (link, peer, other) in [(&dialled, "b", "a"), (&accepted, "a", "b")] {
            assert_eq!(link.info.transport, TransportKind::TcpTls);
            assert!(is(link, peer) && !is(link, other), "{:?}", link.info);
            assert!(link.writer.is_write_vectored());
        }
        assert_eq!(dialled.info.remote, Some(listener.local_addr()));
        assert_eq!(dialled.info.local, accepted.info.remote);
    }
}

#[tokio::test]
async fn bytes_pass_both_ways_and_end_cleanly() {
    let authority = TestAuthority::new();
    let tls = authority.node("a");
    let (mut dialled, mut accepted) = meet(&mut listen(), Some(&tls), Some(&tls)).await;
    let sent = vec![7; 1_000_000];
    let writing = async {
        let mut written = 0;
        while written < sent.len() {
            let (head, tail) = sent[written..].split_at((sent.len() - written) / 2);
            written +=
                dialled.writer.write_vectored(&[IoSlice::new(head), IoSlice::new(tail)]).await.unwrap();
        }
        dialled.writer.shutdown().await.unwrap();
    };
    let mut read = Vec::new();
    let (_, end) = tokio::join!(writing, accepted.reader.read_to_end(&mut read));
    end.unwrap();
    assert!(read == sent, "{} of {} bytes arrived as they were", read.len(), sent.len());

    accepted.writer.write_all(b"thanks").await.unwrap();
    accepted.writer.flush().await.unwrap();
    drop(accepted);
    let mut answer = [0; 6];
    dialled.reader.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"thanks");
    let end = dialled.reader.read_u8().await.unwrap_err();
    assert_eq!(LinkFault::from(end).to_string(), "closed the connection");
}

#[tokio::test]
async fn a_shared_certificate_may_be_any_node() {
    let authority = TestAuthority::new();
    let shared = authority.member(&authority.issue(&["prod.cluster", "*.prod.cluster"]));
    let (dialled, accepted) = meet(&mut listen(), Some(&shared), Some(&shared)).await;
    assert!(is(&dialled, "x") && is(&accepted, "y"));
}

#[tokio::test]
async fn a_member_of_another_cluster_with_our_authority_may_be_nobody_here() {
    let authority = TestAuthority::new();
    let test: ClusterName = "test".parse().unwrap();
    let stranger =
        authority.identity(&authority.issue(&["test.cluster", "a.test.cluster", "*.test.cluster"]));
    let stranger = Tls::new(stranger, &test).unwrap();
    // The stranger finds its own cluster's name in our certificate, so only we are left to notice.
    let ours = authority.member(&authority.issue(&["prod.cluster", "b.prod.cluster", "test.cluster"]));
    let (_, accepted) = meet(&mut listen(), Some(&stranger), Some(&ours)).await;
    assert!(!is(&accepted, "a") && accepted.info.identity.permits(&test, &node("a")));
}

#[tokio::test]
async fn a_reload_serves_new_handshakes_and_leaves_links_alone() {
    let authority = TestAuthority::new();
    let (a, server) = (authority.node("a"), authority.node("server"));
    let mut listener = listen();
    let (mut before, mut served) = meet(&mut listener, Some(&a), Some(&server)).await;

    a.reload(authority.identity(&authority.issue(&["prod.cluster", "b.prod.cluster"]))).unwrap();
    let (_, accepted) = meet(&mut listener, Some(&a), Some(&server)).await;
    assert!(is(&accepted, "b") && !is(&accepted, "a"));

    served.writer.write_all(&[42]).await.unwrap();
    served.writer.flush().await.unwrap();
    assert_eq!(before.reader.read_u8().await.unwrap(), 42);
    assert!(is(&served, "a"));
}

#[tokio::test]
async fn no_session_is_ever_resumed() {
    let authority = TestAuthority::new();
    let (a, b) = (authority.node("a"), authority.node("b"));
    let mut listener = listen();
    let local = listener.local_addr();
    for _ in 0..2 {
        let dialled = async {
            let stream = TcpStream::connect(local).await.unwrap();
            let mut stream = a.connector().connect(a.server_name(), stream).await.unwrap();
            // A ticket would come with the first bytes.
            stream.read_u8().await.unwrap();
            stream.get_ref().1.handshake_kind()
        };
        let accepted = async {
            let mut link = listener.accept().await.secure(Some(&b), eventually()).await.unwrap();
            link.writer.write_all(&[0]).await.unwrap();
            link.writer.flush().await.unwrap();
            link
        };
        let (kind, _link) = tokio::join!(dialled, accepted);
        assert_eq!(kind, Some(HandshakeKind::Full));
    }
}

#[tokio::test]
async fn two_authorities_overlap_during_a_rotation() {
    let (old, new) = (TestAuthority::new(), TestAuthority::new());
    let both = format!("{}{}", old.pem, new.pem);
    let member = |authority: &TestAuthority, id: &str| {
        let pair = authority.issue(&["prod.cluster", &format!("{id}.prod.cluster")]);
        TlsIdentity::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes(), both.as_bytes()).unwrap()
    };
    let a = Tls::new(member(&old, "a"), &prod()).unwrap();
    let b = Tls::new(member(&new, "b"), &prod()).unwrap();
    for (dialler, acceptor) in [(&a, &b), (&b, &a)] {
        meet(&mut listen(), Some(dialler), Some(acceptor)).await;
    }
    b.reload(new.identity(&new.issue(&["prod.cluster", "b.prod.cluster"]))).unwrap();
    let (dialled, accepted) = clash(&a, &b).await;
    assert_eq!(dialled, "ACCEPTOR refused our certificate: no authority that it trusts has issued it");
    assert_eq!(
        accepted,
        "DIALLER presented a certificate that we refuse: no authority that we trust has issued it"
    );
}
