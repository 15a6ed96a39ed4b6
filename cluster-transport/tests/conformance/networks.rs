//! What networks do to links: slowness is not death, silence is found out, and what is lost is sent again.

use std::sync::Arc;
use std::time::Duration;

use cluster_transport::endpoint::{Event, SessionHandle};
use cluster_transport::proto::endpoint::{ConnectFailure, DialOutcome, EndpointEvent, SessionEnd};
use cluster_transport::proto::lanes::{LaneSettings, Payload};
use cluster_transport::proto::{Address, Lane};
use tokio::net::{TcpListener, UdpSocket};

use crate::harness::{Carrier, Node};
use crate::proxy::{Mode, Proxy};
use crate::setup::Setup;

/// How long a link of these tests may take no byte, or answer nothing.
const PATIENCE: Duration = Duration::from_secs(2);
const MESSAGE: usize = 1_000;

/// Runs a test over the links that cross a network.
macro_rules! over_every_network {
    ($($name:ident),* $(,)?) => {
        mod tcp { $( #[tokio::test] async fn $name() { super::$name(super::Carrier::Tcp).await } )* }
        mod tls { $( #[tokio::test] async fn $name() { super::$name(super::Carrier::Tls).await } )* }
        mod quic { $( #[tokio::test] async fn $name() { super::$name(super::Carrier::Quic).await } )* }
    };
}

over_every_network!(
    a_link_that_moves_bytes_is_never_suspected,
    a_link_that_takes_nothing_any_more_is_found_out_and_the_next_one_goes_on,
);

/// Two nodes with a network between them, `a` of which has dialled `b`.
struct Apart {
    a: Node,
    b: Node,
    network: Proxy,
}

impl Apart {
    async fn connect(carrier: Carrier) -> Self {
        let mut lanes = LaneSettings::default();
        lanes.windows[Lane::Notifications] = 1 << 20;
        let start = |name| Setup::new(name, carrier).lanes(lanes.clone()).patience(PATIENCE).start();
        let (a, b) = (start("a"), start("b"));
        let network = Proxy::before(&b.address).await;
        a.endpoint.add_target(network.address.clone()).unwrap();
        Self { a, b, network }
    }

    /// The first session, once both ends have heard of each other: that is where continuity begins.
    async fn session(&self) -> Arc<SessionHandle> {
        let session = self.a.session().await;
        send(&session, 0, 1);
        self.b.has(Lane::Notifications, 1).await;
        session
    }
}

fn send(session: &SessionHandle, from: u32, count: u32) {
    for number in from..from + count {
        let message = [&number.to_be_bytes()[..], &[7; MESSAGE]].concat();
        session.send(Lane::Notifications, &[], Payload::Copied(&message)).unwrap();
    }
}

async fn assert_arrived(node: &Node, count: u32) {
    let got = node.messages(Lane::Notifications, usize::try_from(count).unwrap()).await;
    let numbers = got.iter().map(|message| u32::from_be_bytes(*message.first_chunk().unwrap()));
    assert!(numbers.eq(0..count), "each of {count} messages, once and in order");
}

async fn a_link_that_moves_bytes_is_never_suspected(carrier: Carrier) {
    let apart = Apart::connect(carrier).await;
    let session = apart.session().await;
    apart.network.set(Mode::Slow);
    // At this pace it takes longer than the link may be without progress.
    send(&session, 1, 1_000);
    assert_arrived(&apart.b, 1_001).await;
    assert_eq!(
        (apart.a.session_count(), apart.b.session_count()),
        (0, 1),
        "the first sessions are the only ones"
    );
}

async fn a_link_that_takes_nothing_any_more_is_found_out_and_the_next_one_goes_on(carrier: Carrier) {
    let apart = Apart::connect(carrier).await;
    let session = apart.session().await;
    apart.network.set(Mode::Stall);
    send(&session, 1, 1_000);
    let SessionEnd::LinkLost(why) = apart.a.session_end().await else {
        panic!("it was closed in good order")
    };
    // QUIC takes bytes as long as its peer's window lets it, which may have been small still when the network stalled.
    let unanswered = carrier == Carrier::Quic && why == "the peer has not answered a packet for 2s";
    assert!(unanswered || why == "the peer has not taken a byte for 2s", "{why}");
    apart.network.shake();
    apart.network.set(Mode::Pass);
    apart.a.session().await;
    assert_arrived(&apart.b, 1_001).await;
}

#[tokio::test]
async fn over_quic_what_the_network_loses_is_sent_again() {
    let apart = Apart::connect(Carrier::Quic).await;
    let session = apart.session().await;
    apart.network.set(Mode::Lossy);
    send(&session, 1, 1_000);
    assert_arrived(&apart.b, 1_001).await;
    assert_eq!(apart.a.session_count(), 0, "the first session is the only one");
}

/// What becomes of a dial, and whether somebody was there.
async fn dial(scheme: &str, port: u16) -> (DialOutcome, bool) {
    let a = Setup::new("a", Carrier::Quic).connect_timeout(Duration::from_millis(300)).start();
    let address: Address = format!("{scheme}://127.0.0.1:{port}").parse().unwrap();
    a.endpoint.probe(address).unwrap();
    let outcome = |event: &Event| match event {
        Event::Other(EndpointEvent::DialOutcome { outcome, .. }) => Some(outcome.clone()),
        _ => None,
    };
    let outcome = a.wait_for_event(outcome).await;
    let reached = |seen: &crate::harness::Seen| {
        matches!(seen, crate::harness::Seen::Event(Event::Other(EndpointEvent::DialConnected { .. })))
    };
    (outcome, a.count(reached) > 0)
}

#[tokio::test]
async fn over_tcp_a_process_that_is_frozen_is_told_apart_from_one_that_is_gone() {
    // The kernel accepts on behalf of a process that does nothing, as one that is stopped by a signal.
    let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = frozen.local_addr().unwrap().port();
    assert_eq!(dial("tcp", port).await, (DialOutcome::NotConnected(ConnectFailure::Silent), true));
    drop(frozen);
    assert_eq!(dial("tcp", port).await, (DialOutcome::NotConnected(ConnectFailure::Refused), false));
}

#[tokio::test]
async fn a_connection_that_breaks_off_before_anybody_spoke_is_told_apart_from_a_host_that_cannot_be_reached()
{
    // So it goes to a dialler whom the kernel took on behalf of a process that was dying.
    for reset in [false, true] {
        let dying = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = dying.local_addr().unwrap().port();
        let breaks_off = tokio::spawn(async move {
            let (stream, _) = dying.accept().await.unwrap();
            // What was not read makes a reset of an end.
            stream.readable().await.unwrap();
            if !reset {
                while stream.try_read(&mut [0; 4096]).is_ok_and(|read| read == 4096) {}
            }
        });
        let (outcome, reached) = dial("tcp", port).await;
        breaks_off.await.unwrap();
        assert!(
            matches!(outcome, DialOutcome::NotConnected(ConnectFailure::CutOff(_))) && reached,
            "reset {reset}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn over_quic_nobody_answers_for_a_process_that_is_frozen() {
    let frozen = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = frozen.local_addr().unwrap().port();
    assert_eq!(dial("quic", port).await, (DialOutcome::NotConnected(ConnectFailure::TimedOut), false));
}
