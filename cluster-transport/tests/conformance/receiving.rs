//! What comes, taken when its receiver wants it.

use std::sync::Arc;

use cluster_transport::endpoint::{Clock, Endpoint, Event, Handler, Inbox, Incoming, Parts, SessionHandle};
use cluster_transport::proto::endpoint::EndpointSettings;
use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::session::Missed;
use cluster_transport::proto::{Incarnation, Lane};
use tokio::time::timeout;

use super::harness::{Carrier, GIVE_UP, Node};

/// Whoever receives has nothing else to handle.
struct Nothing;

impl Handler for Nothing {
    fn on_event(&self, _: Event) {}

    fn on_incoming(&self, session: &Arc<SessionHandle>, incoming: Incoming) {
        if let Incoming::Batch(batch) = incoming {
            session.done_inline(batch.lane(), batch.end());
        }
    }
}

/// A node that publishes, its session, and a receiver with its inbox. The receiver's first word on each lane was taken.
async fn publisher_and_inbox() -> (Node, Arc<SessionHandle>, Endpoint, Inbox) {
    let (mut inbox, handler) = Inbox::new(Arc::new(Nothing));
    let incarnation = Incarnation { epoch: 1, nonce: 1 };
    let settings =
        EndpointSettings::builder("kuzzle".parse().unwrap(), "receiver".parse().unwrap(), incarnation);
    let receiver = Endpoint::start(Parts {
        settings: settings.build().unwrap(),
        seed: [9; 32],
        clock: Clock::start(),
        tls: None,
        connector: None,
        listeners: Vec::new(),
        handler,
    });
    let publisher = Node::start("publisher", Carrier::Tcp);
    receiver.add_target(publisher.address.clone()).unwrap();
    let session = publisher.session().await;
    for _ in 0..2 {
        let first = timeout(GIVE_UP, inbox.recv()).await.unwrap().unwrap().unwrap_err();
        assert_eq!(first.missed, Missed::Unknown, "a newcomer starts at the head");
    }
    (publisher, session, receiver, inbox)
}

fn publish(session: &SessionHandle, text: &str) {
    session.send(Lane::Notifications, &[], Payload::Copied(text.as_bytes())).unwrap();
}

#[tokio::test]
async fn messages_are_taken_one_by_one_in_their_order() {
    let (_publisher, session, receiver, mut inbox) = publisher_and_inbox().await;
    for number in 0..1_000 {
        publish(&session, &number.to_string());
    }
    for number in 0..1_000 {
        let message = timeout(GIVE_UP, inbox.recv()).await.unwrap().unwrap().unwrap();
        assert_eq!(
            (message.lane, &message.payload[..]),
            (Lane::Notifications, number.to_string().as_bytes())
        );
        assert_eq!(message.session.peer().as_str(), "publisher");
    }
    receiver.abort();
}

#[tokio::test]
async fn messages_count_against_the_window_until_their_batch_is_dropped() {
    let (_publisher, session, receiver, mut inbox) = publisher_and_inbox().await;
    publish(&session, "one");
    let delivery = timeout(GIVE_UP, inbox.recv_batch()).await.unwrap().unwrap().unwrap();
    assert_eq!(delivery.into_iter().collect::<Vec<_>>(), [b"one"]);
    assert!(session.lag(Lane::Notifications).unacknowledged_bytes > 0);
    drop(delivery);
    let acknowledged = async {
        while session.lag(Lane::Notifications).unacknowledged_bytes > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(GIVE_UP, acknowledged).await.unwrap();
    receiver.abort();
}

#[tokio::test]
async fn a_receiver_hears_of_the_end_of_its_endpoint() {
    let (publisher, _session, receiver, mut inbox) = publisher_and_inbox().await;
    receiver.shutdown().await;
    drop((receiver, publisher));
    assert!(timeout(GIVE_UP, inbox.recv()).await.unwrap().is_none());
}
