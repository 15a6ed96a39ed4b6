//! Members that meet.

use super::*;
use crate::link::TransportKind;
use crate::proto::{ClusterName, NodeId};
use crate::tls::TlsIdentity;
use crate::tls::fixture::{TestAuthority, prod};

const LOOPBACK: &str = "127.0.0.1:0";

fn node(id: &str) -> NodeId {
    id.parse().unwrap()
}

fn is(link: &Link, id: &str) -> bool {
    link.info.identity.permits(&prod(), &node(id))
}

#[tokio::test]
async fn both_sides_learn_who_the_other_is() {
    for scheme in SCHEMES {
        let authority = TestAuthority::new();
        let (a, b) = (authority.node("a"), authority.node("b"));
        for bound in ["127.0.0.1:0", "[::1]:0"] {
            let mut listener = Listener::bind(scheme, bound, &b);
            let (dialled, accepted) = meet(&mut listener, &a).await;
            for (link, peer, other) in [(&dialled, "b", "a"), (&accepted, "a", "b")] {
                let kind = if scheme == Scheme::Tcp { TransportKind::TcpTls } else { TransportKind::Quic };
                assert_eq!(link.info.transport, kind);
                assert!(is(link, peer) && !is(link, other), "{:?}", link.info);
            }
            assert_eq!(dialled.info.remote, Some(listener.local_addr()));
            let from = accepted.info.remote.unwrap();
            assert!(dialled.info.local.is_none_or(|local| local == from), "{:?} {from}", dialled.info.local);
        }
    }
}

#[tokio::test]
async fn a_shared_certificate_may_be_any_node() {
    for scheme in SCHEMES {
        let authority = TestAuthority::new();
        let shared = authority.member(&authority.issue(&["prod.cluster", "*.prod.cluster"]));
        let (dialled, accepted) = meet(&mut Listener::bind(scheme, LOOPBACK, &shared), &shared).await;
        assert!(is(&dialled, "x") && is(&accepted, "y"));
    }
}

#[tokio::test]
async fn a_member_of_another_cluster_with_our_authority_may_be_nobody_here() {
    for scheme in SCHEMES {
        let authority = TestAuthority::new();
        let test: ClusterName = "test".parse().unwrap();
        let stranger =
            authority.identity(&authority.issue(&["test.cluster", "a.test.cluster", "*.test.cluster"]));
        let stranger = Tls::new(stranger, &test).unwrap();
        // The stranger finds its own cluster's name in our certificate, so only we are left to notice.
        let ours = authority.member(&authority.issue(&["prod.cluster", "b.prod.cluster", "test.cluster"]));
        let (_, accepted) = meet(&mut Listener::bind(scheme, LOOPBACK, &ours), &stranger).await;
        assert!(!is(&accepted, "a") && accepted.info.identity.permits(&test, &node("a")));
    }
}

#[tokio::test]
async fn a_reload_serves_new_handshakes_and_leaves_links_alone() {
    for scheme in SCHEMES {
        let authority = TestAuthority::new();
        let (a, server) = (authority.node("a"), authority.node("server"));
        let mut listener = Listener::bind(scheme, LOOPBACK, &server);
        let (mut before, mut served) = meet(&mut listener, &a).await;

        a.reload(authority.identity(&authority.issue(&["prod.cluster", "b.prod.cluster"]))).unwrap();
        let (_, accepted) = meet(&mut listener, &a).await;
        assert!(is(&accepted, "b") && !is(&accepted, "a"));

        served.writer.write_all(&[42]).await.unwrap();
        served.writer.flush().await.unwrap();
        assert_eq!(before.reader.read_u8().await.unwrap(), 42);
        assert!(is(&served, "a"));
    }
}

#[tokio::test]
async fn two_authorities_overlap_during_a_rotation() {
    for scheme in SCHEMES {
        let (old, new) = (TestAuthority::new(), TestAuthority::new());
        let both = format!("{}{}", old.pem, new.pem);
        let member = |authority: &TestAuthority, id: &str| {
            let pair = authority.issue(&["prod.cluster", &format!("{id}.prod.cluster")]);
            TlsIdentity::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes(), both.as_bytes()).unwrap()
        };
        let a = Tls::new(member(&old, "a"), &prod()).unwrap();
        let b = Tls::new(member(&new, "b"), &prod()).unwrap();
        for (dialler, acceptor) in [(&a, &b), (&b, &a)] {
            meet(&mut Listener::bind(scheme, LOOPBACK, acceptor), dialler).await;
        }
        b.reload(new.identity(&new.issue(&["prod.cluster", "b.prod.cluster"]))).unwrap();
        let (dialled, accepted) = clash(scheme, &a, &b).await;
        assert_eq!(dialled, "ACCEPTOR refused our certificate: no authority that it trusts has issued it");
        assert_eq!(
            accepted,
            "DIALLER presented a certificate that we refuse: no authority that we trust has issued it"
        );
    }
}

#[tokio::test]
async fn a_reload_of_the_acceptor_serves_its_next_handshakes() {
    for scheme in SCHEMES {
        let (old, new) = (TestAuthority::new(), TestAuthority::new());
        let acceptor = old.node("b");
        let mut listener = Listener::bind(scheme, LOOPBACK, &acceptor);
        let (mut before, mut served) = meet(&mut listener, &old.node("a")).await;
        acceptor.reload(new.identity(&new.issue(&["prod.cluster", "b.prod.cluster"]))).unwrap();
        let (dialled, accepted) = meet(&mut listener, &new.node("c")).await;
        assert!(is(&dialled, "b") && is(&accepted, "c"));
        served.writer.write_all(&[42]).await.unwrap();
        served.writer.flush().await.unwrap();
        assert_eq!(before.reader.read_u8().await.unwrap(), 42);
    }
}
