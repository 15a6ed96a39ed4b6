//! What can be read of the state; everything is answered from memory.

use cluster_transport::proto::{Incarnation, NodeId};

use super::collections::CollectionName;
use super::counters::StateCounters;
use super::machine::State;
use super::peer::{Link, Peer};
use super::table::Slot;
use crate::engine::room::{ConnectionId, RoomId, RoomInfo};

/// What this node has of one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerView {
    /// The owner.
    pub node: NodeId,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// The version up to which its state is here.
    pub version: u64,
    /// The hash of that state.
    pub hash: u128,
}

/// A room and how many connections are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoomCount {
    /// The room.
    pub room: RoomId,
    /// Its connections on nodes that do not drain.
    pub count: u64,
    /// Its connections on nodes that drain, which are about to be elsewhere.
    pub moving: u64,
}

impl State {
    /// The version of this node's own state.
    pub fn version(&self) -> u64 {
        self.log.version()
    }

    /// The hash of this node's own state.
    pub fn hash(&self) -> u128 {
        self.log.hash().value()
    }

    /// A number that grows with each change of the union.
    pub fn at(&self) -> u64 {
        self.table.at()
    }

    /// How often each rung of replication was stepped on, by all members ever.
    pub fn counters(&self) -> StateCounters {
        let mut sum = self.counters;
        self.peers.values().for_each(|peer| sum += peer.counters);
        sum
    }

    /// How often each rung of replication was stepped on with one member, since it joined.
    pub fn counters_of(&self, member: &NodeId) -> Option<StateCounters> {
        self.peers.get(member).map(|peer| peer.counters)
    }

    /// How many connections are in a room, on all nodes that do not drain; `None` if this node knows no such room.
    /// [`moving`](Self::moving) has the others.
    pub fn count(&self, room: &RoomId) -> Option<u64> {
        self.table.find(room).map(|slot| self.live_in(slot))
    }

    /// How many rooms there are, on all nodes.
    pub fn rooms(&self) -> usize {
        self.table.live()
    }

    /// How many subscriptions there are, on all nodes: a connection counts once in each of its rooms.
    pub fn subscriptions(&self) -> u64 {
        self.table.connections()
    }

    /// What a room is, as it was described first.
    pub fn room(&self, room: &RoomId) -> Option<RoomInfo> {
        self.table.find(room).and_then(|slot| self.table.info(slot))
    }

    /// Whether connections of other nodes are in the room.
    pub fn is_used_elsewhere(&self, room: &RoomId) -> bool {
        let others = |slot| self.table.total(slot) > u64::from(self.log.count(slot));
        self.table.find(room).is_some_and(others)
    }

    /// This node's connections in a room, in order.
    pub fn connections(&self, room: &RoomId) -> impl Iterator<Item = ConnectionId> {
        self.table.find(room).into_iter().flat_map(|slot| self.subscriptions.connections(slot))
    }

    /// The rooms of one of this node's connections, in no order.
    pub fn rooms_of(&self, connection: ConnectionId) -> impl Iterator<Item = RoomId> {
        self.subscriptions.rooms(connection).filter_map(|slot| self.table.id(slot))
    }

    /// The collections with rooms after a name (excluded), sorted. With [`list`](Self::list), a page at a time.
    pub fn collections(
        &self,
        after: Option<&CollectionName>,
    ) -> impl Iterator<Item = &CollectionName> + use<'_> {
        self.table.collections().after(after).filter(|name| self.table.rooms_in(name).next().is_some())
    }

    /// The rooms of a collection, sorted by id.
    pub fn list(&self, collection: &CollectionName) -> Vec<RoomCount> {
        let drained = self.drained();
        let count = |slot: Slot| {
            let moving = self.moving_in(slot, &drained);
            let count = self.table.total(slot).saturating_sub(moving);
            Some(RoomCount { room: self.table.id(slot)?, count, moving })
        };
        let mut rooms: Vec<RoomCount> = self.table.rooms_in(collection).filter_map(count).collect();
        rooms.sort_unstable();
        rooms
    }

    /// The peers that a notification for these rooms is sent to, in order: those that have a subscriber in one of them,
    /// and those of which this node does not know enough to leave them out.
    pub fn interested(&self, rooms: &[RoomId]) -> impl Iterator<Item = &NodeId> {
        let slots = || rooms.iter().filter_map(|room| self.table.find(room));
        let bits = slots().fold(0, |bits, slot| bits | self.table.holders(slot));
        let is_interested = move |peer: &Peer| match peer.replica.member().bit() {
            _ if !peer.is_current() => true,
            0 => slots().any(|slot| peer.replica.holds(slot)),
            bit => bits & bit != 0,
        };
        self.peers.iter().filter(move |(_, peer)| is_interested(peer)).map(|(node, _)| node)
    }

    /// What this node has of an owner; `None` if it has never heard of it or has removed it.
    pub fn replica(&self, owner: &NodeId) -> Option<OwnerView> {
        self.peers.get(owner).map(|peer| view_of(owner, peer))
    }

    /// What this node has of every owner, itself included, in the order of their ids.
    pub fn view(&self) -> impl Iterator<Item = OwnerView> {
        let me = OwnerView {
            node: self.me.clone(),
            incarnation: self.incarnation,
            version: self.version(),
            hash: self.hash(),
        };
        let view = |(node, peer)| view_of(node, peer);
        let is_before = |(node, _): &(&NodeId, &Peer)| **node < self.me;
        let before = self.peers.iter().take_while(is_before).map(view);
        let after = self.peers.iter().skip_while(is_before).map(view);
        before.chain(std::iter::once(me)).chain(after)
    }

    /// Whether this node has all of an owner's state up to a version.
    pub fn is_caught_up(&self, owner: &NodeId, version: u64) -> bool {
        let settled = |peer: &Peer| peer.receiver.settled();
        self.peers.get(owner).and_then(settled).is_some_and(|settled| settled >= version)
    }

    /// Whether the state of a member is no longer taken because there is too much of it.
    pub fn is_over_budget(&self, owner: &NodeId) -> bool {
        self.peers.get(owner).is_some_and(|peer| peer.link == Link::OverBudget)
    }

    /// How many of an owner's rooms are here, and the memory they take in bytes.
    pub fn usage(&self, owner: &NodeId) -> Option<(usize, usize)> {
        self.peers.get(owner).map(|peer| (peer.replica.len(), peer.replica.bytes()))
    }

    /// The own version up to which a peer has applied everything.
    pub fn applied_by(&self, peer: &NodeId) -> Option<u64> {
        self.peers.get(peer).map(|peer| peer.sender.applied())
    }

    /// How many owners are in the middle of telling this node all that they have.
    pub fn passes_running(&self) -> usize {
        self.peers.values().filter(|peer| peer.receiver.is_passing()).count()
    }

    /// How many own removals are kept for members that have not applied them.
    pub fn tombstones(&self) -> usize {
        self.log.tombstones()
    }
}

fn view_of(node: &NodeId, peer: &Peer) -> OwnerView {
    OwnerView {
        node: node.clone(),
        incarnation: peer.incarnation,
        version: peer.receiver.settled().unwrap_or(0),
        hash: peer.replica.hash().value(),
    }
}
