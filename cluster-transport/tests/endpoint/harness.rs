//! Endpoints with a handler that remembers what it saw.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster_transport::certs::Authority;
use cluster_transport::endpoint::{
    Clock, Connecting, Connector, Endpoint, Event, Handler, Incoming, Parts, SessionHandle,
};
use cluster_transport::link::tcp::{ConnectError, Listener};
use cluster_transport::link::{memory, quic};
use cluster_transport::proto::endpoint::{DialSettings, EndpointEvent, EndpointSettings, SessionEnd};
use cluster_transport::proto::lanes::{LaneSettings, Payload};
use cluster_transport::proto::requests::FailureCode;
use cluster_transport::proto::session::{Direction, Missed};
use cluster_transport::proto::{Address, ClusterName, Incarnation, Lane};
use cluster_transport::tls::{Tls, TlsIdentity};
use tokio::sync::Notify;

/// Runs a test over every kind of link.
macro_rules! over_every_link {
    ($($name:ident),* $(,)?) => {
        mod tcp { $( #[tokio::test] async fn $name() { super::$name(super::Carrier::Tcp).await } )* }
        mod tls { $( #[tokio::test] async fn $name() { super::$name(super::Carrier::Tls).await } )* }
        mod quic { $( #[tokio::test] async fn $name() { super::$name(super::Carrier::Quic).await } )* }
        mod memory { $( #[tokio::test] async fn $name() { super::$name(super::Carrier::Memory).await } )* }
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
}

/// What a handler does besides remembering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Quirk {
    #[default]
    None,
    /// Wakes its session's task at every turn.
    WakesItself,
    /// Panics at its first batch.
    Panics,
    /// Takes no batch until it is told to.
    Holds,
}

/// A batch that waits to be taken: its session, lane and end.
type Held = (Arc<SessionHandle>, Lane, u64);

#[derive(Default)]
struct Recorder {
    quirk: Quirk,
    seen: Mutex<Vec<Seen>>,
    /// What a holding handler has not taken; nothing once it takes everything.
    held: Mutex<Option<Vec<Held>>>,
    news: Notify,
}

impl Recorder {
    fn record(&self, seen: Seen) {
        self.seen.lock().unwrap().push(seen);
        self.news.notify_waiters();
    }
}

impl Handler for Recorder {
    fn on_event(&self, event: Event) {
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
        }
    }
}

/// The endpoints by address, for those that dial in memory.
static MEMORY: Mutex<BTreeMap<Address, Endpoint>> = Mutex::new(BTreeMap::new());

struct MemoryConnector;

impl Connector for MemoryConnector {
    fn connect<'a>(
        &'a self,
        address: &'a Address,
        _: tokio::time::Instant,
        _: &'a (dyn Fn() + Send + Sync),
    ) -> Connecting<'a> {
        Box::pin(async move {
            let listening = MEMORY.lock().unwrap().get(address).cloned();
            let endpoint = listening.ok_or(ConnectError::Refused { address: address.clone() })?;
            let (ours, theirs) = memory::pair();
            endpoint.accept(theirs, "memory".to_owned());
            Ok(ours)
        })
    }
}

pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) address: Address,
    recorder: Arc<Recorder>,
}

/// One authority for all nodes of the tests.
fn tls_of(cluster: &ClusterName, name: &str) -> Tls {
    static AUTHORITY: std::sync::OnceLock<Authority> = std::sync::OnceLock::new();
    let authority = AUTHORITY.get_or_init(|| Authority::new(cluster).unwrap());
    let issued = authority.issue(&name.parse().unwrap()).unwrap();
    let (certificate, key) = (issued.certificate_pem().as_bytes(), issued.key_pem().as_bytes());
    let identity = TlsIdentity::from_pem(certificate, key, authority.certificate_pem().as_bytes()).unwrap();
    Tls::new(identity, cluster).unwrap()
}

impl Node {
    pub(crate) fn start(name: &str, carrier: Carrier) -> Self {
        Self::start_in("kuzzle", name, carrier)
    }

    pub(crate) fn start_in(cluster: &str, name: &str, carrier: Carrier) -> Self {
        Self::start_as(cluster, name, carrier, Quirk::None)
    }

    pub(crate) fn start_as(cluster: &str, name: &str, carrier: Carrier, quirk: Quirk) -> Self {
        Self::start_with(cluster, name, carrier, quirk, LaneSettings::default())
    }

    pub(crate) fn start_with(
        cluster: &str,
        name: &str,
        carrier: Carrier,
        quirk: Quirk,
        lanes: LaneSettings,
    ) -> Self {
        let cluster: ClusterName = cluster.parse().unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let scheme = if carrier == Carrier::Quic { "quic" } else { "tcp" };
        let address: Address = format!("{scheme}://{}", listener.local_addr()).parse().unwrap();
        let dial = DialSettings { interval: Duration::from_millis(100), ..DialSettings::default() };
        let incarnation = Incarnation { epoch: 1, nonce: 1 };
        let settings = EndpointSettings::builder(cluster.clone(), name.parse().unwrap(), incarnation)
            .advertised([address.clone()])
            .dial(dial)
            .lanes(lanes)
            .build()
            .unwrap();
        let tls = matches!(carrier, Carrier::Tls | Carrier::Quic).then(|| tls_of(&cluster, name));
        let held = Mutex::new((quirk == Quirk::Holds).then(Vec::new));
        let recorder = Arc::new(Recorder { quirk, held, ..Recorder::default() });
        let mut seed = [0; 32];
        seed.iter_mut().zip(name.bytes()).for_each(|(seed, byte)| *seed = byte);
        let handler = Arc::clone(&recorder) as Arc<dyn Handler>;
        let connector = (carrier == Carrier::Memory).then(|| Arc::new(MemoryConnector) as Arc<dyn Connector>);
        let quic = (carrier == Carrier::Quic).then(|| {
            let windows = settings.lanes().windows;
            quic::Listener::bind(listener.local_addr(), tls.clone().unwrap(), &windows).unwrap()
        });
        let (clock, listeners) = (Clock::start(), vec![listener]);
        let endpoint = Endpoint::start(Parts { settings, seed, clock, tls, connector, listeners, handler });
        if let Some(listener) = quic {
            endpoint.listen_quic(listener);
        }
        MEMORY.lock().unwrap().insert(address.clone(), endpoint.clone());
        Self { name: name.to_owned(), endpoint, address, recorder }
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

    pub(crate) async fn next_session(&self) -> Arc<SessionHandle> {
        self.session().await
    }

    pub(crate) async fn session_end(&self) -> SessionEnd {
        self.wait_for_event(|event| match event {
            Event::Other(EndpointEvent::SessionDown { cause, .. }) => Some(cause.clone()),
            _ => None,
        })
        .await
    }

    /// The next so many messages of a lane.
    pub(crate) async fn messages(&self, lane: Lane, count: usize) -> Vec<Vec<u8>> {
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
        let (a, b) = (Node::start("a", carrier), Node::start_as("kuzzle", "b", carrier, quirk));
        a.endpoint.add_target(b.address.clone()).unwrap();
        Self { a, b }
    }

    /// Both nodes have these limits.
    pub(crate) async fn connect_with(carrier: Carrier, quirk: Quirk, lanes: LaneSettings) -> Self {
        let start = |name, quirk| Node::start_with("kuzzle", name, carrier, quirk, lanes.clone());
        let (a, b) = (start("a", Quirk::None), start("b", quirk));
        a.endpoint.add_target(b.address.clone()).unwrap();
        Self { a, b }
    }
}
