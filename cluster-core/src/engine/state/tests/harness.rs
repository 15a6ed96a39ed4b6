//! A few states connected by streams that keep their order but can be cut, beside a plain model of what they should say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use cluster_transport::proto::{Incarnation, Instant, NodeId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::engine::room::{ConnectionId, RoomId, RoomInfo};
use crate::engine::state::{
    Change, CollectionName, Intake, OwnerView, Position, RoomCount, State, StateEvent, StateLimits,
};

pub(super) const NOW: Instant = Instant::ORIGIN;
pub(super) const BEAT: Duration = Duration::from_millis(500);

pub(super) fn room_id(number: u64) -> RoomId {
    let mut bytes = [0xab; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    RoomId::new(bytes)
}

/// Room `number`, in one of three collections, with filters of its own.
pub(super) fn room(number: u64) -> RoomInfo {
    let filters = format!("{{\"equals\":{{\"n\":{number}}}}}");
    RoomInfo::new(room_id(number), "index", format!("collection-{}", number % 3), filters).unwrap()
}

pub(super) fn node_id(number: usize) -> NodeId {
    format!("node-{number}").parse().unwrap()
}

/// What one side of a link has sent and the other has not taken yet.
#[derive(Debug, Default)]
struct Pipe {
    state: VecDeque<Bytes>,
    control: VecDeque<Control>,
}

#[derive(Clone, Copy, Debug)]
enum Control {
    Position(Position),
    Applied(u64),
}

/// A node: its state, what its own clients really did, and what its host was told.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) incarnation: Incarnation,
    pub(super) state: State,
    pub(super) clients: BTreeMap<RoomId, BTreeSet<ConnectionId>>,
    pub(super) shown: BTreeSet<RoomId>,
    /// Those that call for somebody's attention, and the ends of verifications.
    pub(super) events: Vec<StateEvent>,
    last_at: u64,
}

impl Node {
    pub(super) fn subscribe(&mut self, connection: u64, number: u64) {
        let connection = ConnectionId(connection);
        let answer = self.state.subscribe(connection, &room(number)).unwrap();
        assert_eq!(answer.changed, self.clients.entry(room_id(number)).or_default().insert(connection));
        assert_eq!(answer.version, self.state.version());
    }

    pub(super) fn unsubscribe(&mut self, connection: u64, number: u64) {
        let (connection, id) = (ConnectionId(connection), room_id(number));
        let was_there = self.clients.get_mut(&id).is_some_and(|there| there.remove(&connection));
        assert_eq!(self.state.unsubscribe(connection, id).is_ok(), was_there);
        if self.clients.get(&id).is_some_and(BTreeSet::is_empty) {
            self.clients.remove(&id);
        }
    }

    pub(super) fn disconnect(&mut self, connection: u64) {
        let connection = ConnectionId(connection);
        let left: BTreeSet<RoomId> = self.state.disconnect(connection).iter().map(|left| left.room).collect();
        let mut expected = BTreeSet::new();
        for (id, there) in &mut self.clients {
            if there.remove(&connection) {
                expected.insert(*id);
            }
        }
        assert_eq!(left, expected);
        self.clients.retain(|_, there| !there.is_empty());
    }

    /// Takes all events as a host would, and checks that they alternate and that their number never falls.
    pub(super) fn poll_events(&mut self) {
        while let Some(event) = self.state.poll_room_event() {
            assert!(event.at >= self.last_at);
            self.last_at = event.at;
            match event.change {
                Change::Appeared(info) => assert!(self.shown.insert(info.id()), "appeared twice"),
                Change::Disappeared(id) => assert!(self.shown.remove(&id), "disappeared twice"),
            }
        }
        self.events.extend(notable(&mut self.state));
    }
}

/// The nodes and the links that are up, each as one pipe in either direction.
#[derive(Debug)]
pub(super) struct Net {
    pub(super) nodes: Vec<Node>,
    pub(super) rng: ChaCha8Rng,
    pub(super) bytes_sent: usize,
    pub(super) limits: StateLimits,
    pipes: BTreeMap<(usize, usize), Pipe>,
    epoch: u64,
    now: Instant,
}

impl Net {
    pub(super) fn new(nodes: usize, seed: u64, limits: StateLimits) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let mut net = Self {
            nodes: Vec::new(),
            rng,
            bytes_sent: 0,
            limits,
            pipes: BTreeMap::new(),
            epoch: 0,
            now: NOW,
        };
        for number in 0..nodes {
            let node = net.start(number);
            net.nodes.push(node);
        }
        net
    }

    /// Nodes that are all connected and have nothing more to tell each other.
    pub(super) fn connected(nodes: usize) -> Self {
        let mut net = Self::new(nodes, 1, StateLimits::default());
        net.connect_all();
        net.settle();
        net
    }

    fn start(&mut self, number: usize) -> Node {
        self.epoch += 1;
        let incarnation = Incarnation { epoch: self.epoch, nonce: 7 };
        let id = node_id(number);
        let state = State::new(id.clone(), incarnation, self.limits, &mut self.rng);
        let (clients, shown, events) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        Node { id, incarnation, state, clients, shown, events, last_at: 0 }
    }

    pub(super) fn is_connected(&self, a: usize, b: usize) -> bool {
        self.pipes.contains_key(&(a, b))
    }

    pub(super) fn connect(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            let Node { id, incarnation, .. } = &self.nodes[to];
            let (id, incarnation) = (id.clone(), *incarnation);
            let state = &mut self.nodes[from].state;
            state.handle_peer_up(&id, incarnation);
            let position = Control::Position(state.position_of(&id));
            let pipe = Pipe { state: VecDeque::new(), control: VecDeque::from([position]) };
            self.pipes.insert((from, to), pipe);
        }
    }

    pub(super) fn connect_all(&mut self) {
        for a in 0..self.nodes.len() {
            for b in a + 1..self.nodes.len() {
                if !self.is_connected(a, b) {
                    self.connect(a, b);
                }
            }
        }
    }

    /// Breaks a link; what was on its way is lost.
    pub(super) fn cut(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            if self.pipes.remove(&(from, to)).is_some() {
                self.nodes[from].state.handle_peer_down(&node_id(to));
            }
        }
    }

    /// Node `a` removes `b`.
    pub(super) fn remove(&mut self, a: usize, b: usize) {
        self.cut(a, b);
        self.nodes[a].state.handle_member_removed(&node_id(b));
    }

    /// Kills a node and starts its next incarnation, without clients and links.
    pub(super) fn restart(&mut self, number: usize) {
        for other in 0..self.nodes.len() {
            self.cut(number, other);
        }
        self.nodes[number] = self.start(number);
    }

    /// Lets one side of a link send one state message of at most `limit` bytes, and what it has applied.
    pub(super) fn send(&mut self, from: usize, to: usize, limit: usize) -> bool {
        let Some(pipe) = self.pipes.get_mut(&(from, to)) else { return false };
        let Some(message) = self.nodes[from].state.poll_state(&node_id(to), limit) else { return false };
        assert!(message.len() <= limit, "{} bytes where {limit} were allowed", message.len());
        self.bytes_sent += message.len();
        pipe.state.push_back(message);
        true
    }

    /// Passes on how far the node has applied the others' states.
    pub(super) fn acknowledge(&mut self, from: usize) {
        while let Some((to, version)) = self.nodes[from].state.poll_applied() {
            let to = self.nodes.iter().position(|node| node.id == to).unwrap();
            let pipe = self.pipes.get_mut(&(from, to)).expect("only members in session are told");
            pipe.control.push_back(Control::Applied(version));
        }
    }

    /// Delivers one message of a lane, if there is one.
    pub(super) fn deliver_state(&mut self, from: usize, to: usize) -> bool {
        let message = self.pipes.get_mut(&(from, to)).and_then(|pipe| pipe.state.pop_front());
        let Some(message) = message else { return false };
        let taken = self.nodes[to].state.handle_state(NOW, &node_id(from), &message);
        assert_eq!(taken, Ok(Intake::Taken));
        true
    }

    pub(super) fn deliver_control(&mut self, from: usize, to: usize) -> bool {
        let message = self.pipes.get_mut(&(from, to)).and_then(|pipe| pipe.control.pop_front());
        let state = &mut self.nodes[to].state;
        match message {
            Some(Control::Position(position)) => state.handle_position(&node_id(from), position),
            Some(Control::Applied(version)) => state.handle_applied(&node_id(from), version).unwrap(),
            None => return false,
        }
        true
    }

    /// Lets everything through until nobody has anything to say or to do.
    pub(super) fn settle(&mut self) {
        self.exchange();
        while let Some(busy) = self.nodes.iter_mut().find(|node| node.state.has_chores()) {
            busy.state.do_chore(NOW);
            self.exchange();
        }
        self.nodes.iter_mut().for_each(Node::poll_events);
    }

    /// Lets everything through until nobody has anything to say.
    pub(super) fn exchange(&mut self) {
        let mut is_busy = true;
        while is_busy {
            is_busy = false;
            for (from, to) in self.pipes.keys().copied().collect::<Vec<_>>() {
                is_busy |= self.send(from, to, 64 * 1024);
                is_busy |= self.deliver_state(from, to);
                self.acknowledge(from);
                is_busy |= self.deliver_control(from, to);
            }
        }
    }

    /// The next state message of one side of a link vanishes: what was sent, or else what would be sent next.
    pub(super) fn lose_state(&mut self, from: usize, to: usize) -> bool {
        let Some(pipe) = self.pipes.get_mut(&(from, to)) else { return false };
        pipe.state
            .pop_front()
            .or_else(|| self.nodes[from].state.poll_state(&node_id(to), 64 * 1024))
            .is_some()
    }

    /// Every node hears of every other's version and hash, as heartbeats tell them.
    pub(super) fn exchange_claims(&mut self, now: Instant) {
        for (from, to) in self.pipes.keys().copied().collect::<Vec<_>>() {
            let (version, hash) = (self.nodes[from].state.version(), self.nodes[from].state.hash());
            let state = &mut self.nodes[to].state;
            state.handle_beat(now, &node_id(from), version, hash, 3 * BEAT);
        }
    }

    /// Heartbeats for so long, and whatever they lead to.
    pub(super) fn beat(&mut self, beats: u32) {
        for _ in 0..beats {
            self.now += BEAT;
            self.exchange_claims(self.now);
            self.settle();
        }
    }

    /// What the union is: each room and its connections on all nodes.
    pub(super) fn model(&self) -> BTreeMap<RoomId, u64> {
        let mut union = BTreeMap::new();
        for (id, there) in self.nodes.iter().flat_map(|node| &node.clients) {
            *union.entry(*id).or_default() += u64::try_from(there.len()).unwrap();
        }
        union
    }

    /// Asserts that every node tells what is true, in every way it can be asked.
    pub(super) fn assert_converged(&self) {
        let model = self.model();
        let owners: Vec<OwnerView> = self.nodes.iter().map(own_view).collect();
        for node in &self.nodes {
            assert_eq!(listed(&node.state), model, "{} lists other rooms", node.id);
            assert_eq!(node.state.rooms(), model.len());
            assert_eq!(node.shown, model.keys().copied().collect(), "{}'s host believes otherwise", node.id);
            assert_eq!(node.state.view().collect::<Vec<_>>(), owners, "{} sees other owners", node.id);
            assert_eq!(node.state.tombstones(), 0, "{} keeps tombstones for nobody", node.id);
            for id in model.keys() {
                let held = |other: &&Node| other.id != node.id && other.clients.contains_key(id);
                let holders: Vec<_> = self.nodes.iter().filter(held).map(|other| &other.id).collect();
                assert_eq!(node.state.interested(&[*id]).collect::<Vec<_>>(), holders);
                assert_eq!(node.state.is_used_elsewhere(id), !holders.is_empty());
            }
        }
    }

    pub(super) fn pick(&mut self, below: usize) -> usize {
        self.rng.random_range(0..below)
    }
}

fn own_view(node: &Node) -> OwnerView {
    OwnerView {
        node: node.id.clone(),
        incarnation: node.incarnation,
        version: node.state.version(),
        hash: node.state.hash(),
    }
}

/// All rooms and their counts, collection by collection, each asked again by its id.
pub(super) fn listed(state: &State) -> BTreeMap<RoomId, u64> {
    let mut rooms = BTreeMap::new();
    let mut last: Option<CollectionName> = None;
    while let Some(name) = state.collections(last.as_ref()).next() {
        for RoomCount { room, count, .. } in state.list(name) {
            assert_eq!(state.count(&room), Some(count));
            assert!(rooms.insert(room, count).is_none());
        }
        last = Some(name.clone());
    }
    rooms
}

/// The events that call for somebody's attention, and the ends of verifications.
pub(super) fn notable(state: &mut State) -> Vec<StateEvent> {
    let counts = |event: &StateEvent| !event.is_routine() || matches!(event, StateEvent::Verified { .. });
    std::iter::from_fn(|| state.poll_event()).filter(counts).collect()
}
