//! The endpoint: the pure machines of [`proto`](crate::proto) on real links, one task a link.
//!
//! One mutex holds the handshake machine; it is never held across an await or a call of the [`Handler`]. A link's task owns
//! its session. Events reach the handler in order: a session's `Up` before anything of that session, its `Down` after all of it.

mod accept;
mod answers;
mod clock;
mod connector;
mod doorway;
mod error;
mod handler;
mod inbox;
mod inlet;
mod life_line;
mod link;
mod outlet;
mod pump;
mod session;
mod tally;
mod tunnels;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use clock::Clock;
pub use connector::{Connecting, Connector, MemoryConnector, SocketConnector};
pub use error::{RequestError, SendFailure};
pub use handler::{Event, Handler, Incoming};
pub use inbox::{Delivery, Inbox, Lagged, Message};
pub use session::SessionHandle;
pub use tally::Tally;

use crate::link::tcp::Listener;
use crate::link::{Link, quic};
use crate::proto::body::CloseCode;
use crate::proto::endpoint::{DialError, Endpoint as Machine, EndpointSettings};
use crate::proto::{Address, Incarnation, Instant, NodeId};
use crate::tls::Tls;
use doorway::Doorway;
use pump::Pump;
use tally::Tallies;
use tunnels::TunnelTable;

/// How long [`Endpoint::shutdown`] waits for its tasks after the sessions have left.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(3);

/// A node's end of all its sessions. Cheap to clone; it ends with [`shutdown`](Self::shutdown).
#[derive(Clone, Debug)]
pub struct Endpoint {
    shared: Arc<Shared>,
}

/// What an endpoint is made of.
pub struct Parts {
    /// Who it is, and its limits.
    pub settings: EndpointSettings,
    /// For session ids, jitter and grease: from a cryptographic generator outside of tests.
    pub seed: [u8; 32],
    /// The clock that it shares with the layer above.
    pub clock: Clock,
    /// The identity for TLS; without one its links are in plaintext.
    pub tls: Option<Tls>,
    /// How links are made; by sockets, TCP or QUIC as the address says, if it says nothing.
    pub connector: Option<Arc<dyn Connector>>,
    /// Where it accepts over TCP. For QUIC there is [`Endpoint::listen_quic`].
    pub listeners: Vec<Listener>,
    /// Who takes in what happens.
    pub handler: Arc<dyn Handler>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("settings", &self.settings).finish_non_exhaustive()
    }
}

pub(crate) struct Shared {
    machine: Mutex<Machine>,
    pump: Mutex<Pump>,
    tunnels: Arc<TunnelTable>,
    wake: tokio::sync::Notify,
    handler: Arc<dyn Handler>,
    clock: Clock,
    tls: Option<Tls>,
    connector: Arc<dyn Connector>,
    connect_timeout: Duration,
    write_timeout: Duration,
    max_handshakes: usize,
    strange: Mutex<Vec<quic::StrangeDatagrams>>,
    doorway: Arc<Doorway>,
    tallies: Tallies,
    tasks: TaskTracker,
    failed: AtomicBool,
    stop: CancellationToken,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Starts an endpoint. Has to be called within a tokio runtime.
    pub fn start(parts: Parts) -> Self {
        let Parts { settings, seed, clock, tls, connector, listeners, handler } = parts;
        let (connect_timeout, write_timeout) = (settings.connect_timeout(), settings.write_timeout());
        let max_handshakes = settings.max_open_handshakes();
        let windows = settings.lanes().windows;
        let connector = connector.unwrap_or_else(|| Arc::new(SocketConnector::new(tls.clone(), &windows)));
        let tunnels = Arc::new(TunnelTable::new(settings.node().clone()));
        let shared = Arc::new(Shared {
            machine: Mutex::new(Machine::new(settings, seed)),
            pump: Mutex::new(Pump::default()),
            tunnels,
            wake: tokio::sync::Notify::new(),
            handler,
            clock,
            tls,
            connector,
            connect_timeout,
            write_timeout,
            max_handshakes,
            strange: Mutex::default(),
            doorway: Doorway::new(max_handshakes),
            tallies: Tallies::default(),
            tasks: TaskTracker::new(),
            failed: AtomicBool::new(false),
            stop: CancellationToken::new(),
        });
        shared.spawn(pump::run(Arc::clone(&shared)));
        for listener in listeners {
            shared.spawn(accept::accept(Arc::clone(&shared), listener));
        }
        Self { shared }
    }

    /// Adds an address to those that are dialled for ever, with back-off.
    ///
    /// # Errors
    /// When there are too many targets.
    pub fn add_target(&self, address: Address) -> Result<(), DialError> {
        self.with_machine(|machine, now| machine.add_target(now, address))
    }

    /// Stops dialling an address; a session that it led to stays. Whether it was a target.
    pub fn remove_target(&self, address: &Address) -> bool {
        self.with_machine(|machine, now| machine.remove_target(now, address))
    }

    /// Dials an address once, now; what comes of it is an event.
    ///
    /// # Errors
    /// When this node is leaving, or too many probes are under way.
    pub fn probe(&self, address: Address) -> Result<(), DialError> {
        self.with_machine(|machine, now| machine.probe(now, address))
    }

    /// Closes the session with a peer; whether there was one.
    pub fn close_session(&self, node: &NodeId, code: CloseCode) -> bool {
        self.with_machine(|machine, now| machine.close_session(now, node, code))
    }

    /// Goes on as another life of this node: all sessions end, and targets are dialled anew.
    pub fn set_incarnation(&self, incarnation: Incarnation) {
        self.with_machine(|machine, now| machine.set_incarnation(now, incarnation));
    }

    /// Forgets what was exchanged with a node: its next session starts at the head.
    pub fn forget(&self, node: &NodeId) {
        self.with_machine(|machine, now| machine.forget(now, node));
    }

    /// Accepts over QUIC too, as long as the endpoint lives.
    pub fn listen_quic(&self, listener: quic::Listener) {
        self.shared.strange().push(listener.strange_datagrams().clone());
        self.shared.spawn(accept::accept_quic(Arc::clone(&self.shared), listener));
    }

    /// Gives a link that was made elsewhere, such as one in memory, to the endpoint as if it had been accepted.
    pub fn accept(&self, link: Link, remote: String) {
        let shared = Arc::clone(&self.shared);
        self.shared.spawn(async move { accept::run_accepted(&shared, link, remote).await });
    }

    /// How many datagrams that cannot be QUIC have come to where it listens for QUIC. They are dropped.
    pub fn strange_datagrams(&self) -> u64 {
        self.shared.strange().iter().map(quic::StrangeDatagrams::count).sum()
    }

    /// How many tunnels end at this node, and how many it carries for others.
    pub fn tunnels(&self) -> (usize, usize) {
        self.shared.tunnels.counts()
    }

    /// What was skipped or refused so far, in all sessions and before them.
    pub fn tally(&self) -> Tally {
        Tally {
            disbelieved: self.shared.machine().disbelieved(),
            strange_datagrams: self.strange_datagrams(),
            ..self.shared.tallies.tally()
        }
    }

    /// The endpoint's clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The TLS settings that new links use.
    pub fn tls(&self) -> Option<&Tls> {
        self.shared.tls.as_ref()
    }

    /// Leaves every peer in good order, then ends all tasks. Waits for at most 5 s; what is left then is cut.
    ///
    /// Cancel safe: once polled, the sessions are leaving; dropped early, the tasks go on until they are done.
    pub async fn shutdown(&self) {
        self.with_machine(|machine, now| machine.set_leaving(now));
        let sessions = self.shared.pump().sessions();
        sessions.iter().for_each(|session| session.tell_task(session::Ask::Leave));
        let left = async {
            for session in &sessions {
                session.ended().await;
            }
        };
        let wait = crate::proto::session::LEAVE_WAIT + Duration::from_millis(100);
        let _ = tokio::time::timeout(wait, left).await;
        self.shared.stop.cancel();
        self.shared.tasks.close();
        let _ = tokio::time::timeout(SHUTDOWN_WAIT, self.shared.tasks.wait()).await;
    }

    /// Ends all tasks at once, without a word to anybody: what a crash looks like to the peers.
    pub fn abort(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
    }

    /// Waits until the endpoint has stopped: shut down, aborted, or because a task of it has panicked. Cancel safe.
    pub async fn ended(&self) {
        self.shared.stop.cancelled().await;
    }

    /// Whether a task of it has panicked, in its handler perhaps, or a socket has failed. All others were ended then.
    pub fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::Acquire)
    }

    fn with_machine<T>(&self, act: impl FnOnce(&mut Machine, Instant) -> T) -> T {
        let result = act(&mut self.shared.machine(), self.shared.clock.now());
        self.shared.wake.notify_one();
        result
    }
}

impl Shared {
    /// Runs a task of the endpoint; its panic ends the endpoint, for half of one would be worse than none.
    fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let guard = EndOnPanic(Arc::clone(self));
        self.tasks.spawn(async move {
            let _guard = guard;
            task.await;
        });
    }

    /// Ends the endpoint for want of a part of it.
    fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.stop.cancel();
        self.tasks.close();
    }

    fn strange(&self) -> MutexGuard<'_, Vec<quic::StrangeDatagrams>> {
        self.strange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pump(&self) -> MutexGuard<'_, Pump> {
        self.pump.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct EndOnPanic(Arc<Shared>);

impl Drop for EndOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}
