use std::time::Duration;

use super::*;
use crate::tls::fixture::{TestAuthority, prod};

#[test]
fn only_a_certificate_of_the_cluster_comes_into_force() {
    let authority = TestAuthority::new();
    for (names, taken) in [
        (&["prod.cluster", "a.prod.cluster"][..], true),
        (&["prod.cluster", "*.prod.cluster"], true),
        (&["prod.cluster"], false),
        (&["a.prod.cluster"], false),
        (&["test.cluster", "a.test.cluster"], false),
        (&["*.cluster", "a.prod.cluster"], false),
    ] {
        let identity = authority.identity(&authority.issue(names));
        assert_eq!(Tls::new(identity, &prod()).is_ok(), taken, "{names:?}");
    }
    let other = authority.identity(&authority.issue(&["test.cluster", "a.test.cluster"]));
    assert_eq!(
        Tls::new(other, &prod()).unwrap_err().to_string(),
        "the certificate is not for a member of prod: it names a.test.cluster, test.cluster, and needs prod.cluster \
         with NODE.prod.cluster or *.prod.cluster"
    );
}

#[test]
fn a_reload_reaches_every_clone_and_a_refused_one_changes_nothing() {
    let authority = TestAuthority::new();
    let tls = authority.node("a");
    let clone = tls.clone();
    tls.reload(authority.identity(&authority.issue(&["prod.cluster", "b.prod.cluster"]))).unwrap();
    assert_eq!(clone.node_id().unwrap().as_str(), "b");
    let refused = tls.reload(authority.identity(&authority.issue(&["test.cluster", "c.test.cluster"])));
    assert!(matches!(refused, Err(IdentityError::OtherCluster { .. })));
    assert_eq!(clone.node_id().unwrap().as_str(), "b");
}

#[test]
fn a_process_keeps_the_node_that_it_is() {
    let authority = TestAuthority::new();
    let tls = authority.node("a");
    let issue = |names: &[&str]| authority.identity(&authority.issue(names));
    assert_eq!(
        tls.require_node(&"b".parse().unwrap()).unwrap_err().to_string(),
        "the certificate is not for the node b: it needs b.prod.cluster or *.prod.cluster"
    );
    tls.require_node(&"a".parse().unwrap()).unwrap();
    let refused = tls.reload(issue(&["prod.cluster", "b.prod.cluster"]));
    assert!(matches!(refused, Err(IdentityError::OtherNode { .. })));
    assert_eq!(tls.node_id().unwrap().as_str(), "a");
    tls.reload(issue(&["prod.cluster", "*.prod.cluster"])).unwrap();
    assert_eq!(tls.node_id(), None);
}

#[test]
fn an_expired_certificate_comes_into_force_and_is_counted_in_negative_days() {
    let authority = TestAuthority::new();
    let tls = authority.member(&authority.issue_expired(&["prod.cluster", "a.prod.cluster"]));
    let day = Duration::from_secs(86_400);
    let end = tls.not_after();
    for (now, days) in [
        (end - 2 * day, 2),
        (end - day - day / 2, 1),
        (end - day / 2, 0),
        (end + day / 2, -1),
        (end + day + day / 2, -2),
    ] {
        assert_eq!(tls.days_to_expiry(now), days);
    }
}

#[test]
fn no_ticket_is_sent_and_no_early_data_is_taken() {
    let tls = TestAuthority::new().node("a");
    let (connector, acceptor) = (tls.connector(), tls.acceptor());
    let (client, server) = (connector.config(), acceptor.config());
    assert_eq!((server.send_tls13_tickets, server.max_early_data_size), (0, 0));
    assert!(!server.session_storage.can_cache());
    assert!(!client.enable_early_data);
}

#[test]
fn a_process_without_a_crypto_provider_is_given_one() {
    install_ring_if_none();
    assert!(CryptoProvider::get_default().is_some());
    install_ring_if_none();
}
