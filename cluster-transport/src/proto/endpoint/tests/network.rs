//! Endpoints on one virtual clock and a seeded network: frames of a link keep their order, links overtake each other.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::proto::body::{CloseCode, RefuseCode};
use crate::proto::credentials::PeerIdentity;
use crate::proto::endpoint::{
    ConnectFailure, DialOutcome, Endpoint, EndpointAction, EndpointEvent, EndpointSettings, HandshakeFailure,
    LinkId, SessionEnd,
};
use crate::proto::frame::Frame;
use crate::proto::{Address, Incarnation, Instant, NodeId, SessionId};

/// The port that stands for a node; each node has as many addresses as the world has ports.
fn address(node: usize, port: u16) -> Address {
    format!("tcp://n{node}:{port}").parse().unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Handshake,
    Session(SessionId),
    Gone,
}

#[derive(Clone, Debug)]
struct End {
    node: usize,
    life: u64,
    link: Option<LinkId>,
    phase: Phase,
    /// When the last thing on its way to this end arrives: the next one comes no earlier.
    last: Instant,
}

#[derive(Debug)]
struct Wire {
    /// The dialler's and the acceptor's.
    ends: [End; 2],
    cut: bool,
}

#[derive(Debug)]
enum Parcel {
    Linked,
    Frame(Frame),
    Closed,
    Cut,
}

/// One process.
#[derive(Debug)]
struct Node {
    endpoint: Endpoint,
    life: u64,
    /// What the events say is in session.
    told: BTreeMap<NodeId, SessionId>,
    targets: Vec<(usize, u16)>,
    told_duplicate: bool,
}

/// What a run really did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) dials: u64,
    pub(super) sessions: u64,
    pub(super) cuts: u64,
    pub(super) restarts: u64,
    pub(super) replaced: u64,
    pub(super) newer: u64,
    pub(super) aliases: u64,
    pub(super) superseded: u64,
    pub(super) duplicates: u64,
    pub(super) timeouts: u64,
    /// Sessions that this machine ended for another of the same pair although both ends had them.
    pub(super) killed: u64,
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.dials += other.dials;
        self.sessions += other.sessions;
        self.cuts += other.cuts;
        self.restarts += other.restarts;
        self.replaced += other.replaced;
        self.newer += other.newer;
        self.aliases += other.aliases;
        self.superseded += other.superseded;
        self.duplicates += other.duplicates;
        self.timeouts += other.timeouts;
        self.killed += other.killed;
    }
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) rng: ChaCha8Rng,
    pub(super) counters: Counters,
    /// The longest that a parcel takes.
    pub(super) slowest: Duration,
    nodes: Vec<Node>,
    wires: Vec<Wire>,
    parcels: BTreeMap<(Instant, u64), (usize, usize, Parcel)>,
    sent: u64,
    adjust: fn(EndpointSettings) -> EndpointSettings,
}

impl World {
    pub(super) fn new(seed: u64, nodes: usize, adjust: fn(EndpointSettings) -> EndpointSettings) -> Self {
        let mut world = Self {
            now: Instant::ORIGIN + Duration::from_secs(1),
            rng: ChaCha8Rng::seed_from_u64(seed),
            counters: Counters::default(),
            slowest: Duration::from_millis(50),
            nodes: Vec::new(),
            wires: Vec::new(),
            parcels: BTreeMap::new(),
            sent: 0,
            adjust,
        };
        for node in 0..nodes {
            let node = world.process(node, 1_000);
            world.nodes.push(node);
        }
        world
    }

    fn process(&mut self, node: usize, epoch: u64) -> Node {
        let incarnation = Incarnation { epoch, nonce: self.rng.random() };
        let id = format!("n{node}").parse().unwrap();
        let settings = EndpointSettings::builder("kuzzle".parse().unwrap(), id, incarnation)
            .advertised([address(node, 1)])
            .build()
            .unwrap();
        let endpoint = Endpoint::new((self.adjust)(settings), self.rng.random());
        Node {
            endpoint,
            life: self.rng.random(),
            told: BTreeMap::new(),
            targets: Vec::new(),
            told_duplicate: false,
        }
    }

    /// Adds a process with the id of another node, behind addresses of its own.
    pub(super) fn impostor(&mut self, of: usize, epoch: u64) -> usize {
        let node = self.process(of, epoch);
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(super) fn add_target(&mut self, node: usize, to: usize, port: u16) {
        self.nodes[node].targets.push((to, port));
        self.act(node, |endpoint, now| endpoint.add_target(now, address(to, port)).unwrap());
    }

    pub(super) fn probe(&mut self, node: usize, to: usize, port: u16) {
        self.act(node, |endpoint, now| drop(endpoint.probe(now, address(to, port))));
    }

    pub(super) fn close_session(&mut self, node: usize, with: usize) {
        let with: NodeId = format!("n{with}").parse().unwrap();
        self.act(node, |endpoint, now| endpoint.close_session(now, &with, CloseCode::APPLICATION));
    }

    /// Breaks a link that has not been broken, chosen among all that are open at either end.
    pub(super) fn cut_one(&mut self) {
        let open = |wire: &Wire| !wire.cut && wire.ends.iter().any(|end| end.phase != Phase::Gone);
        let open: Vec<usize> = (0..self.wires.len()).filter(|wire| open(&self.wires[*wire])).collect();
        if open.is_empty() {
            return;
        }
        let wire = open[self.rng.random_range(0..open.len())];
        self.counters.cuts += 1;
        self.wires[wire].cut = true;
        for end in 0..2 {
            let at = self.now + self.random(Duration::from_secs(4));
            self.post(at, wire, end, Parcel::Cut);
        }
    }

    /// Ends a process and starts another one in its place.
    pub(super) fn restart(&mut self, node: usize, epoch: u64) {
        self.counters.restarts += 1;
        let targets = self.nodes[node].targets.clone();
        self.nodes[node] = self.process(node, epoch);
        for wire in 0..self.wires.len() {
            for end in 0..2 {
                if self.wires[wire].ends[end].node == node {
                    self.close_end(wire, end);
                }
            }
        }
        for (to, port) in targets {
            self.add_target(node, to, port);
        }
    }

    /// Runs until this much time has passed.
    pub(super) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let timers = self.nodes.iter().filter_map(|node| node.endpoint.poll_timeout());
            let timer = timers.min();
            let parcel = self.parcels.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = timer.into_iter().chain(parcel).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if parcel == Some(next) {
                let (_, (wire, end, parcel)) = self.parcels.pop_first().unwrap();
                self.deliver(wire, end, parcel);
            } else {
                for node in 0..self.nodes.len() {
                    if self.nodes[node].endpoint.poll_timeout().is_some_and(|at| at <= self.now) {
                        self.act(node, Endpoint::handle_timeout);
                    }
                }
            }
        }
        self.now = end;
    }

    /// How many processes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether a process was told that a newer one has its id.
    pub(super) fn told_duplicate(&self, node: usize) -> bool {
        self.nodes[node].told_duplicate
    }

    pub(super) fn sessions(&self, node: usize) -> BTreeMap<NodeId, SessionId> {
        self.nodes[node].endpoint.sessions().map(|(node, session)| (node.clone(), session)).collect()
    }

    /// What the node at one end has of the session with the node at the other, if they agree.
    pub(super) fn agreed(&self, a: usize, b: usize) -> Result<SessionId, String> {
        let of = |node: usize, peer: usize| {
            let id: NodeId = format!("n{peer}").parse().unwrap();
            self.nodes[node].endpoint.session_with(&id)
        };
        match (of(a, b), of(b, a)) {
            (Some(at_a), Some(at_b)) if at_a == at_b => Ok(at_a),
            other => Err(format!("n{a} and n{b} have {other:?}")),
        }
    }

    fn act<T>(&mut self, node: usize, verb: impl FnOnce(&mut Endpoint, Instant) -> T) -> T {
        let answer = verb(&mut self.nodes[node].endpoint, self.now);
        while let Some(action) = self.nodes[node].endpoint.poll_action() {
            self.perform(node, action);
        }
        while let Some(event) = self.nodes[node].endpoint.poll_event() {
            self.take_note(node, event);
        }
        assert_eq!(self.nodes[node].told, self.sessions(node), "the events do not add up to the sessions");
        answer
    }

    fn perform(&mut self, node: usize, action: EndpointAction) {
        match action {
            EndpointAction::Connect { link, address } => self.connect(node, link, &address),
            EndpointAction::Send { link, frame } => {
                if let Some((wire, end)) = self.end_of(node, link) {
                    self.send(wire, 1 - end, Parcel::Frame(frame));
                }
            }
            EndpointAction::Establish { link, start } => {
                assert_eq!(start.lanes.owner(), Some(start.session), "the lanes are not fenced");
                if let Some((wire, end)) = self.end_of(node, link) {
                    self.wires[wire].ends[end].phase = Phase::Session(start.session);
                }
            }
            EndpointAction::EndSession { session, code } => {
                let Some((wire, end)) = self.end_in(node, session) else { return };
                let other = self.wires[wire].ends[1 - end].phase;
                if code == CloseCode::REPLACED && !self.wires[wire].cut && other != Phase::Gone {
                    self.counters.killed += 1;
                }
                let close = super::super::frames::close(code, "the endpoint ends it");
                self.send(wire, 1 - end, Parcel::Frame(close));
                self.close_end(wire, end);
            }
            EndpointAction::Close { link } => {
                if let Some((wire, end)) = self.end_of(node, link) {
                    self.close_end(wire, end);
                }
            }
        }
    }

    fn connect(&mut self, node: usize, link: LinkId, address: &Address) {
        self.counters.dials += 1;
        let to: usize = address.host().trim_start_matches('n').parse().unwrap();
        let end = |node: usize, link, world: &Self| End {
            node,
            life: world.nodes[node].life,
            link,
            phase: Phase::Handshake,
            last: world.now,
        };
        let ends = [end(node, Some(link), self), end(to, None, self)];
        self.wires.push(Wire { ends, cut: false });
        let wire = self.wires.len() - 1;
        self.send(wire, 1, Parcel::Linked);
        self.send(wire, 0, Parcel::Linked);
    }

    fn take_note(&mut self, node: usize, event: EndpointEvent) {
        match event {
            EndpointEvent::SessionUp { node: peer, session, replaced, .. } => {
                self.counters.sessions += 1;
                self.counters.replaced += u64::from(replaced.is_some());
                assert_eq!(self.nodes[node].told.insert(peer, session), replaced);
            }
            EndpointEvent::SessionDown { node: peer, session, .. } => {
                assert_eq!(self.nodes[node].told.remove(&peer), Some(session));
            }
            EndpointEvent::NewerIncarnation { old, new, .. } => {
                assert!(old < new);
                self.counters.newer += 1;
            }
            EndpointEvent::Superseded { epoch, .. } => {
                self.counters.superseded += 1;
                let incarnation = Incarnation { epoch: epoch + 1, nonce: self.rng.random() };
                self.act(node, |endpoint, now| endpoint.set_incarnation(now, incarnation));
            }
            EndpointEvent::DuplicateId { .. } => self.nodes[node].told_duplicate = true,
            EndpointEvent::Refused { code: RefuseCode::DUPLICATE_ID, .. } => self.counters.duplicates += 1,
            EndpointEvent::DialOutcome { outcome: DialOutcome::Alias { .. }, .. } => {
                self.counters.aliases += 1
            }
            EndpointEvent::DialOutcome {
                outcome:
                    DialOutcome::Failed(HandshakeFailure::TimedOut)
                    | DialOutcome::NotConnected(ConnectFailure::TimedOut),
                ..
            } => self.counters.timeouts += 1,
            _ => {}
        }
    }

    fn deliver(&mut self, wire: usize, end: usize, parcel: Parcel) {
        let Wire { ends, cut } = &self.wires[wire];
        let End { node, life, link, phase, .. } = ends[end];
        let lost = *cut && !matches!(parcel, Parcel::Cut);
        if lost || phase == Phase::Gone || self.nodes[node].life != life {
            return;
        }
        match (parcel, link, phase) {
            (Parcel::Linked, Some(link), _) => {
                self.act(node, |e, now| e.handle_connected(now, link, PeerIdentity::Plaintext));
            }
            (Parcel::Linked, None, _) => {
                let remote = format!("n{}:{wire}", self.wires[wire].ends[0].node);
                // The link's number is known before what is to be done about it.
                let endpoint = &mut self.nodes[node].endpoint;
                let link = endpoint.handle_accepted(self.now, PeerIdentity::Plaintext, remote);
                self.wires[wire].ends[end].link = Some(link);
                self.act(node, |_, _| ());
            }
            (Parcel::Frame(frame), Some(link), Phase::Handshake) => {
                self.act(node, |e, now| e.handle_frame(now, link, frame));
            }
            (Parcel::Frame(Frame::Close(close, _)), _, Phase::Session(session)) => {
                let text = close.text.as_str().to_owned();
                self.session_ended(wire, end, session, SessionEnd::ClosedByPeer { code: close.code, text });
            }
            (Parcel::Frame(_) | Parcel::Closed | Parcel::Cut, _, Phase::Session(session)) => {
                self.session_ended(wire, end, session, SessionEnd::LinkLost("gone".to_owned()));
            }
            (Parcel::Closed | Parcel::Cut, Some(link), _) => {
                self.close_end(wire, end);
                self.act(node, |e, now| e.handle_link_closed(now, link, "gone".to_owned()));
            }
            (_, None, _) => self.close_end(wire, end),
            (Parcel::Frame(_), _, Phase::Gone) => {}
        }
    }

    fn session_ended(&mut self, wire: usize, end: usize, session: SessionId, cause: SessionEnd) {
        let node = self.wires[wire].ends[end].node;
        self.close_end(wire, end);
        self.act(node, |endpoint, now| endpoint.handle_session_ended(now, session, cause));
    }

    fn close_end(&mut self, wire: usize, end: usize) {
        if self.wires[wire].ends[end].phase != Phase::Gone {
            self.wires[wire].ends[end].phase = Phase::Gone;
            self.send(wire, 1 - end, Parcel::Closed);
        }
    }

    fn send(&mut self, wire: usize, to: usize, parcel: Parcel) {
        let at = (self.now + self.random(self.slowest)).max(self.wires[wire].ends[to].last);
        self.wires[wire].ends[to].last = at;
        self.post(at, wire, to, parcel);
    }

    fn post(&mut self, at: Instant, wire: usize, to: usize, parcel: Parcel) {
        self.sent += 1;
        self.parcels.insert((at, self.sent), (wire, to, parcel));
    }

    fn random(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.rng.random_range(0.0..1.0))
    }

    fn end_of(&self, node: usize, link: LinkId) -> Option<(usize, usize)> {
        self.find_end(node, |end| end.link == Some(link))
    }

    fn end_in(&self, node: usize, session: SessionId) -> Option<(usize, usize)> {
        self.find_end(node, |end| end.phase == Phase::Session(session))
    }

    fn find_end(&self, node: usize, wanted: impl Fn(&End) -> bool) -> Option<(usize, usize)> {
        let life = self.nodes[node].life;
        self.wires.iter().enumerate().rev().find_map(|(index, wire)| {
            let fits =
                |end: &End| end.node == node && end.life == life && end.phase != Phase::Gone && wanted(end);
            wire.ends.iter().position(fits).map(|end| (index, end))
        })
    }
}
