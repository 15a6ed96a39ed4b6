//! Certificates that change under way: links stand, and the next ones are judged by what is in force.

use cluster_transport::certs::Authority;
use cluster_transport::proto::Lane;
use cluster_transport::proto::endpoint::DialOutcome;
use cluster_transport::proto::lanes::Payload;

use crate::harness::{Carrier, Node, Pair};
use crate::line::Line;
use crate::refusals::outcome;
use crate::setup::identity;

over_every_secure_link!(an_authority_is_rotated_without_a_link_being_dropped,);

fn reload(node: &Node, authority: &Authority, trusted: &[&Authority]) {
    node.endpoint.tls().unwrap().reload(identity(authority, &node.name, trusted)).unwrap();
}

async fn an_authority_is_rotated_without_a_link_being_dropped(carrier: Carrier) {
    let line = Line::default();
    let pair = Pair::connect_through(carrier, &line).await;
    let (at_a, at_b) = (pair.a.session().await, pair.b.session().await);
    let cluster = "kuzzle".parse().unwrap();
    let (old, new) = (Authority::new(&cluster).unwrap(), Authority::new(&cluster).unwrap());
    // Both are trusted before the first certificate of the new one is shown, and until the last of the old one is gone.
    for node in [&pair.a, &pair.b] {
        reload(node, &old, &[&old, &new]);
    }
    for (certified_by, trusted) in [(&old, [&old, &new]), (&new, [&old, &new])] {
        reload(&pair.a, certified_by, &trusted);
        pair.a.endpoint.probe(pair.b.address.clone()).unwrap();
        let alias = DialOutcome::Alias { node: "b".parse().unwrap(), session: at_a.id() };
        while outcome(&pair.a).await != alias {}
    }
    reload(&pair.b, &new, &[&new]);
    reload(&pair.a, &new, &[&new]);
    at_a.send(Lane::Notifications, &[], Payload::Copied(b"still here")).unwrap();
    assert_eq!(pair.b.messages(Lane::Notifications, 1).await, [b"still here".to_vec()]);
    assert_eq!((pair.a.session_count(), pair.b.session_count()), (0, 0), "the first sessions stand");
    line.cut();
    assert_ne!((pair.a.session().await.id(), pair.b.session().await.id()), (at_a.id(), at_b.id()));
    // Whoever has stayed with the old one is left out now.
    reload(&pair.a, &old, &[&old, &new]);
    pair.a.endpoint.probe(pair.b.address.clone()).unwrap();
    let refused = loop {
        let outcome = format!("{:?}", outcome(&pair.a).await);
        if outcome.contains("certificate") {
            break outcome;
        }
    };
    assert!(
        refused.contains("refused our certificate: no authority that it trusts has issued it"),
        "{refused}"
    );
}
