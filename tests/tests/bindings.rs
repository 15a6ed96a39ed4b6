//! Where a member listens: IPv6 works, and what cannot be bound is refused with the remedy.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use cluster_core::discovery::MemoryDirectory;
use cluster_core::runtime::StartError;
use cluster_tests::{Setup, Traffic, room};

#[tokio::test]
async fn a_cluster_on_ipv6_shares_rooms_and_notifications() {
    let directory = MemoryDirectory::default();
    let start = |name: &str| Setup::new(name).bound("tcp://[::1]:0").in_directory(&directory).start();
    let (a, b, c) = (start("a").await, start("b").await, start("c").await);
    a.together_with(&["b", "c"]).await;
    b.together_with(&["a", "c"]).await;
    c.together_with(&["a", "b"]).await;
    for member in [&a, &b, &c] {
        assert_eq!(member.address().to_string(), format!("tcp://[::1]:{}", member.address().port()));
    }
    a.subscribe(1, &room(1)).await;
    b.counts(&room(1), Some(1)).await;
    c.counts(&room(1), Some(1)).await;
    let traffic = [Traffic::start(&a, &b, 2).await, Traffic::start(&b, &c, 3).await];
    for traffic in traffic {
        traffic.finish().await;
    }
    for member in [&a, &b, &c] {
        assert_eq!(member.logs.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_port_in_use_is_refused_and_costs_its_owner_nothing() {
    let owner = Setup::new("a").start().await;
    let error = Setup::new("b").bound(&owner.address().to_string()).try_start().await.unwrap_err();
    assert!(matches!(error, StartError::Bind(_)), "{error:?}");
    let at = owner.socket_address();
    let expected =
        format!("cannot listen on {at}: the port is in use (stop the other process, or bind another port)");
    assert_eq!(error.to_string(), expected);
    owner.together_with(&[]).await;
}

#[tokio::test]
async fn an_interface_that_does_not_exist_is_refused_with_those_that_do() {
    let error = Setup::new("a").bound("tcp://[nosuch0:ipv4]:0").try_start().await.unwrap_err();
    assert!(matches!(error, StartError::Resolve(_)), "{error:?}");
    let words = error.to_string();
    let (asked, existing) = words.split_once("; this machine has ").unwrap();
    assert_eq!(asked, "cannot bind tcp://[nosuch0:ipv4]:0: there is no network interface \"nosuch0\"");
    assert!(existing.contains("127.0.0.1"), "{existing}");
}

#[tokio::test]
async fn without_tls_only_loopback_is_bound_and_the_refusal_names_both_remedies() {
    let error = Setup::new("a").bound("tcp://0.0.0.0:0").try_start().await.unwrap_err();
    assert!(matches!(error, StartError::Exposure(_)), "{error:?}");
    assert_eq!(
        error.to_string(),
        "tcp://0.0.0.0:0 is refused: without TLS only loopback may be bound, and it means 0.0.0.0:0; configure \
         plugins.cluster.tls.certificate, key and authorities, or set plugins.cluster.tls.dangerousPlaintext to true \
         if everybody who can reach this address may join and read all"
    );
}
