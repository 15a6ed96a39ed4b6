//! The engine: rooms, members and registers put together, and what each has to tell the others.
//!
//! Members decide whose sessions count; the state hears only of those. What one member said wrong closes its session and
//! touches nothing else. Outputs are to be drained after every input.

mod hearing;
mod outputs;
mod reading;
mod verbs;

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use cluster_transport::proto::session::{Direction, Missed};
use cluster_transport::proto::{Address, Incarnation, Instant, Lane, NodeId, SessionId};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::continuity::{Continuity, ContinuityEvent};
use super::flight::{Decided, Recorder};
use super::greeting::Greeting;
use super::input::{DialOutcome, DownCause, SessionUp};
use super::members::{MemberEvent, Members, MembersSettings, RemovalReason, StateRow};
use super::registers::{Registers, StoreUse};
use super::state::{
    JoinError, Left, NotSubscribed, OwnerView, State, StateEvent, StateLimits, SubscribeError, Subscribed,
};
use super::tape::{Dialled, Input, Tape};
use super::wire::PeerFault;
use super::{ConnectionId, RoomId, RoomInfo};

/// What an engine is told once.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// This node.
    pub node: NodeId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Of the membership; made for the same node and incarnation.
    pub members: MembersSettings,
    /// What one member may make this node hold.
    pub limits: StateLimits,
    /// Whether registers are kept in a store besides.
    pub store: StoreUse,
}

/// A message for a peer's control lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// For whom.
    pub to: NodeId,
    /// The message.
    pub message: Bytes,
}

/// What the engine tells the layer above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineEvent {
    /// Of the membership.
    Member(MemberEvent),
    /// Of the replicas.
    State(StateEvent),
    /// Of what was lost.
    Continuity(ContinuityEvent),
    /// A peer broke the protocol; its session is to be closed.
    Fault {
        /// The peer.
        node: NodeId,
        /// Its session.
        session: SessionId,
        /// What it did.
        fault: PeerFault,
    },
}

/// Who gets a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The members that hold a subscriber, or may hold one that this node does not know of yet.
    pub nodes: Vec<NodeId>,
    /// How many members do not get it.
    pub avoided: usize,
}

/// One node's view of its cluster, and its part in it.
#[derive(Debug)]
pub struct Engine {
    me: NodeId,
    incarnation: Incarnation,
    state: State,
    members: Members,
    continuity: Continuity,
    registers: Registers,
    greetings: VecDeque<Transmit>,
    /// Nodes whose later life is about to be there: its first pass sweeps what the earlier one held, so that live rooms stay.
    heirs: BTreeSet<NodeId>,
    recorder: Recorder,
    /// When the next piece of the state's work is due: at once, in a hold of its own.
    next_chore: Option<Instant>,
    events: VecDeque<EngineEvent>,
    /// Where its inputs are recorded, if they are.
    pub(super) tape: Option<Box<Tape>>,
}

impl Engine {
    /// A node that has just started. The seed feeds jitter and hash tables: unguessable outside simulations.
    pub fn new(settings: EngineSettings, now: Instant, seed: [u8; 32]) -> Self {
        let EngineSettings { node, incarnation, members, limits, store } = settings;
        let mut rng = ChaCha8Rng::from_seed(seed);
        let state = State::new(node.clone(), incarnation, limits, &mut rng);
        let (heartbeat, ready_wait) = (members.heartbeat(), members.ready_wait());
        let registers = ChaCha8Rng::from_rng(&mut rng);
        let registers = Registers::new(node.clone(), heartbeat, ready_wait, store, registers);
        let members = members.awaiting(registers.awaited());
        let members = Members::new(members, now, ChaCha8Rng::from_rng(&mut rng));
        let continuity = Continuity::new(ChaCha8Rng::from_rng(&mut rng));
        let mut engine = Self {
            registers,
            me: node,
            incarnation,
            state,
            members,
            continuity,
            greetings: VecDeque::new(),
            heirs: BTreeSet::new(),
            recorder: Recorder::default(),
            next_chore: None,
            events: VecDeque::new(),
            tape: None,
        };
        engine.own_state_changed(now);
        engine
    }
}

/// What the world did.
impl Engine {
    /// A session is established.
    pub fn handle_session_up(&mut self, now: Instant, up: SessionUp) {
        self.taped(now, || Input::session_up(&up));
        let (node, incarnation, session) = (up.node.clone(), up.incarnation, up.session);
        self.members.handle_session_up(now, up);
        self.settle(now);
        if self.members.session_of(&node) == Some(session) {
            self.heirs.remove(&node);
            self.state.handle_peer_up(&node, incarnation);
            let claims = self.members.claims();
            let message = Greeting { claims, position: self.state.position_of(&node) }.encode();
            self.registers.handle_session_up(now, &node);
            self.greetings.push_back(Transmit { to: node, message });
            self.settle(now);
        }
    }

    /// A session ended.
    pub fn handle_session_down(&mut self, now: Instant, node: &NodeId, session: SessionId, cause: DownCause) {
        self.taped(now, || Input::SessionDown { node: node.clone(), session, cause: cause.clone() });
        if self.members.session_of(node) == Some(session) {
            self.greetings.retain(|greeting| greeting.to != *node);
            self.state.handle_peer_down(node);
            self.registers.handle_session_down(now, node);
        }
        self.members.handle_session_down(now, node, session, cause);
        self.settle(now);
    }

    /// Messages of the events or notifications lane were lost.
    pub fn handle_lagged(
        &mut self,
        now: Instant,
        peer: &NodeId,
        lane: Lane,
        direction: Direction,
        missed: Missed,
    ) {
        self.taped(now, || Input::lagged(peer, lane, direction, missed));
        self.continuity.lagged(now, peer, lane, direction, missed);
        self.settle(now);
    }

    /// An attempt at an address began.
    pub fn handle_dial_started(&mut self, now: Instant, address: &Address) {
        self.taped(now, || Input::DialStarted(Dialled(address.clone())));
        self.members.handle_dial_started(now, address);
        self.settle(now);
    }

    /// A dial that was asked for has to wait, because too many others are under way.
    pub fn handle_probe_deferred(&mut self, now: Instant, address: &Address) {
        self.taped(now, || Input::ProbeDeferred(Dialled(address.clone())));
        self.members.handle_probe_deferred(now, address);
        self.settle(now);
    }

    /// An attempt at an address has a byte link, and waits for an answer.
    pub fn handle_dial_connected(&mut self, now: Instant, address: &Address) {
        self.taped(now, || Input::DialConnected(Dialled(address.clone())));
        self.members.handle_dial_connected(now, address);
        self.settle(now);
    }

    /// An attempt at an address ended.
    pub fn handle_dial_outcome(&mut self, now: Instant, address: &Address, outcome: &DialOutcome) {
        self.taped(now, || Input::DialOutcome {
            address: Dialled(address.clone()),
            outcome: outcome.clone(),
        });
        self.members.handle_dial_outcome(now, address, outcome);
        self.settle(now);
    }

    /// Another process with a member's id tried to come in: is the member still there?
    pub fn handle_duplicate(&mut self, now: Instant, node: &NodeId) {
        self.taped(now, || Input::Duplicate(node.clone()));
        self.members.handle_duplicate(now, node);
        self.settle(now);
    }

    /// The life line of a member's session was cut: is its process still there?
    pub fn handle_life_line_cut(&mut self, now: Instant, node: &NodeId) {
        self.taped(now, || Input::LifeLineCut(node.clone()));
        self.members.handle_life_line_cut(now, node);
        self.settle(now);
    }

    /// A provider answered: all addresses that it knows now, or why it cannot say.
    pub fn handle_discovered(&mut self, now: Instant, provider: &str, answer: Result<&[Address], &str>) {
        self.taped(now, || Input::Discovered { provider, answer: answer.map(<[_]>::to_vec) });
        self.members.handle_discovered(now, provider, answer);
        self.settle(now);
    }

    /// A peer knows a newer life of this node, or another process of its id.
    pub fn handle_superseded(&mut self, now: Instant, epoch: u64) {
        self.taped(now, || Input::Superseded { epoch });
        self.members.handle_superseded(now, epoch);
        self.settle(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.taped(now, || Input::Timeout);
        if self.next_chore.is_some() {
            self.do_chore(now);
        }
        self.members.handle_timeout(now);
        self.state.handle_timeout(now);
        self.continuity.handle_timeout(now);
        self.registers.handle_timeout(now);
        self.settle(now);
        for node in std::mem::take(&mut self.heirs) {
            if self.members.member(&node).is_none() {
                self.state.handle_member_removed(&node);
            }
        }
    }
}

/// What the host wants.
impl Engine {
    /// Puts a connection into a room, which is made when it is new.
    ///
    /// # Errors
    /// When this node has as many rooms as others hold for one member.
    pub fn subscribe(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        room: &RoomInfo,
    ) -> Result<Subscribed, SubscribeError> {
        self.taped(now, || Input::Subscribe { connection: connection.0, room: room.into() });
        let subscribed = self.state.subscribe(connection, room);
        self.own_state_changed(now);
        self.answered(subscribed)
    }

    /// Puts a connection into a room that this node has heard of.
    ///
    /// # Errors
    /// When it has not, or has too many rooms.
    pub fn join(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        room: RoomId,
    ) -> Result<Subscribed, JoinError> {
        self.taped(now, || Input::Join { connection: connection.0, room });
        let joined = self.state.join(connection, room);
        self.own_state_changed(now);
        self.answered(joined)
    }

    /// Takes a connection out of a room.
    ///
    /// # Errors
    /// When it is not in it.
    pub fn unsubscribe(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        room: RoomId,
    ) -> Result<Left, NotSubscribed> {
        self.taped(now, || Input::Unsubscribe { connection: connection.0, room });
        let left = self.state.unsubscribe(connection, room);
        self.own_state_changed(now);
        self.answered(left)
    }

    /// Takes a connection out of all its rooms.
    pub fn disconnect(&mut self, now: Instant, connection: ConnectionId) -> Vec<Left> {
        self.taped(now, || Input::Disconnect { connection: connection.0 });
        let left = self.state.disconnect(connection);
        self.own_state_changed(now);
        self.answered(left)
    }

    /// Who gets a notification for these rooms, this node aside.
    pub fn interest(&self, rooms: &[RoomId]) -> Interest {
        let known = |node: &&NodeId| self.members.member(node).is_some();
        let nodes: Vec<NodeId> = self.state.interested(rooms).filter(known).cloned().collect();
        let avoided = self.members.members().count().saturating_sub(nodes.len());
        Interest { nodes, avoided }
    }

    /// Asks every owner in session for a pass over its state; who those are. A state event tells of each that is complete.
    /// Registers are compared with every member as well.
    pub fn verify(&mut self, now: Instant) -> Vec<NodeId> {
        self.taped(now, || Input::Verify);
        self.registers.verify(now);
        let asked = self.state.verify();
        self.answered(asked)
    }

    /// Forgets some of the own rooms that have not changed after a version; true if those were the last.
    #[must_use]
    pub fn blank(&mut self, now: Instant, version: u64) -> bool {
        self.taped(now, || Input::Blank { version });
        let is_done = self.state.blank(version);
        self.own_state_changed(now);
        self.answered(is_done)
    }

    /// Goes on as a later life of this node: everybody gets its state anew. The sessions of the earlier life are to be ended.
    pub fn reincarnate(&mut self, now: Instant, incarnation: Incarnation) {
        self.taped(now, || Input::Reincarnate(incarnation));
        self.incarnation = incarnation;
        self.state.set_incarnation(incarnation);
        self.members.handle_reincarnated(now, incarnation);
        self.own_state_changed(now);
    }
}

impl Engine {
    fn own_state_changed(&mut self, now: Instant) {
        let (version, hash) = (self.state.version(), self.state.hash());
        let (owner, incarnation) = (self.me.clone(), self.incarnation);
        self.members.handle_state(now, StateRow { owner, incarnation, version, hash });
        self.settle(now);
    }

    fn do_chore(&mut self, now: Instant) {
        let completed = self.state.do_chore(now);
        if let Some(view) = completed.and_then(|owner| self.state.replica(&owner)) {
            self.members.handle_state(now, row(view));
        }
    }

    /// Lets each machine know what the other has found out.
    fn settle(&mut self, now: Instant) {
        if !self.registers.is_read() {
            let all_tried = self.members.has_tried_all(now);
            self.registers.handle_surroundings(now, all_tried);
        }
        self.members.handle_registers(now, self.registers.awaited());
        while let Some(event) = self.members.poll_event() {
            self.recorder.record(now, Decided::Member(event.clone()));
            match &event {
                MemberEvent::Removed { node, why, .. } => {
                    self.greetings.retain(|greeting| greeting.to != *node);
                    // Its session ends after the verdict, and then it is no member any more.
                    self.registers.handle_session_down(now, node);
                    if *why == RemovalReason::NewerIncarnation {
                        self.state.handle_peer_down(node);
                        self.heirs.insert(node.clone());
                    } else {
                        self.state.handle_member_removed(node);
                    }
                }
                MemberEvent::Draining { .. } => self.state.handle_draining(&self.me),
                MemberEvent::Moving { node } => self.state.handle_draining(node),
                MemberEvent::Paused { .. } => self.state.handle_pause(),
                MemberEvent::CachesStale { peer } => {
                    self.continuity.caches_stale(now, peer);
                    continue;
                }
                _ => {}
            }
            self.events.push_back(EngineEvent::Member(event));
        }
        self.next_chore = self.state.has_chores().then_some(now);
        while let Some(event) = self.state.poll_event() {
            // Of an owner that does not answer the first question is enough.
            if !matches!(event, StateEvent::AskedAgain { times: 2.., .. }) {
                self.recorder.record(now, Decided::State(event.clone()));
            }
            self.events.push_back(EngineEvent::State(event));
        }
        while let Some(event) = self.continuity.poll_event() {
            self.events.push_back(EngineEvent::Continuity(event));
        }
    }
}

fn row(view: OwnerView) -> StateRow {
    StateRow { owner: view.node, incarnation: view.incarnation, version: view.version, hash: view.hash }
}

#[cfg(test)]
mod tests;
