//! Finding each other by names: those of the system's resolver, and SRV records of a server that the test is.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use cluster_core::config::DnsName;
use cluster_core::discovery::Dns;
use cluster_tests::{DnsServer, Setup, reserve_port};

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
async fn a_server_that_does_not_answer_is_no_answer_and_costs_nobody_who_was_found_otherwise() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let name: DnsName = SERVICE.parse().unwrap();
    let silent = || Dns::new([name.clone()]).servers([silent.local_addr().unwrap()]);
    let waiting = Setup::new("waiting").found_through(silent()).start().await;
    waiting.status(|status| status.discovery[0].answers == Some(false)).await;
    assert_eq!(waiting.cluster.readiness().reasons, ["no discovery provider has answered yet"]);
    let error = waiting.provider().last_error.unwrap();
    assert!(error.starts_with(&format!("{SERVICE} cannot be looked up: ")), "{error}");
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
