//! The state stream: deltas of an owner in any order, twice, partially or damaged converge or are rejected, and versions only
//! grow.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cluster_core::engine::state::{Position, StateLimits};
use cluster_core::engine::{ConnectionId, RoomId, RoomInfo, State};
use cluster_transport::proto::{Incarnation, Instant, NodeId};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::input::Input;

/// How many operations an input has at the most.
const MAX_STEPS: usize = 300;
/// How many rooms there are: few, so that they come and go.
const ROOMS: usize = 24;
/// How many messages are kept to be delivered again.
const MAX_KEPT: usize = 64;
/// How long a comparison of hashes is not repeated, with a margin.
const LATER: Duration = Duration::from_secs(60);

/// The property. The bytes are changes at an owner, and what becomes of its messages on their way to a copy.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut stream = Stream::new();
    let mut honest = true;
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        stream.step(&mut input, &mut honest);
        if honest {
            stream.check_versions();
        }
    }
    stream.converge();
}

struct Stream {
    now: Instant,
    owner: State,
    copy: State,
    owner_id: NodeId,
    copy_id: NodeId,
    incarnation: Incarnation,
    /// What the owner has sent in this session.
    sent: Vec<Bytes>,
    /// The version that the copy showed last.
    shown: u64,
    clients: BTreeMap<(usize, u64), RoomId>,
}

impl Stream {
    fn new() -> Self {
        let (owner_id, copy_id): (NodeId, NodeId) = ("owner".parse().unwrap(), "copy".parse().unwrap());
        let incarnation = Incarnation { epoch: 1, nonce: 1 };
        // Few tombstones, so that a copy that is behind needs a pass.
        let limits = StateLimits::default().with_tombstones(4);
        let state = |id: &NodeId, seed| {
            State::new(id.clone(), incarnation, limits, &mut ChaCha8Rng::seed_from_u64(seed))
        };
        let (owner, copy) = (state(&owner_id, 1), state(&copy_id, 2));
        let mut stream = Self {
            now: Instant::ORIGIN,
            owner,
            copy,
            owner_id,
            copy_id,
            incarnation,
            sent: Vec::new(),
            shown: 0,
            clients: BTreeMap::new(),
        };
        stream.connect();
        stream
    }

    fn step(&mut self, input: &mut Input<'_>, honest: &mut bool) {
        match input.below(10) {
            0..=2 => self.change(input.below(ROOMS), u64::from(input.byte() % 4)),
            3 | 4 => {
                let limit = 128 + input.below(4 * 1024);
                if let Some(message) = self.owner.poll_state(&self.copy_id, limit) {
                    assert!(message.len() <= limit);
                    if self.sent.len() == MAX_KEPT {
                        self.sent.remove(0);
                    }
                    self.sent.push(message);
                }
            }
            5 | 6 => {
                if !self.sent.is_empty() {
                    let message = self.sent[input.below(self.sent.len())].clone();
                    self.deliver(&message);
                }
            }
            7 => self.connect(),
            8 => self.acknowledge(),
            _ => {
                *honest = false;
                let message = match self.sent.last() {
                    Some(last) if input.bool() => {
                        let mut damaged = last.to_vec();
                        let at = input.below(damaged.len());
                        damaged[at] ^= 1 << (input.byte() % 8);
                        damaged
                    }
                    _ => input.bytes(256).to_vec(),
                };
                self.deliver(&message);
            }
        }
    }

    /// A client comes, or goes if it is there.
    fn change(&mut self, number: usize, connection: u64) {
        let mut id = [0xab; 32];
        id[0] = u8::try_from(number).unwrap();
        let room =
            RoomInfo::new(RoomId::new(id), "index", format!("collection-{}", number % 3), "{}").unwrap();
        if let Some(room) = self.clients.remove(&(number, connection)) {
            self.owner.unsubscribe(ConnectionId(connection), room).unwrap();
        } else {
            self.owner.subscribe(ConnectionId(connection), &room).unwrap();
            self.clients.insert((number, connection), room.id());
        }
    }

    /// A fault would close the session: the next one begins.
    fn deliver(&mut self, message: &[u8]) {
        if self.copy.handle_state(self.now, &self.owner_id, message).is_err() {
            self.connect();
        }
    }

    fn connect(&mut self) {
        self.owner.handle_peer_down(&self.copy_id);
        self.copy.handle_peer_down(&self.owner_id);
        self.owner.handle_peer_up(&self.copy_id, self.incarnation);
        self.copy.handle_peer_up(&self.owner_id, self.incarnation);
        let position: Position = self.copy.position_of(&self.owner_id);
        self.owner.handle_position(&self.copy_id, position);
        self.copy.handle_position(&self.owner_id, self.owner.position_of(&self.copy_id));
        self.sent.clear();
    }

    /// The copy tells how far it is, and asks for what it needs. One that was told lies may name versions that do not exist.
    fn acknowledge(&mut self) {
        while let Some((_, version)) = self.copy.poll_applied() {
            let _ = self.owner.handle_applied(&self.copy_id, version);
        }
        while let Some(ask) = self.copy.poll_state(&self.owner_id, 4 * 1024) {
            if self.owner.handle_state(self.now, &self.copy_id, &ask).is_err() {
                self.connect();
            }
        }
    }

    fn check_versions(&mut self) {
        let shown = self.copy.view().find(|view| view.node == self.owner_id).map_or(0, |view| view.version);
        assert!(shown >= self.shown, "the copy went from version {} back to {shown}", self.shown);
        assert!(shown <= self.owner.version(), "the copy is ahead of its owner");
        self.shown = shown;
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.acknowledge();
            let Some(message) = self.owner.poll_state(&self.copy_id, 64 * 1024) else {
                if !self.copy.has_applied() {
                    return;
                }
                continue;
            };
            self.copy.handle_state(self.now, &self.owner_id, &message).expect("an owner sends no faults");
        }
        panic!("the stream never falls silent");
    }

    /// Whatever happened: after a new session and one pass over everything, both say the same.
    fn converge(&mut self) {
        self.connect();
        self.settle();
        self.now += LATER;
        self.copy.handle_claim(self.now, &self.owner_id, self.owner.version(), self.owner.hash());
        self.settle();
        self.copy.verify();
        self.settle();
        let views = [&self.owner, &self.copy].map(|state| {
            let view = state.view().find(|view| view.node == self.owner_id);
            view.map(|view| (view.version, view.hash))
        });
        if self.owner.version() > 0 {
            assert_eq!(views[1], views[0], "the copy differs from its owner");
        }
        let mut counts = BTreeMap::<RoomId, u64>::new();
        self.clients.values().for_each(|room| *counts.entry(*room).or_default() += 1);
        assert_eq!(self.copy.rooms(), counts.len());
        for (room, count) in counts {
            assert_eq!(self.copy.count(&room), Some(count), "{room}");
        }
    }
}
