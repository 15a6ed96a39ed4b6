//! Which of this node's connections are in which rooms: one set of pairs for each direction.

use std::collections::BTreeSet;

use super::table::Slot;
use crate::engine::room::ConnectionId;

/// The subscriptions of the local connections.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    by_connection: BTreeSet<(ConnectionId, Slot)>,
    by_room: BTreeSet<(Slot, ConnectionId)>,
}

impl Subscriptions {
    /// Puts a connection into a room; `false` if it is there already.
    pub(super) fn add(&mut self, connection: ConnectionId, room: Slot) -> bool {
        self.by_room.insert((room, connection));
        self.by_connection.insert((connection, room))
    }

    /// Takes a connection out of a room; `false` if it is not there.
    pub(super) fn remove(&mut self, connection: ConnectionId, room: Slot) -> bool {
        self.by_room.remove(&(room, connection));
        self.by_connection.remove(&(connection, room))
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.by_room.len() as u64
    }

    /// The rooms of a connection.
    pub(super) fn rooms(&self, connection: ConnectionId) -> impl Iterator<Item = Slot> {
        let all = (connection, Slot::FIRST)..=(connection, Slot::LAST);
        self.by_connection.range(all).map(|(_, room)| *room)
    }

    /// The connections in a room.
    pub(super) fn connections(&self, room: Slot) -> impl Iterator<Item = ConnectionId> {
        let all = (room, ConnectionId(0))..=(room, ConnectionId(u64::MAX));
        self.by_room.range(all).map(|(_, connection)| *connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_tell_the_same() {
        let (a, b) = (ConnectionId(1), ConnectionId(2));
        let mut subscriptions = Subscriptions::default();
        assert!(subscriptions.add(a, Slot::FIRST));
        assert!(!subscriptions.add(a, Slot::FIRST));
        assert!(subscriptions.add(a, Slot::LAST));
        assert!(subscriptions.add(b, Slot::FIRST));
        assert_eq!(subscriptions.rooms(a).collect::<Vec<_>>(), [Slot::FIRST, Slot::LAST]);
        assert_eq!(subscriptions.connections(Slot::FIRST).collect::<Vec<_>>(), [a, b]);
        assert!(subscriptions.remove(a, Slot::FIRST));
        assert!(!subscriptions.remove(a, Slot::FIRST));
        assert_eq!(subscriptions.rooms(a).collect::<Vec<_>>(), [Slot::LAST]);
        assert_eq!(subscriptions.connections(Slot::FIRST).collect::<Vec<_>>(), [b]);
    }
}
