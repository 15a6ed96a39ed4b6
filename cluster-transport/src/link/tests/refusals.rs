//! Members that must not meet: each refusal as both ends tell it.

use rcgen::date_time_ymd;

use super::*;
use crate::proto::ClusterName;
use crate::tls::TlsIdentity;
use crate::tls::fixture::{TestAuthority, TestPair, prod};

const A: [&str; 2] = ["prod.cluster", "a.prod.cluster"];

/// A member with a certificate of one authority that trusts others.
fn trusting(pair: &TestPair, trusted: &[&TestAuthority]) -> Tls {
    let authorities: String = trusted.iter().map(|authority| authority.pem.as_str()).collect();
    let identity =
        TlsIdentity::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes(), authorities.as_bytes())
            .unwrap();
    Tls::new(identity, &prod()).unwrap()
}

#[tokio::test]
async fn a_dialler_refuses_an_acceptor_of_an_unknown_authority() {
    for scheme in SCHEMES {
        let (ours, theirs) = (TestAuthority::new(), TestAuthority::new());
        let (dialled, accepted) = clash(scheme, &ours.node("a"), &theirs.node("b")).await;
        assert_eq!(
            dialled,
            "ACCEPTOR presented a certificate that we refuse: no authority that we trust has issued it"
        );
        assert_eq!(accepted, "DIALLER refused our certificate: no authority that it trusts has issued it");
    }
}

#[tokio::test]
async fn an_acceptor_refuses_a_dialler_of_an_unknown_authority() {
    for scheme in SCHEMES {
        let (ours, theirs) = (TestAuthority::new(), TestAuthority::new());
        let dialler = trusting(&theirs.issue(&A), &[&ours]);
        let (dialled, accepted) = clash(scheme, &dialler, &ours.node("b")).await;
        assert_eq!(dialled, "ACCEPTOR refused our certificate: no authority that it trusts has issued it");
        assert_eq!(
            accepted,
            "DIALLER presented a certificate that we refuse: no authority that we trust has issued it"
        );
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_either_side() {
    for scheme in SCHEMES {
        let authority = TestAuthority::new();
        let expired = authority.member(&authority.issue_expired(&A));
        let valid = authority.node("b");
        for (dialler, acceptor) in [(&expired, &valid), (&valid, &expired)] {
            let (dialled, accepted) = clash(scheme, dialler, acceptor).await;
            let (judge, judged) =
                if acceptor.node_id() == valid.node_id() { (accepted, dialled) } else { (dialled, accepted) };
            assert!(
                judge.contains("presented a certificate that we refuse: by our clock it expired ")
                    && judge.ends_with(" days ago"),
                "{judge}"
            );
            assert!(
                judged.ends_with("refused our certificate: by its clock it has expired or is not valid yet"),
                "{judged}"
            );
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_refused() {
    for scheme in SCHEMES {
        let authority = TestAuthority::new();
        let early = authority.issue_changed(&A, |params| params.not_before = date_time_ymd(3000, 1, 1));
        let (dialled, accepted) = clash(scheme, &authority.member(&early), &authority.node("b")).await;
        assert_eq!(
            dialled,
            "ACCEPTOR refused our certificate: by its clock it has expired or is not valid yet"
        );
        assert!(
            accepted.starts_with(
                "DIALLER presented a certificate that we refuse: by our clock it is not valid for another "
            ),
            "{accepted}"
        );
    }
}

#[tokio::test]
async fn an_acceptor_of_another_cluster_is_refused() {
    for scheme in SCHEMES {
        let authority = TestAuthority::new();
        let test: ClusterName = "test".parse().unwrap();
        let other = authority.identity(&authority.issue(&["test.cluster", "b.test.cluster"]));
        let (dialled, accepted) = clash(scheme, &authority.node("a"), &Tls::new(other, &test).unwrap()).await;
        assert_eq!(
            dialled,
            "ACCEPTOR presented a certificate that we refuse: it is not for prod.cluster but for \
             [DnsName(\"test.cluster\"), DnsName(\"b.test.cluster\")]"
        );
        assert_eq!(accepted, "DIALLER refused our certificate: it is not for a member of its cluster");
    }
}
