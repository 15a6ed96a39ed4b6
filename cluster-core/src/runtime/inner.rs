//! What all handles share: the engine, the peers, and the ways from one to the other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cluster_transport::endpoint::{Clock, Endpoint, SessionHandle};
use cluster_transport::proto::body::CloseCode;
use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::session::{Direction, Missed};
use cluster_transport::proto::{Address, ClusterName, Incarnation, Instant, Lane, NodeId};
use cluster_transport::tls::Tls;
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::allowance::Allowances;
use super::calling_back::CallingBack;
use super::certificates::Certificates;
use super::defence::{Defence, Defending};
use super::discovery::Providers;
use super::error::RequestFailure;
use super::host_task::HostQueue;
use super::keeping::Keeping;
use super::peers::{Peer, Peers};
use super::probe::Probes;
use super::trace::Trace;
use crate::config::{BindingName, Config, OnMinority};
use crate::engine::members::{Action, MemberEvent, Reason};
use crate::engine::state::StateEvent;
use crate::engine::{Engine, EngineEvent, Interest, RoomId, Transmit, wiring};

/// How many completed passes may wait for those who asked for them.
const VERIFICATIONS: usize = 1_024;

/// Counts of the runtime itself.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Notifications published, whoever they were for; one for so many rooms that it takes several messages counts as often.
    pub(super) published: AtomicU64,
    /// Notifications handed to the lanes of peers.
    pub(super) notifications_sent: AtomicU64,
    /// Notifications that a member did not need.
    pub(super) notifications_avoided: AtomicU64,
    /// Notifications of members that the host was given.
    pub(super) notifications_received: AtomicU64,
    /// Messages of peers that did not decode.
    pub(super) faults: AtomicU64,
}

/// What an engine runs with.
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) node: NodeId,
    pub(super) bound: Vec<(BindingName, Address)>,
    pub(super) engine: Engine,
    pub(super) clock: Clock,
    pub(super) trace: Option<Trace>,
}

pub(super) struct Inner {
    config: Config,
    cluster: ClusterName,
    node: NodeId,
    bound: Vec<(BindingName, Address)>,
    engine: Mutex<Engine>,
    peers: Mutex<Peers>,
    /// Why this node was not ready after the last input.
    reasons: Mutex<Vec<Reason>>,
    endpoint: OnceLock<Endpoint>,
    clock: Clock,
    pub(super) host_queue: HostQueue,
    pub(super) counters: Counters,
    pub(super) defending: Defending,
    pub(super) allowances: Allowances,
    pub(super) keeping: Keeping,
    pub(super) calling_back: CallingBack,
    pub(super) providers: Providers,
    pub(super) certificates: Certificates,
    pub(super) probes: Probes,
    /// Told after every input of the engine.
    changed: Notify,
    /// Changes of the own state are held back for some peer.
    pub(super) held: Notify,
    /// The engine's next deadline may be earlier than it was.
    timer: Notify,
    verified: broadcast::Sender<NodeId>,
    /// How many decisions of the membership were recorded.
    recorded: watch::Sender<u64>,
    failure: Mutex<Option<String>>,
    pub(super) trace: Option<Trace>,
    stop: CancellationToken,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Inner {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { config, node, bound, engine, clock, trace } = parts;
        Self {
            cluster: config.cluster_name(),
            allowances: Allowances::new(&config.lane_settings()),
            config,
            node,
            bound,
            engine: Mutex::new(engine),
            peers: Mutex::default(),
            reasons: Mutex::default(),
            endpoint: OnceLock::new(),
            clock,
            host_queue: HostQueue::default(),
            counters: Counters::default(),
            defending: Defending::default(),
            keeping: Keeping::default(),
            calling_back: CallingBack::default(),
            providers: Providers::default(),
            certificates: Certificates::default(),
            probes: Probes::default(),
            changed: Notify::new(),
            held: Notify::new(),
            timer: Notify::new(),
            verified: broadcast::Sender::new(VERIFICATIONS),
            recorded: watch::Sender::new(0),
            failure: Mutex::default(),
            trace,
            stop: CancellationToken::new(),
        }
    }

    pub(super) fn node(&self) -> &NodeId {
        &self.node
    }

    pub(super) fn cluster_name(&self) -> &ClusterName {
        &self.cluster
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn bound(&self) -> &[(BindingName, Address)] {
        &self.bound
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Waits until then; for ever without one.
    pub(super) async fn sleep_until(&self, at: Option<Instant>) {
        self.clock.sleep_until(at).await;
    }

    /// What this node did against those who broke the rules.
    pub(super) fn defence(&self) -> Defence {
        self.defending.status(self.endpoint.get().map(Endpoint::tally).unwrap_or_default())
    }

    /// The TLS settings in force, if there are any.
    pub(super) fn tls(&self) -> Option<&Tls> {
        self.endpoint.get().and_then(Endpoint::tls)
    }

    /// Gives the endpoint in, and lets the engine say what it has to say to it.
    pub(super) fn set_endpoint(&self, endpoint: Endpoint) {
        if self.endpoint.set(endpoint).is_ok() {
            self.with_engine(|_, _| {});
        }
    }

    pub(super) fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the engine.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Engine) -> T) -> T {
        read(&self.engine())
    }

    /// Gives the engine an input and hands out everything that comes of it.
    pub(super) fn with_engine<T>(&self, input: impl FnOnce(&mut Engine, Instant) -> T) -> T {
        let mut engine = self.engine();
        let (offered, at, deadline) = (engine.offered(), engine.state().at(), engine.poll_timeout());
        let result = input(&mut engine, self.now());
        self.hand_out(&mut engine);
        if engine.offered() != offered {
            self.peers().iter().for_each(|(_, peer)| peer.state_is_waiting());
            if engine.offered().1 != offered.1 {
                self.keeping.wake();
            }
        }
        if engine.poll_timeout() != deadline {
            self.timer.notify_one();
        }
        if engine.has_applied() || engine.has_register_changes() {
            self.host_queue.wake();
        } else if engine.state().at() != at {
            // Nobody waits for the host to hear of what its own clients did.
            self.host_queue.wake_in_time();
        } else if self.reasons_changed(engine.members().reasons()) {
            self.host_queue.wake();
        }
        drop(engine);
        self.changed.notify_waiters();
        result
    }

    /// Called under the engine's lock.
    fn reasons_changed(&self, reasons: &[Reason]) -> bool {
        let mut known = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *known != reasons;
        if changed {
            *known = reasons.to_vec();
        }
        changed
    }

    pub(super) fn send_control(&self, Transmit { to, message }: Transmit) {
        let peer = self.peers().get(&to).cloned();
        let Some(peer) = peer else { return };
        if let Err(error) = peer.session.send(Lane::Control, &[], Payload::Shared(message)) {
            peer.session.close(CloseCode::STALLED, &error.to_string());
        }
    }

    fn hand_out(&self, engine: &mut Engine) {
        if let Some(endpoint) = self.endpoint.get() {
            while let Some(action) = engine.poll_action() {
                if let Some(address) = act(endpoint, action) {
                    engine.handle_probe_deferred(self.now(), &address);
                }
            }
        }
        while let Some(transmit) = engine.poll_transmit() {
            self.send_control(transmit);
        }
        while let Some(event) = engine.poll_event() {
            self.take_event(event);
        }
        while let Some(node) = engine.poll_turn() {
            if let Some(peer) = self.peers().get(&node) {
                peer.state_is_waiting();
            }
        }
        let recorded = engine.recorded();
        self.recorded.send_if_modified(|last| std::mem::replace(last, recorded) != recorded);
    }

    fn take_event(&self, event: EngineEvent) {
        match event {
            EngineEvent::Fault { node, session, fault } => {
                self.counters.faults.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%node, "closing the session: {fault}");
                if let Some(peer) = self.peers().of(&node, session) {
                    peer.session.close(CloseCode::VIOLATION, &fault.to_string());
                }
            }
            EngineEvent::State(StateEvent::Verified { owner, equal }) => {
                if !equal {
                    tracing::warn!("{}", StateEvent::Verified { owner: owner.clone(), equal });
                }
                // Nobody may be waiting.
                let _ = self.verified.send(owner);
            }
            EngineEvent::State(event) if event.is_routine() => tracing::debug!("{event}"),
            EngineEvent::State(event) => tracing::warn!("{event}"),
            EngineEvent::Member(event) => {
                match &event {
                    MemberEvent::Removed { node, incarnation, .. } => {
                        self.peers().remove(node, *incarnation);
                    }
                    MemberEvent::NotReady { reasons } if self.config.on_minority() == OnMinority::Stop => {
                        if let Some(quorum) = reasons.iter().find(|why| matches!(why, Reason::Quorum { .. }))
                        {
                            self.fail(format!("{quorum}, and onMinority is stop"));
                        }
                    }
                    _ => {}
                }
                self.host_queue.push_member(event);
            }
            EngineEvent::Continuity(event) => self.host_queue.push_continuity(event),
        }
    }

    /// Waits until a condition on the engine holds; it is looked at again after every input. Cancel safe.
    pub(super) async fn wait_until(&self, holds: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            if holds(self) {
                return;
            }
            changed.await;
        }
    }

    /// How many decisions of the membership were recorded; changes with each.
    pub(super) fn recorded(&self) -> watch::Receiver<u64> {
        self.recorded.subscribe()
    }

    /// Passes that are complete from now on, by owner.
    pub(super) fn verifications(&self) -> broadcast::Receiver<NodeId> {
        self.verified.subscribe()
    }

    /// Waits for the endpoint's end, which is the member's too if a task of it has panicked.
    pub(super) async fn run_endpoint(&self) {
        let Some(endpoint) = self.endpoint.get() else { return };
        endpoint.ended().await;
        if endpoint.has_failed() {
            self.fail("a task of the endpoint has panicked".to_owned());
        }
    }

    /// Runs the engine's deadlines.
    pub(super) async fn run_timer(&self) {
        loop {
            let deadline = self.read(Engine::poll_timeout);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = self.clock.sleep_until(deadline) => self.with_engine(|engine, now| engine.handle_timeout(now)),
                () = self.timer.notified() => {}
            }
            // Long work comes in pieces that are due at once.
            tokio::task::yield_now().await;
        }
    }

    /// Goes on as a later life, after a peer has refused this one: its state is offered to everybody anew.
    pub(super) fn reincarnate(&self, refused: u64) {
        let Some(endpoint) = self.endpoint.get() else { return };
        let next = self.with_engine(|engine, now| {
            let own = engine.incarnation();
            let next = Incarnation { epoch: refused.max(own.epoch).saturating_add(1), nonce: own.nonce };
            engine.reincarnate(now, next);
            next
        });
        tracing::info!(incarnation = %next, "coming back as a later incarnation");
        endpoint.set_incarnation(next);
    }

    /// Ends everything because a task has failed.
    pub(super) fn fail(&self, why: String) {
        tracing::error!("this member ends: {why}");
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.abort();
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn leave(&self) {
        self.with_engine(|engine, now| engine.leave(now));
        let shutdown = async {
            if let Some(endpoint) = self.endpoint.get() {
                endpoint.shutdown().await;
            }
        };
        tokio::join!(self.providers.leave(), shutdown);
        self.stop.cancel();
        if let Some(trace) = &self.trace {
            trace.stop();
            trace.written().await;
        }
    }

    pub(super) fn abort(&self) {
        if let Some(endpoint) = self.endpoint.get() {
            endpoint.abort();
        }
        self.stop.cancel();
        self.trace.as_ref().inspect(|trace| trace.stop());
    }

    pub(super) async fn ended(&self) {
        self.stop.cancelled().await;
    }

    /// The peers, with or without a session just now.
    pub(super) fn all_peers(&self) -> Vec<Arc<Peer>> {
        self.peers().iter().map(|(_, peer)| Arc::clone(peer)).collect()
    }

    /// Has every session's task look for something to send.
    pub(super) fn wake_all(&self) {
        self.peers().iter().for_each(|(_, peer)| peer.state_is_waiting());
    }

    /// Sends to the sessions of those who are interested in rooms, while nobody can be added or removed. The host is told of
    /// the notifications that `send` says were lost.
    pub(super) fn with_peers_of<T>(
        &self,
        rooms: &[RoomId],
        send: impl FnOnce(&Interest, &[Arc<SessionHandle>]) -> (T, Vec<(NodeId, u64)>),
    ) -> T {
        let engine = self.engine();
        let interest = engine.interest(rooms);
        self.counters.published.fetch_add(1, Ordering::Relaxed);
        let sessions: Vec<_> = {
            let peers = self.peers();
            let known = interest.nodes.iter().filter_map(|node| peers.get(node));
            known.inspect(|peer| peer.count_notified()).map(|peer| Arc::clone(&peer.session)).collect()
        };
        let (result, lost) = send(&interest, &sessions);
        drop(engine);
        self.tell_lost(Lane::Notifications, &lost);
        result
    }

    /// Sends while the peer of this session cannot be removed. Nothing is done if it is no member any more, or has forgotten what
    /// was exchanged before: what is sent with the session would reach nobody.
    pub(super) fn with_member_of<T>(&self, session: &SessionHandle, send: impl FnOnce() -> T) -> Option<T> {
        let _engine = self.engine();
        let is_member =
            self.peers().get(session.peer()).is_some_and(|peer| peer.session.shares_lanes_with(session));
        is_member.then(send)
    }

    /// Tells the host of messages that gave way on their way to peers.
    pub(super) fn tell_lost(&self, lane: Lane, lost: &[(NodeId, u64)]) {
        if lost.is_empty() {
            return;
        }
        self.with_engine(|engine, now| {
            for (peer, messages) in lost {
                engine.handle_lagged(now, peer, lane, Direction::Outbound, Missed::Known(*messages));
            }
        });
    }

    /// Asks a peer, and waits for its answer.
    pub(super) async fn ask(
        &self,
        node: &NodeId,
        message: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, RequestFailure> {
        let peer = self.peers().get(node).cloned();
        let peer = peer.ok_or_else(|| RequestFailure::NoSession { node: node.clone() })?;
        Ok(peer.session.request(Payload::Shared(message), timeout).await?)
    }
}

/// Does what the membership wants; the address of a probe that has to wait.
fn act(endpoint: &Endpoint, action: Action) -> Option<Address> {
    match action {
        Action::AddTarget(address) => {
            if let Err(error) = endpoint.add_target(address) {
                tracing::warn!("{error}");
            }
        }
        Action::RemoveTarget(address) => {
            endpoint.remove_target(&address);
        }
        Action::ProbeNow(address) => {
            if let Err(error) = endpoint.probe(address.clone()) {
                tracing::debug!("{error}");
                return Some(address);
            }
        }
        Action::CloseSession { node, why, .. } => {
            endpoint.close_session(&node, wiring::close_code(why));
        }
    }
    None
}
