//! Two members that lose sight of each other, and a third that reaches both.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use cluster_core::discovery::MemoryDirectory;
use cluster_core::runtime::Status;
use cluster_tests::{GIVE_UP, Member, Pki, Proxy, Setup, Told, reserve_port, room};

/// A member that others reach through a proxy alone.
async fn behind_a_proxy(name: &str, pki: &Pki, directory: &MemoryDirectory) -> (Member, Proxy) {
    let port = reserve_port();
    let proxy = Proxy::start(([127, 0, 0, 1], port).into()).await;
    let advertised = format!("tcp://{}", proxy.address()).parse().unwrap();
    let setup = quick(Setup::new(name), pki, directory)
        .bound(&format!("tcp://127.0.0.1:{port}"))
        .with(|config| config.advertise([advertised]));
    (setup.start().await, proxy)
}

/// Addresses that do not answer are dialled again soon.
fn quick(setup: Setup, pki: &Pki, directory: &MemoryDirectory) -> Setup {
    let name = setup.name().to_owned();
    let interval = Duration::from_millis(100);
    let setup = setup.with_tls(&pki.node(&name)).in_directory(directory);
    setup.with(|config| config.join_attempt_interval(interval))
}

fn carries(status: &Status, peer: &str, transport: &str) -> bool {
    let peer = status.members.iter().find(|member| member.node == peer);
    peer.is_some_and(|peer| peer.state == "connected" && peer.transport.as_deref() == Some(transport))
}

/// Publishes numbers in room 1, the next ones in their order.
async fn publish(from: &Member, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let payload = number.to_be_bytes();
        let sent = from.cluster.notify_document_waiting(&[room(1).id()], &payload, GIVE_UP).await;
        assert_eq!((sent.nodes, sent.shed), (1, 0), "{sent:?}");
    }
}

#[tokio::test]
async fn members_that_cannot_reach_each_other_go_on_through_a_third_and_directly_once_they_can() {
    let (pki, directory) = (Pki::new("kuzzle"), MemoryDirectory::default());
    let (a, to_a) = behind_a_proxy("a", &pki, &directory).await;
    let (b, to_b) = behind_a_proxy("b", &pki, &directory).await;
    let c = quick(Setup::new("c"), &pki, &directory).start().await;
    a.together_with(&["b", "c"]).await;
    b.together_with(&["a", "c"]).await;
    b.subscribe(1, &room(1)).await;

    publish(&a, 0..100).await;
    to_a.close();
    to_b.close();
    publish(&a, 100..200).await;
    a.status(|status| carries(status, "b", "tunnel")).await;
    b.status(|status| carries(status, "a", "tunnel")).await;
    publish(&a, 200..300).await;
    b.recorder.documents_are(300).await;
    // What changes while the tunnel carries them is known at both ends.
    a.subscribe(1, &room(2)).await;
    b.counts(&room(2), Some(1)).await;

    to_a.open();
    to_b.open();
    a.status(|status| carries(status, "b", "tcp+tls")).await;
    publish(&a, 300..400).await;
    b.recorder.documents_are(400).await;
    let expected: Vec<Vec<u8>> = (0..400_u64).map(|number| number.to_be_bytes().to_vec()).collect();
    assert_eq!(b.recorder.documents(), expected, "all of them, once and in their order");
    for member in [&a, &b, &c] {
        let removed = |told: &Told| matches!(told, Told::Removed(..));
        assert!(!member.recorder.told().iter().any(removed), "{} removed somebody", member.name());
    }
}
