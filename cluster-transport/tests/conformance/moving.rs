//! Over QUIC the address of a peer may change under way, as behind a router that gives its place to somebody else: the session does
//! not notice, and its life line does not mind.

use std::sync::Arc;
use std::time::Duration;

use cluster_transport::endpoint::{Event, SessionHandle};
use cluster_transport::proto::Lane;
use cluster_transport::proto::endpoint::EndpointEvent;
use cluster_transport::proto::lanes::{LaneSettings, Payload};
use cluster_transport::proto::session::Missed;

use crate::harness::{Carrier, GIVE_UP, Node, Seen};
use crate::proxy::Proxy;
use crate::setup::Setup;

/// How often the address changes.
const CHANGES: usize = 4;
/// How many messages go each way between two changes, and before and after all of them.
const STRETCH: usize = 500;
const COUNT: usize = (CHANGES + 1) * STRETCH;
/// What may be unacknowledged, and unsent: less than a stretch, so that each change finds messages under way.
const WINDOW: u32 = 64 * 1024;
const MESSAGE: usize = 1_000;

/// Two nodes that speak QUIC and have a life line, with a network between them; `a` has dialled `b`.
struct Apart {
    a: Node,
    b: Node,
    sessions: [Arc<SessionHandle>; 2],
    network: Proxy,
}

impl Apart {
    async fn connect() -> Self {
        let mut lanes = LaneSettings::default();
        lanes.ring = 2 * usize::try_from(WINDOW).unwrap();
        lanes.windows[Lane::Notifications] = WINDOW;
        let start = |name| Setup::new(name, Carrier::Quic).lanes(lanes.clone()).start();
        let (a, b) = (start("a"), start("b"));
        let network = Proxy::with_life_lines(&b.address).await;
        a.endpoint.add_target(network.address.clone()).unwrap();
        let sessions = [a.session().await, b.session().await];
        let apart = Self { a, b, sessions, network };
        apart.have_a_life_line().await;
        apart
    }

    async fn have_a_life_line(&self) {
        let both = async {
            while !self.sessions.iter().all(|session| session.has_life_line()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(GIVE_UP, both).await.unwrap_or_else(|_| panic!("no life line at both ends"));
    }

    fn assert_nothing_was_noticed(&self) {
        for node in [&self.a, &self.b] {
            assert_eq!(node.session_count(), 0, "the first session of {} is the only one", node.name);
            // Where a session begins, what was before it is unknown.
            let lagged = node.count(|seen| matches!(seen, Seen::Lagged(_, _, Missed::Known(_))));
            assert_eq!(lagged, 0, "{} was told of a loss", node.name);
        }
    }
}

fn is_cut(event: &Event) -> Option<()> {
    matches!(event, Event::Other(EndpointEvent::LifeLineCut { .. })).then_some(())
}

async fn publish(session: &SessionHandle) {
    for number in 0..COUNT {
        let message = [&number.to_be_bytes()[..], &[7; MESSAGE]].concat();
        let pushed = session.send_waiting(Lane::Notifications, &[], Payload::Copied(&message), GIVE_UP).await;
        assert_eq!(pushed.unwrap().shed, 0, "number {number} waited for room");
    }
}

/// Asks until the publishers are done, one request after the other.
async fn ask(session: &SessionHandle, publishers: impl Future<Output = ()>) -> usize {
    let mut publishers = std::pin::pin!(publishers);
    let mut answered = 0;
    loop {
        let question = format!("echo {answered}");
        let answer = session.request(Payload::Copied(question.as_bytes()), GIVE_UP);
        tokio::select! {
            () = &mut publishers => return answered,
            answer = answer => assert_eq!(answer.unwrap(), question.as_bytes()),
        }
        answered += 1;
    }
}

fn numbers(messages: &[Vec<u8>]) -> impl Iterator<Item = usize> {
    messages.iter().map(|message| usize::from_be_bytes(*message.first_chunk().unwrap()))
}

#[tokio::test]
async fn the_address_of_a_peer_changes_under_a_flood_and_the_session_does_not_notice() {
    let apart = Apart::connect().await;
    let Apart { a, b, sessions: [at_a, at_b], network } = &apart;
    let moving = async {
        for change in 1..=CHANGES {
            b.has(Lane::Notifications, change * STRETCH).await;
            network.shake();
        }
    };
    let publishers = async {
        tokio::join!(publish(at_a), publish(at_b), moving);
    };
    let answered = ask(at_a, publishers).await;
    for node in [a, b] {
        let got = node.messages(Lane::Notifications, COUNT).await;
        assert!(numbers(&got).eq(0..COUNT), "{} got each of {COUNT} messages, once and in order", node.name);
    }
    assert_eq!(network.ways(), 1 + CHANGES, "addresses of a, as b saw them");
    assert!(answered > 0);
    apart.assert_nothing_was_noticed();
    assert!(apart.sessions.iter().all(|session| session.has_life_line()), "it stands beside the session");
    assert_eq!(a.count(|seen| matches!(seen, Seen::Event(event) if is_cut(event).is_some())), 0);
}

#[tokio::test]
async fn a_life_line_that_breaks_with_the_old_address_is_made_anew_and_the_session_goes_on() {
    let apart = Apart::connect().await;
    let Apart { a, b, sessions: [at_a, at_b], network } = &apart;
    network.shake();
    network.cut_life_lines();
    a.wait_for_event(is_cut).await;
    b.wait_for_event(is_cut).await;
    for session in [at_a, at_b] {
        let echo = session.request(Payload::Copied(b"echo"), GIVE_UP).await;
        assert_eq!(echo.unwrap(), b"echo"[..]);
    }
    apart.have_a_life_line().await;
    assert_eq!(network.ways(), 2);
    apart.assert_nothing_was_noticed();
}
