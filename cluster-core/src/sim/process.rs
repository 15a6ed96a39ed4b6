//! One process: an engine, an endpoint and its sessions, driven as the runtime drives them, on links of the simulated network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cluster_transport::proto::body::CloseCode;
use cluster_transport::proto::credentials::PeerIdentity;
use cluster_transport::proto::endpoint::{Endpoint, EndpointAction, EndpointEvent, LinkId, SessionEnd};
use cluster_transport::proto::lanes::PeerLanes;
use cluster_transport::proto::session::Session;
use cluster_transport::proto::tunnel::TunnelStreams;
use cluster_transport::proto::{Instant, NodeId, SessionId};

use super::clock::Drift;
use super::desk::Desk;
use super::host::Host;
use super::links::{Conduit, Ending, Link};
use super::live::Live;
use super::network::{Arrival, Network, Turn};
use super::numbers::NumberMap;
use super::sessions::{Seat, Seats, Sessions};
use super::swallow::Swallows;
use super::watched::Watched;
use super::wires::Socket;
use crate::engine::Engine;

/// How often discovery is asked, as in the runtime.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// How soon discovery is asked again that has not answered.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// A link that has not taken a byte for so long is broken, as in the runtime.
pub(super) const WRITE_DEADLINE: Duration = Duration::from_secs(15);

/// One life of a node.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) number: usize,
    pub(super) life: u64,
    pub(super) engine: Engine,
    pub(super) endpoint: Watched<Endpoint>,
    pub(super) host: Host,
    pub(super) published: u64,
    pub(super) sessions: Sessions,
    pub(super) seats: Seats,
    /// The lanes to each member, in session or not: what is owed to it waits there.
    pub(super) lanes: BTreeMap<NodeId, Arc<PeerLanes>>,
    /// The own changes that sessions were last asked to tell of.
    pub(super) offered: (u64, u64),
    /// The process's own clock.
    pub(super) clock: Drift,
    pub(super) desk: Desk,
    pub(super) swallows: Swallows,
    asks_at: Instant,
    /// Whether discovery has answered.
    pub(super) discovered: bool,
    pub(super) tunnels: TunnelStreams,
    pub(super) links: NumberMap<LinkId, Conduit>,
    pub(super) conduits: NumberMap<Conduit, Link>,
    /// The sessions that may have something to say, each once.
    pub(super) stirred: VecDeque<(Seat, SessionId)>,
    /// The sessions that have a deadline, by the earliest.
    pub(super) deadlines: BTreeSet<(Instant, SessionId)>,
}

impl Process {
    /// A process that starts now, by its own clock.
    pub(super) fn new(number: usize, life: u64, clock: Drift, engine: Engine, endpoint: Endpoint) -> Self {
        Self {
            clock,
            tunnels: TunnelStreams::new(engine.node().clone()),
            desk: Desk::default(),
            swallows: Swallows::default(),
            asks_at: Instant::ORIGIN,
            discovered: false,
            number,
            life,
            engine,
            endpoint: Watched::new(endpoint),
            host: Host::default(),
            published: 0,
            sessions: Sessions::default(),
            seats: Seats::default(),
            lanes: BTreeMap::new(),
            offered: (0, 0),
            links: NumberMap::default(),
            conduits: NumberMap::default(),
            stirred: VecDeque::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// Has a session look for something to say.
    pub(super) fn stir(&mut self, session: SessionId) {
        if let Some(live) = self.sessions.get_mut(session) {
            live.stir(&mut self.stirred);
        }
    }

    /// Has a session look for something to say, state and registers too.
    pub(super) fn stir_to_tell(&mut self, session: SessionId) {
        if let Some(live) = self.sessions.get_mut(session) {
            live.may_tell = true;
            live.stir(&mut self.stirred);
        }
    }

    /// Has every session look for something to say.
    pub(super) fn stir_all(&mut self) {
        let mut all: Vec<&mut Live> = self.sessions.iter_mut().collect();
        all.sort_unstable_by_key(|live| live.id());
        for live in all {
            live.may_tell = true;
            live.stir(&mut self.stirred);
        }
    }

    /// When it wants to be woken next.
    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        let session = self.deadlines.first().map(|(at, _)| *at);
        let machines = earlier(self.engine.poll_timeout(), self.endpoint.deadline(Endpoint::poll_timeout));
        let own = earlier(session, self.desk.poll_timeout());
        earlier(Some(self.asks_at), earlier(machines, own))
    }

    /// Time has passed. What follows is [settled](Self::settle) by whoever acts.
    pub(super) fn handle_timeout(&mut self, now: Instant, network: &mut Network) {
        if self.engine.poll_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
        }
        if self.endpoint.poll_timeout().is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(now);
        }
        if self.asks_at <= now {
            self.ask_discovery(now, network);
        }
        let due: Vec<SessionId> =
            self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
        for id in due {
            let Some(live) = self.sessions.get_mut(id) else { continue };
            live.session.handle_timeout(now);
            if live.is_stuck(now) {
                network.counters.write_deadlines += 1;
                live.session.handle_link_lost("the peer has not taken a byte for 15 s");
            }
            self.stir(id);
        }
    }

    fn ask_discovery(&mut self, now: Instant, network: &mut Network) {
        network.counters.lookups += 1;
        match network.discovery.answer() {
            Some(addresses) => {
                self.asks_at = now + ASK_EVERY;
                self.discovered = true;
                self.engine.handle_discovered(now, "simulated", Ok(&addresses));
            }
            None => {
                network.counters.lookups_failed += 1;
                self.asks_at = now + ASK_AGAIN;
                self.engine.handle_discovered(now, "simulated", Err("the store is down"));
            }
        }
    }

    /// The host has something for one of the sockets. What follows is [settled](Self::settle) by whoever acts.
    pub(super) fn handle_arrival(
        &mut self,
        now: Instant,
        socket: Socket,
        arrival: Arrival,
        network: &mut Network,
    ) {
        match arrival {
            Arrival::Bytes(bytes, seat) => {
                network.consumed(socket, bytes.len());
                match self.sessions.at(seat).filter(|live| live.reads_from(socket)) {
                    Some(live) => live.read(now, bytes, &mut self.engine, &mut self.stirred),
                    None => self.read(now, Conduit::Socket(socket), bytes, network),
                }
            }
            Arrival::Turn(turn) => self.handle_turn(now, socket, turn, network),
        }
    }

    /// Something became of one of the sockets.
    #[inline(never)]
    fn handle_turn(&mut self, now: Instant, socket: Socket, turn: Turn, network: &mut Network) {
        let conduit = Conduit::Socket(socket);
        match turn {
            Turn::Accepted { from } => {
                let remote = format!("n{from}:40000");
                let id = self.endpoint.handle_accepted(now, PeerIdentity::Plaintext, remote);
                self.add_link(id, conduit);
            }
            Turn::Connected => self.connected(now, socket),
            Turn::Refused => self.refused(now, socket),
            Turn::Writable => self.session_on(conduit).into_iter().for_each(|session| self.stir(session)),
            Turn::Closed => self.link_ended(now, conduit, Ending::Closed, network),
            Turn::Reset => self.link_ended(now, conduit, Ending::Reset, network),
        }
    }

    /// Does what the endpoint wants, and tells the engine what happened to it: as the runtime does it, sessions begin first.
    pub(super) fn settle_endpoint(&mut self, now: Instant, network: &mut Network) {
        let actions: Vec<_> = std::iter::from_fn(|| self.endpoint.poll_action()).collect();
        let events: Vec<_> = std::iter::from_fn(|| self.endpoint.poll_event()).collect();
        for action in &actions {
            if let EndpointAction::Establish { link, start } = action {
                self.begin(*link, Session::new(start.clone()), network);
            }
        }
        for event in events {
            if let EndpointEvent::SessionUp { session, replaced: Some(old), .. } = &event {
                network.counters.replaced += 1;
                let is_better = self.is_tunnelled(*old) && !self.is_tunnelled(*session);
                network.counters.tunnels_replaced += u64::from(is_better);
            }
            self.engine.handle_endpoint(now, &event);
            if let EndpointEvent::Superseded { epoch, .. } = event {
                network.counters.reincarnations += 1;
                self.reincarnate(now, epoch);
            }
        }
        for action in actions {
            self.act(now, action, network);
        }
    }

    fn begin(&mut self, link: LinkId, session: Session, network: &mut Network) {
        let Some(conduit) = self.links.get(&link).copied() else { return };
        let is_direct = matches!(conduit, Conduit::Socket(_));
        network.counters.sessions += 1;
        network.counters.tunnel_sessions += u64::from(!is_direct);
        let start = session.start();
        let (id, peer, lanes) = (start.session, start.peer.clone(), Arc::clone(&start.lanes));
        self.tunnels.handle_session_up(id, peer.clone(), is_direct, start.we_dialled);
        if let Some(link) = self.conduits.get_mut(&conduit) {
            link.session = Some(id);
        }
        self.lanes.insert(peer.clone(), lanes);
        let seat = self.sessions.insert(session, conduit);
        self.seats.set(&peer, seat);
        if let Conduit::Socket(socket) = conduit {
            network.note_seat(socket, seat);
        }
        self.stir(id);
    }

    fn act(&mut self, now: Instant, action: EndpointAction, network: &mut Network) {
        match action {
            EndpointAction::Connect { link, address } => self.connect(now, link, &address, network),
            EndpointAction::Send { link, frame } => self.write_frame(link, &frame, network),
            EndpointAction::EndSession { session, code } => {
                if let Some(live) = self.sessions.get_mut(session) {
                    live.session.close(code, "");
                    live.stir(&mut self.stirred);
                }
            }
            EndpointAction::Close { link } => {
                if let Some(conduit) = self.links.get(&link).copied() {
                    self.remove_link(conduit);
                    self.close_conduit(conduit, network);
                }
            }
            _ => {}
        }
    }

    /// Goes on as a later life, after a peer has refused this one.
    fn reincarnate(&mut self, now: Instant, refused: u64) {
        let own = self.engine.incarnation();
        let epoch = refused.max(own.epoch).saturating_add(1);
        let next = cluster_transport::proto::Incarnation { epoch, ..own };
        self.engine.reincarnate(now, next);
        self.endpoint.set_incarnation(now, next);
    }

    /// A session is over: what it still has to say is written, and its link closed.
    pub(super) fn end(&mut self, now: Instant, id: SessionId, end: SessionEnd, network: &mut Network) {
        let Some(mut live) = self.sessions.remove(id) else { return };
        self.seats.clear(&live.peer, live.seat());
        live.forget_deadline(&mut self.deadlines);
        if let Some(conduit) = live.conduit() {
            live.last_words().for_each(|bytes| self.write_last(conduit, bytes, network));
            self.remove_link(conduit);
            self.close_conduit(conduit, network);
        }
        self.tunnels.handle_session_down(id);
        self.endpoint.handle_session_ended(now, id, end);
    }

    /// Whether a session goes through a tunnel.
    pub(super) fn is_tunnelled(&self, session: SessionId) -> bool {
        let live = self.sessions.get(session);
        live.is_some_and(|live| matches!(live.conduit(), Some(Conduit::Tunnel(_))))
    }

    /// Ends a session with a peer, for a reason of this side.
    pub(super) fn close_session(&mut self, session: SessionId, code: CloseCode, why: &str) {
        if let Some(live) = self.sessions.get_mut(session) {
            live.session.close(code, why);
            live.stir(&mut self.stirred);
        }
    }
}

/// The earlier of two deadlines.
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
