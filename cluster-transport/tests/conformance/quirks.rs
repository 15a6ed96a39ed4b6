//! Handlers and callers that do not behave: what it may cost them, and what it must not.

use cluster_transport::proto::Lane;
use cluster_transport::proto::lanes::Payload;

use crate::harness::{Carrier, GIVE_UP, Node, Pair, Quirk};
use crate::setup::Setup;

#[tokio::test]
async fn a_task_that_is_woken_all_the_time_still_reads_and_writes() {
    let pair = Pair::connect_to(Carrier::Tcp, Quirk::WakesItself).await;
    let (at_a, at_b) = (pair.a.session().await, pair.b.session().await);
    at_a.send(Lane::Notifications, &[], Payload::Copied(b"read me")).unwrap();
    assert_eq!(pair.b.messages(Lane::Notifications, 1).await, [b"read me".to_vec()]);
    at_b.send(Lane::Notifications, &[], Payload::Copied(b"write me")).unwrap();
    assert_eq!(pair.a.messages(Lane::Notifications, 1).await, [b"write me".to_vec()]);
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_endpoint_and_not_one_session_in_silence() {
    let pair = Pair::connect_to(Carrier::Tcp, Quirk::Panics).await;
    let session = pair.a.session().await;
    session.send(Lane::Notifications, &[], Payload::Copied(b"1")).unwrap();
    tokio::time::timeout(GIVE_UP, pair.b.endpoint.ended()).await.unwrap();
    assert!(pair.b.endpoint.has_failed());
}

#[tokio::test]
async fn what_comes_in_one_read_with_the_handshake_is_taken_without_waiting_for_more() {
    for carrier in [Carrier::Tcp, Carrier::Tls, Carrier::Quic, Carrier::Memory] {
        let dialler = Setup::new("a", carrier).quirk(Quirk::GreetsAtOnce).start();
        let acceptor = Node::start("b", carrier);
        dialler.endpoint.add_target(acceptor.address.clone()).unwrap();
        assert_eq!(acceptor.messages(Lane::Events, 1).await, [b"greeting"], "{carrier:?}");
    }
}
