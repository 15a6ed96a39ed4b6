//! Finding each other by names: those of the system's resolver, and SRV records of a server that the test is.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use cluster_core::config::DnsName;
use cluster_core::discovery::Dns;
use cluster_core::runtime::Status;
use cluster_tests::{DnsServer, Pki, Setup, reserve_port};

const SERVICE: &str = "_cluster._tcp.example.test";

fn services(server: &DnsServer) -> Dns {
    let name: DnsName = SERVICE.parse().unwrap();
    Dns::new([name]).servers([server.address()])
}

#[tokio::test]
async fn members_find_all_addresses_of_all_targets_of_srv_records() {
    let server = DnsServer::start();
    let port = reserve_port();
    let mut members = Vec::new();
    for (name, ip) in [("a", "127.0.0.2"), ("b", "127.0.0.3"), ("c", "127.0.0.4")] {
        let bound = format!("tcp://{ip}:{port}");
        members.push(Setup::new(name).bound(&bound).found_through(services(&server)).start().await);
    }
    // Nobody is there yet, which is an answer: they are ready, each alone.
    for member in &members {
        member.together_with(&[]).await;
        let known = member.provider();
        assert_eq!((known.answers, known.addresses), (Some(true), 0));
        let problem = known.last_error.unwrap();
        assert!(problem.starts_with(&format!("{SERVICE} has no addresses: ")), "{problem}");
    }
    // Two addresses of one target, and one of another; each is asked for anew, and each node finds itself among them.
    server.add_host("pair.example.test", Ipv4Addr::new(127, 0, 0, 2));
    server.add_host("pair.example.test", Ipv4Addr::new(127, 0, 0, 3));
    server.add_host("one.example.test", Ipv4Addr::new(127, 0, 0, 4));
    server.add_service(SERVICE, "pair.example.test", port);
    server.add_service(SERVICE, "one.example.test", port);
    for (member, others) in members.iter().zip([["b", "c"], ["a", "c"], ["a", "b"]]) {
        member.together_with(&others).await;
        member.status(|status| status.discovery[0].addresses == 3).await;
    }
}

#[tokio::test]
async fn all_records_are_dialled_whatever_their_preference_and_a_dead_one_costs_nobody() {
    let server = DnsServer::start();
    let mut members = Vec::new();
    for name in ["a", "b", "c"] {
        let member = Setup::new(name).found_through(services(&server)).start().await;
        members.push(member);
    }
    server.add_host("host.example.test", Ipv4Addr::LOCALHOST);
    for (member, preference) in members.iter().zip([(0, 0), (7, 65_535), (65_535, 0)]) {
        server.add_preferred(SERVICE, preference, "host.example.test", member.address().port());
    }
    server.add_preferred(SERVICE, (0, 65_535), "host.example.test", reserve_port());
    server.add_preferred(SERVICE, (0, 1), "gone.example.test", 1);
    for (member, others) in members.iter().zip([["b", "c"], ["a", "c"], ["a", "b"]]) {
        member.together_with(&others).await;
        member.status(|status| status.discovery[0].addresses == 4).await;
    }
}

#[tokio::test]
async fn names_lead_to_members_over_quic_where_that_is_asked_for() {
    let pki = Pki::new("kuzzle");
    let quic = |name: &str, port: u16| {
        Setup::new(name).bound(&format!("quic://127.0.0.1:{port}")).with_tls(&pki.node(name))
    };
    // By the system's resolver.
    let port = reserve_port();
    let names: Arc<[DnsName]> = [format!("quic://localhost:{port}").parse().unwrap()].into();
    let a = quic("a", port).start().await;
    let b = quic("b", 0).with(|config| config.dns(names)).start().await;
    // By SRV records of UDP.
    let server = DnsServer::start();
    server.add_host("host.example.test", Ipv4Addr::LOCALHOST);
    server.add_service("_cluster._udp.example.test", "host.example.test", port);
    let name: DnsName = "_cluster._udp.example.test".parse().unwrap();
    let c = quic("c", 0).found_through(Dns::new([name]).servers([server.address()])).start().await;
    a.together_with(&["b", "c"]).await;
    for member in [&b, &c] {
        let transport = |status: &Status| {
            let a = status.members.iter().find(|member| member.node == "a");
            a.is_some_and(|a| a.transport.as_deref() == Some("quic"))
        };
        member.status(transport).await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_no_answer_and_costs_nobody_who_was_found_otherwise() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let name: DnsName = SERVICE.parse().unwrap();
    let silent = || Dns::new([name.clone()]).servers([silent.local_addr().unwrap()]);
    let waiting = Setup::new("waiting").found_through(silent()).start().await;
    waiting.status(|status| status.discovery[0].answers == Some(false)).await;
    let error = waiting.provider().last_error.unwrap();
    assert!(error.starts_with(&format!("{SERVICE} cannot be looked up: ")), "{error}");
    let reasons = waiting.cluster.readiness().reasons;
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(
        reasons[0].starts_with(&format!("no discovery provider has answered yet (dns: {SERVICE} cannot be ")),
        "{reasons:?}"
    );
    let seeds: Arc<[_]> = [waiting.address()].into();
    let seeded =
        Setup::new("seeded").found_through(silent()).with(|config| config.seeds(seeds)).start().await;
    seeded.cluster.wait_ready().await;
    seeded.status(|status| status.members.len() == 1).await;
}

#[tokio::test]
async fn names_of_the_systems_resolver_stand_for_their_addresses() {
    let (a, b) = (reserve_port(), reserve_port());
    let names: Arc<[DnsName]> = [a, b].map(|port| format!("localhost:{port}").parse().unwrap()).into();
    let seeds: Arc<[_]> = [a, b].map(|port| format!("tcp://localhost:{port}").parse().unwrap()).into();
    let by_name = Setup::new("a").bound(&format!("tcp://127.0.0.1:{a}")).with(|config| config.dns(names));
    let by_seed = Setup::new("b").bound(&format!("tcp://127.0.0.1:{b}")).with(|config| config.seeds(seeds));
    let (by_name, by_seed) = (by_name.start().await, by_seed.start().await);
    by_name.together_with(&["b"]).await;
    by_seed.together_with(&["a"]).await;
    for member in [&by_name, &by_seed] {
        let known = member.provider();
        // localhost may have an IPv6 address too.
        assert!(known.addresses >= 2 && known.last_error.is_none(), "{known:?}");
    }
}
