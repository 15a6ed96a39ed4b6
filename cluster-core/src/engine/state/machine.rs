//! [`State`]: the machines of this folder put together.

use std::collections::{BTreeSet, VecDeque};

use cluster_transport::proto::hash::HashSeed;
use cluster_transport::proto::{Incarnation, Instant, NodeId};

use super::counters::StateCounters;
use super::event::{RoomEvent, StateEvent};
use super::limits::StateLimits;
use super::local::Subscriptions;
use super::log::OwnerLog;
use super::peer::{Conflicts, Peer};
use super::replica::Replica;
use super::table::{MemberIndex, RoomTable};
use super::turns::Turns;
use crate::engine::by_node::ByNode;

/// How many untold events may stand in line before filter conflicts are only counted.
const MAX_EVENTS: usize = 1_024;

/// What this node and all others hold: own subscriptions, replicas of the other owners, and the union of both.
///
/// The verbs answer from memory and at once. What happens on other nodes comes in through `handle_*`; what they have to
/// hear goes out through `poll_*`. When a session begins: [`handle_peer_up`](Self::handle_peer_up), then
/// [`position_of`](Self::position_of) for the greeting to the peer; with the peer's greeting
/// [`handle_position`](Self::handle_position), from when on [`poll_state`](Self::poll_state) has something for it.
#[derive(Debug)]
pub struct State {
    pub(super) me: NodeId,
    pub(super) incarnation: Incarnation,
    pub(super) limits: StateLimits,
    pub(super) table: RoomTable,
    pub(super) log: OwnerLog,
    pub(super) subscriptions: Subscriptions,
    pub(super) peers: ByNode<Peer>,
    /// The numbers of replicas that are no more, and the lowest that none ever had.
    free_members: BTreeSet<MemberIndex>,
    next_member: MemberIndex,
    /// The owners that have not heard yet how far we are.
    pub(super) unacknowledged: BTreeSet<NodeId>,
    /// Of members that are gone, and of what is no member's.
    pub(super) counters: StateCounters,
    /// Replicas of members that are gone, with rooms that are still in the union.
    pub(super) ended: Vec<Replica>,
    /// The owners whose passes are being swept.
    pub(super) sweeping: BTreeSet<NodeId>,
    /// Whose passes run here, and whose wait.
    pub(super) turns: Turns,
    /// Whether this node drains: then its own clients are moving.
    pub(super) drains: bool,
    events: VecDeque<StateEvent>,
}

impl State {
    /// The state of a node that has just started.
    pub fn new(me: NodeId, incarnation: Incarnation, limits: StateLimits, rng: &mut impl rand::Rng) -> Self {
        let (seed, of_peers) = (HashSeed::from_rng(rng), rng.next_u64());
        Self {
            me,
            incarnation,
            limits,
            table: RoomTable::new(seed),
            log: OwnerLog::new(seed, limits.tombstones),
            subscriptions: Subscriptions::default(),
            peers: ByNode::new(of_peers),
            free_members: BTreeSet::new(),
            next_member: MemberIndex(0),
            unacknowledged: BTreeSet::new(),
            counters: StateCounters::default(),
            ended: Vec::new(),
            sweeping: BTreeSet::new(),
            turns: Turns::default(),
            drains: false,
            events: VecDeque::new(),
        }
    }

    /// This node goes on as a later life: no position in its earlier state counts any more.
    pub fn set_incarnation(&mut self, incarnation: Incarnation) {
        self.incarnation = incarnation;
    }

    /// What the host has to hear of rooms: at most one change per room is in line, whatever happened since.
    pub fn poll_room_event(&mut self) -> Option<RoomEvent> {
        self.table.poll_change()
    }

    /// What became of replicas, in the order it happened.
    pub fn poll_event(&mut self) -> Option<StateEvent> {
        self.events.pop_front()
    }

    /// Whether there is an event to poll.
    pub(in crate::engine) fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// Time has passed. To be called once a heartbeat or more often.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.turns.handle_timeout(now);
    }

    /// The next owner for which [`poll_state`](Self::poll_state) has something without an input from it: its turn for a pass
    /// has come.
    pub fn poll_turn(&mut self) -> Option<NodeId> {
        self.turns.poll_given()
    }

    /// Whether there is a turn to poll.
    pub(in crate::engine) fn has_turn(&self) -> bool {
        self.turns.has_given()
    }

    /// The lowest number that no replica has.
    pub(super) fn take_member(&mut self) -> MemberIndex {
        let again = self.free_members.pop_first();
        again.unwrap_or_else(|| {
            let next = self.next_member;
            self.next_member = MemberIndex(next.0.saturating_add(1));
            next
        })
    }

    /// The replica with this number is no more.
    pub(super) fn release_member(&mut self, member: MemberIndex) {
        self.free_members.insert(member);
    }

    /// Forgets the tombstones that every peer has applied.
    pub(super) fn release_tombstones(&mut self) {
        let applied = self.peers.values().map(|peer| peer.sender.release()).min();
        self.log.forget(applied.unwrap_or_else(|| self.log.version()));
    }

    pub(super) fn tell(&mut self, event: StateEvent) {
        self.events.push_back(event);
    }

    pub(super) fn tell_conflicts(&mut self, owner: &NodeId, conflicts: Conflicts) {
        let peer = self.peers.get_mut(owner).map(|peer| &mut peer.counters);
        peer.unwrap_or(&mut self.counters).filter_conflicts += u64::from(conflicts.rooms);
        if let Some(room) = conflicts.first
            && self.events.len() < MAX_EVENTS
        {
            self.tell(StateEvent::FilterConflict { owner: owner.clone(), room, rooms: conflicts.rooms });
        }
    }
}
