//! Handshakes that must not lead to a session, and what both sides are told.

use cluster_transport::endpoint::Event;
use cluster_transport::proto::endpoint::{ConnectFailure, DialOutcome, EndpointEvent, HandshakeFailure};

use crate::harness::{Carrier, Node, Pair};
use crate::setup::Setup;

over_every_link!(
    nobody_of_another_cluster_gets_in_and_both_sides_are_told,
    a_node_that_dials_itself_notices,
    an_address_of_a_node_in_session_is_an_alias,
);

/// What a node learns of its next dial.
pub(crate) async fn outcome(node: &Node) -> DialOutcome {
    node.wait_for_event(|event| match event {
        Event::Other(EndpointEvent::DialOutcome { outcome, .. }) => Some(outcome.clone()),
        _ => None,
    })
    .await
}

/// What an acceptor says of the next caller that it does not take.
async fn complaint(node: &Node) -> String {
    node.wait_for_event(|event| match event {
        Event::Other(EndpointEvent::Refused { text, .. }) => Some(text.clone()),
        Event::Other(EndpointEvent::CallerFailed { failure, .. }) => Some(format!("{failure:?}")),
        _ => None,
    })
    .await
}

async fn nobody_of_another_cluster_gets_in_and_both_sides_are_told(carrier: Carrier) {
    let (a, b) = (Node::start("a", carrier), Setup::new("b", carrier).of_cluster("other").start());
    a.endpoint.add_target(b.address.clone()).unwrap();
    let (at_a, at_b) = (format!("{:?}", outcome(&a).await), complaint(&b).await);
    if matches!(carrier, Carrier::Tls | Carrier::Quic) {
        // The certificates tell before a frame is sent.
        let judged = "presented a certificate that we refuse: no authority that we trust has issued it";
        assert!(at_a.contains(judged), "{at_a}");
        assert!(
            at_b.contains("refused our certificate: no authority that it trusts has issued it"),
            "{at_b}"
        );
    } else {
        assert!(at_a.contains("RefuseCode(1)"), "{at_a}");
        assert!(at_b.contains("kuzzle") && at_b.contains("other"), "{at_b}");
    }
}

async fn a_node_that_dials_itself_notices(carrier: Carrier) {
    let a = Node::start("a", carrier);
    a.endpoint.add_target(a.address.clone()).unwrap();
    assert_eq!(outcome(&a).await, DialOutcome::ToSelf);
}

async fn an_address_of_a_node_in_session_is_an_alias(carrier: Carrier) {
    let pair = Pair::connect(carrier).await;
    let session = pair.a.session().await;
    assert!(matches!(outcome(&pair.a).await, DialOutcome::InSession { .. }));
    pair.a.endpoint.probe(pair.b.address.clone()).unwrap();
    let alias = DialOutcome::Alias { node: "b".parse().unwrap(), session: session.id() };
    assert_eq!(outcome(&pair.a).await, alias);
}

over_every_secure_link!(
    a_dialler_with_the_certificate_of_another_node_is_refused,
    an_acceptor_with_the_certificate_of_another_node_is_declined,
);

async fn a_dialler_with_the_certificate_of_another_node_is_refused(carrier: Carrier) {
    let a = Setup::new("a", carrier).certified_for("c").start();
    let b = Node::start("b", carrier);
    a.endpoint.add_target(b.address.clone()).unwrap();
    let DialOutcome::Failed(HandshakeFailure::Refused(refuse)) = outcome(&a).await else {
        panic!("it got in")
    };
    assert_eq!(refuse.code.0, 4, "{refuse:?}");
    let told = complaint(&b).await;
    assert!(told.contains("not for a"), "{told}");
}

async fn an_acceptor_with_the_certificate_of_another_node_is_declined(carrier: Carrier) {
    let a = Node::start("a", carrier);
    let b = Setup::new("b", carrier).certified_for("c").start();
    a.endpoint.add_target(b.address.clone()).unwrap();
    let DialOutcome::Declined { code, text, .. } = outcome(&a).await else { panic!("it was taken") };
    assert_eq!(code.0, 4, "{text}");
}

#[tokio::test]
async fn quic_without_tls_settings_is_not_dialled_and_the_remedy_is_named() {
    let (a, b) = (Node::start("a", Carrier::Tcp), Node::start("b", Carrier::Quic));
    a.endpoint.add_target(b.address.clone()).unwrap();
    let DialOutcome::NotConnected(ConnectFailure::Tls(why)) = outcome(&a).await else {
        panic!("it was dialled")
    };
    let address = &b.address;
    assert_eq!(
        why,
        format!(
            "{address} cannot be dialled: QUIC always has TLS, and this node has no TLS settings (give certificate, key \
             and authorities, or write tcp:// in place of quic://)"
        )
    );
}
