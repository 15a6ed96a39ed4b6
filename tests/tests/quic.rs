//! Clusters over QUIC: members meet, share, leave and die as they do over TCP, and TCP stands beside it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use cluster_core::discovery::MemoryDirectory;
use cluster_tests::{GIVE_UP, Member, Nodes, Pki, Setup, Told, Traffic, http, room};
use cluster_transport::proto::address::Scheme;

fn member(pki: &Pki, name: &str) -> Setup {
    Setup::new(name).bound("quic://127.0.0.1:0").with_tls(&pki.node(name))
}

fn transports(member: &Member) -> Vec<Option<String>> {
    member.cluster.status().members.into_iter().map(|member| member.transport).collect()
}

#[tokio::test]
async fn a_cluster_over_quic_shares_rooms_and_notifications() {
    let (pki, directory) = (Pki::new("kuzzle"), MemoryDirectory::default());
    let start = |name: &str| member(&pki, name).in_directory(&directory).start();
    let (a, b, c) = (start("a").await, start("b").await, start("c").await);
    a.together_with(&["b", "c"]).await;
    b.together_with(&["a", "c"]).await;
    c.together_with(&["a", "b"]).await;
    for member in [&a, &b, &c] {
        assert_eq!(transports(member), [Some("quic".to_owned()), Some("quic".to_owned())]);
        let status = member.cluster.status();
        let own = status.tls.unwrap().days_to_expiry;
        assert!(own > 0 && status.members.iter().all(|peer| peer.certificate_days == Some(own)), "{own}");
        let bindings = status.bindings;
        let address = member.address();
        assert_eq!(bindings["bind"], address.to_string());
        assert_eq!(bindings["bind+tcp"], address.with_scheme(Scheme::Tcp).to_string());
    }
    a.subscribe(1, &room(1)).await;
    b.counts(&room(1), Some(1)).await;
    for traffic in [Traffic::start(&a, &b, 2).await, Traffic::start(&b, &c, 3).await] {
        traffic.finish().await;
    }
    c.cluster.leave().await;
    a.together_with(&["b"]).await;
    for member in [&a, &b, &c] {
        assert_eq!(member.logs.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_member_that_dies_is_removed_and_one_that_comes_back_is_taken_in() {
    let (pki, directory) = (Pki::new("kuzzle"), MemoryDirectory::default());
    let a = member(&pki, "a").in_directory(&directory).start().await;
    let b = member(&pki, "b").in_directory(&directory).start().await;
    a.together_with(&["b"]).await;
    b.subscribe(1, &room(1)).await;
    a.counts(&room(1), Some(1)).await;
    let address = b.address().to_string();
    b.kill();
    a.counts(&room(1), None).await;
    a.together_with(&[]).await;
    let b = member(&pki, "b").bound(&address).in_directory(&directory).start().await;
    a.together_with(&["b"]).await;
    b.together_with(&["a"]).await;
    let removed = a.recorder.told().iter().filter(|told| matches!(told, Told::Removed(..))).count();
    assert_eq!(removed, 1);
}

#[tokio::test]
async fn members_over_tcp_and_over_quic_are_one_cluster() {
    let (pki, directory) = (Pki::new("kuzzle"), MemoryDirectory::default());
    let tcp = Setup::new("a").with_tls(&pki.node("a")).in_directory(&directory).start().await;
    let quic = member(&pki, "b").in_directory(&directory).start().await;
    tcp.together_with(&["b"]).await;
    quic.together_with(&["a"]).await;
    let traffic = [Traffic::start(&tcp, &quic, 1).await, Traffic::start(&quic, &tcp, 2).await];
    for traffic in traffic {
        traffic.finish().await;
    }
}

#[test]
fn a_killed_process_is_found_out_by_its_life_line_and_not_by_its_silence() {
    let mut nodes = Nodes::start_over("quic");
    let port = nodes.ports()[0];
    let members = |shown: &str| {
        let status = http::get(port, "/_plugin/cluster/status");
        status.is_some_and(|(_, status)| status.matches(shown).count() == 2)
    };
    let three = || members(r#""transport":"quic""#) && members(r#""lifeLine":true"#);
    eventually("both members by QUIC, with their life lines", || three().then_some(()));
    nodes.kill_last();
    let removed = eventually("the removal of node-c", || {
        let (_, recorded) = http::get(port, "/_plugin/cluster/flight-recorder")?;
        recorded.lines().find(|line| line.contains(r#""what":"removed""#)).map(ToOwned::to_owned)
    });
    println!("{removed}");
    for evidence in
        [r#""about":"node-c""#, "its address refuses connections", "the connection that tells of its process"]
    {
        assert!(removed.contains(evidence), "{removed}");
    }
}

/// What a node shows sooner or later.
fn eventually<T>(what: &str, seen: impl Fn() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        match seen() {
            Some(seen) => return seen,
            None if begin.elapsed() < GIVE_UP => std::thread::sleep(Duration::from_millis(20)),
            None => panic!("{what} did not show within {GIVE_UP:?}"),
        }
    }
}
