//! Endpoints with a handler that remembers what it saw.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster_transport::endpoint::{Endpoint, Event, Handler, Incoming, SessionHandle};
use cluster_transport::proto::endpoint::{EndpointEvent, SessionEnd};
use cluster_transport::proto::lanes::{LaneSettings, Payload};
use cluster_transport::proto::requests::{FailureCode, Outcome};
use cluster_transport::proto::session::{Direction, Missed};
use cluster_transport::proto::{Address, Lane};
use tokio::sync::Notify;

use crate::line::Line;
use crate::setup::Setup;

/// Runs a test over every kind of link.
macro_rules! over_every_link {
    ($($name:ident),* $(,)?) => {
        mod tcp { $( #[tokio::test] async fn $name() { super::$name(super::Carrier::Tcp).await } )* }
        mod tls { $( #[tokio::test] async fn $name() { super::$name(super::Carrier::Tls).await } )* }
        mod quic { $( #[tokio::test] async fn $name() { super::$name(super::Carrier::Quic).await } )* }
        mod memory { $( #[tokio::test] async fn $name() { super::$name(super::Carrier::Memory).await } )* }
    };
}

/// Runs a test over the links that have certificates.
macro_rules! over_every_secure_link {
    ($($name:ident),* $(,)?) => {
        mod secure_tcp { $( #[tokio::test] async fn $name() { super::$name(super::Carrier::Tls).await } )* }
        mod secure_quic { $( #[tokio::test] async fn $name() { super::$name(super::Carrier::Quic).await } )* }
    };
}

/// A condition that has not come true by then never will.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Tcp,
    Tls,
    Quic,
    Memory,
}

#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Event(Event),
    Message(Lane, Vec<u8>),
    Lagged(Lane, Direction, Missed),
    Asked,
    Cancelled,
    Answered(u64, Outcome),
}

/// What a handler does besides remembering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Quirk {
    #[default]
    None,
    /// Wakes its session's task at every turn.
    WakesItself,
    /// Sends as soon as it knows of a session, before that one's link has carried anything.
    GreetsAtOnce,
    /// Panics at its first batch.
    Panics,
    /// Takes no batch until it is told to.
    Holds,
}

/// A batch that waits to be taken: its session, lane and end.
type Held = (Arc<SessionHandle>, Lane, u64);

#[derive(Default)]
pub(crate) struct Recorder {
    quirk: Quirk,
    pub(crate) seen: Mutex<Vec<Seen>>,
    /// What a holding handler has not taken; nothing once it takes everything.
    held: Mutex<Option<Vec<Held>>>,
    news: Notify,
}

impl Recorder {
    pub(crate) fn new(quirk: Quirk) -> Self {
        Self { quirk, held: Mutex::new((quirk == Quirk::Holds).then(Vec::new)), ..Self::default() }
    }

    fn record(&self, seen: Seen) {
        self.seen.lock().unwrap().push(seen);
        self.news.notify_waiters();
    }
}

impl Handler for Recorder {
    fn on_event(&self, event: Event) {
        if let (Quirk::GreetsAtOnce, Event::Up { session, .. }) = (self.quirk, &event) {
            session.send(Lane::Events, &[], Payload::Copied(b"greeting")).unwrap();
        }
        self.record(Seen::Event(event));
    }

    fn before_sending(&self, session: &Arc<SessionHandle>) {
        if self.quirk == Quirk::WakesItself {
            session.wake();
        }
    }

    fn on_incoming(&self, session: &Arc<SessionHandle>, incoming: Incoming) {
        match incoming {
            Incoming::Batch(batch) => {
                assert!(self.quirk != Quirk::Panics, "as the test wants it");
                for message in &batch {
                    self.record(Seen::Message(batch.lane(), message.to_vec()));
                }
                match &mut *self.held.lock().unwrap() {
                    Some(held) => held.push((Arc::clone(session), batch.lane(), batch.end())),
                    None => session.done(batch.lane(), batch.end()),
                }
            }
            Incoming::Lagged { lane, direction, missed } => {
                self.record(Seen::Lagged(lane, direction, missed))
            }
            Incoming::Asked { id, payload } => {
                if payload.starts_with(b"echo") {
                    session.reply(id, Payload::Shared(payload.clone()));
                } else if payload.starts_with(b"refuse") {
                    session.fail(id, FailureCode::APPLICATION, "as you wish");
                }
                self.record(Seen::Asked);
            }
            Incoming::Cancelled(_) => self.record(Seen::Cancelled),
            Incoming::Answered { token, outcome, .. } => self.record(Seen::Answered(token, outcome)),
        }
    }
}

pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) address: Address,
    pub(crate) recorder: Arc<Recorder>,
}

impl Node {
    pub(crate) fn start(name: &str, carrier: Carrier) -> Self {
        Setup::new(name, carrier).start()
    }

    /// A handler that holds takes what it has, and everything from now on.
    pub(crate) fn release(&self) {
        let held = self.recorder.held.lock().unwrap().take();
        for (session, lane, end) in held.into_iter().flatten() {
            session.done(lane, end);
        }
    }

    /// Takes the first thing seen that fits, waiting for it.
    pub(crate) async fn wait_for<T>(&self, fits: impl Fn(&Seen) -> Option<T>) -> T {
        let found = async {
            loop {
                let news = self.recorder.news.notified();
                {
                    let mut seen = self.recorder.seen.lock().unwrap();
                    if let Some((at, found)) =
                        seen.iter().enumerate().find_map(|(at, seen)| Some((at, fits(seen)?)))
                    {
                        seen.remove(at);
                        return found;
                    }
                }
                news.await;
            }
        };
        tokio::time::timeout(GIVE_UP, found).await.unwrap_or_else(|_| {
            let seen = self.recorder.seen.lock().unwrap();
            panic!("{} never saw it, but {:?}", self.name, seen.iter().rev().take(20).collect::<Vec<_>>())
        })
    }

    pub(crate) async fn wait_for_event<T>(&self, fits: impl Fn(&Event) -> Option<T>) -> T {
        self.wait_for(|seen| match seen {
            Seen::Event(event) => fits(event),
            _ => None,
        })
        .await
    }

    /// The next session that came up.
    pub(crate) async fn session(&self) -> Arc<SessionHandle> {
        self.wait_for_event(|event| match event {
            Event::Up { session, .. } => Some(Arc::clone(session)),
            _ => None,
        })
        .await
    }

    /// How many sessions came up that nobody has asked for yet.
    pub(crate) fn session_count(&self) -> usize {
        self.count(|seen| matches!(seen, Seen::Event(Event::Up { .. })))
    }

    pub(crate) async fn session_end(&self) -> SessionEnd {
        self.wait_for_event(|event| match event {
            Event::Other(EndpointEvent::SessionDown { cause, .. }) => Some(cause.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until so many messages of a lane have come.
    pub(crate) async fn has(&self, lane: Lane, count: usize) {
        let of_lane = |seen: &Seen| matches!(seen, Seen::Message(l, _) if *l == lane);
        let enough = async {
            loop {
                let news = self.recorder.news.notified();
                if self.count(of_lane) >= count {
                    return;
                }
                news.await;
            }
        };
        if tokio::time::timeout(GIVE_UP, enough).await.is_err() {
            panic!("{} saw {} of {count} messages on the {lane} lane", self.name, self.count(of_lane));
        }
    }

    /// The next so many messages of a lane.
    pub(crate) async fn messages(&self, lane: Lane, count: usize) -> Vec<Vec<u8>> {
        self.has(lane, count).await;
        let of_lane = |seen: &Seen| matches!(seen, Seen::Message(l, _) if *l == lane);
        let mut seen = self.recorder.seen.lock().unwrap();
        let (taken, rest) = seen.drain(..).partition(of_lane);
        *seen = rest;
        let messages = taken.into_iter().map(|seen| match seen {
            Seen::Message(_, message) => message,
            other => panic!("{other:?}"),
        });
        messages.collect()
    }

    pub(crate) fn count(&self, fits: impl Fn(&Seen) -> bool) -> usize {
        self.recorder.seen.lock().unwrap().iter().filter(|seen| fits(seen)).count()
    }

    pub(crate) fn sum(&self, of: impl Fn(&Seen) -> u64) -> u64 {
        self.recorder.seen.lock().unwrap().iter().map(of).sum()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.endpoint.abort();
    }
}

/// Two nodes, `a` of which has dialled `b`.
pub(crate) struct Pair {
    pub(crate) a: Node,
    pub(crate) b: Node,
}

impl Pair {
    pub(crate) async fn connect(carrier: Carrier) -> Self {
        Self::connect_to(carrier, Quirk::None).await
    }

    /// The node that is dialled has a quirk.
    pub(crate) async fn connect_to(carrier: Carrier, quirk: Quirk) -> Self {
        Self::connect_with(carrier, quirk, LaneSettings::default()).await
    }

    /// Both nodes have these limits.
    pub(crate) async fn connect_with(carrier: Carrier, quirk: Quirk, lanes: LaneSettings) -> Self {
        let start = |name, quirk| Setup::new(name, carrier).quirk(quirk).lanes(lanes.clone()).start();
        let (a, b) = (start("a", Quirk::None), start("b", quirk));
        a.endpoint.add_target(b.address.clone()).unwrap();
        Self { a, b }
    }

    /// The first dials through a line that can be cut.
    pub(crate) async fn connect_through(carrier: Carrier, line: &Line) -> Self {
        let (a, b) = (Setup::new("a", carrier).through(line).start(), Node::start("b", carrier));
        a.endpoint.add_target(b.address.clone()).unwrap();
        Self { a, b }
    }
}
