//! The plain truth: who is subscribed where, kept beside the engines without any of their machinery.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{ConnectionId, RoomId, RoomInfo};

/// A room of the simulation, by number.
pub fn room(number: u32) -> RoomInfo {
    let mut id = [0; RoomId::LEN];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let filters = format!("{{\"equals\":{{\"number\":{number}}}}}");
    match RoomInfo::new(RoomId::new(id), "index", format!("collection-{}", number % 8), filters) {
        Ok(room) => room,
        Err(_) => unreachable!("short names and filters are always a room"),
    }
}

/// The subscriptions of all nodes that run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    nodes: BTreeMap<usize, BTreeMap<ConnectionId, BTreeSet<u32>>>,
}

impl Model {
    pub(super) fn subscribe(&mut self, node: usize, connection: ConnectionId, room: u32) {
        self.nodes.entry(node).or_default().entry(connection).or_default().insert(room);
    }

    pub(super) fn unsubscribe(&mut self, node: usize, connection: ConnectionId, room: u32) -> bool {
        let rooms = self.nodes.entry(node).or_default().get_mut(&connection);
        rooms.is_some_and(|rooms| rooms.remove(&room))
    }

    pub(super) fn disconnect(&mut self, node: usize, connection: ConnectionId) -> usize {
        self.nodes.entry(node).or_default().remove(&connection).map_or(0, |rooms| rooms.len())
    }

    pub(super) fn gone(&mut self, node: usize) {
        self.nodes.remove(&node);
    }

    /// How many connections are in each room, on all nodes.
    pub fn counts(&self) -> BTreeMap<u32, u64> {
        self.counts_of(|_| true)
    }

    /// How many connections are in each room, on some nodes.
    pub fn counts_of(&self, counts: impl Fn(usize) -> bool) -> BTreeMap<u32, u64> {
        let some = self.nodes.iter().filter(|(node, _)| counts(**node)).map(|(_, connections)| connections);
        let mut counts = BTreeMap::new();
        for room in some.flat_map(|connections| connections.values().flatten()) {
            *counts.entry(*room).or_default() += 1;
        }
        counts
    }
}
