//! What the host does with its own clients' subscriptions.

use super::chores::CHORE;
use super::machine::State;
use super::peer::Conflicts;
use super::table::{Description, Slot};
use crate::engine::room::{ConnectionId, RoomId, RoomInfo};

/// A connection is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The state of the union that this is true of.
    pub at: u64,
    /// The own version that others have to apply to know of it.
    pub version: u64,
    /// How many connections are in the room, on all nodes that do not drain.
    pub count: u64,
    /// Whether the connection was not in the room before.
    pub changed: bool,
}

/// A connection has left a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The room.
    pub room: RoomId,
    /// The state of the union that this is true of.
    pub at: u64,
    /// The own version that others have to apply to know of it.
    pub version: u64,
    /// How many connections are still in the room, on all nodes that do not drain.
    pub count: u64,
}

/// Why a connection was not subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// This node has as many rooms as others will hold for one member.
    #[error(
        "this node has {limit} rooms, the most one member may have: unsubscribe from some or raise the limit on all"
    )]
    TooManyRooms {
        /// The limit.
        limit: usize,
    },
}

/// Why a connection was not added to a room by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// No node that this one has heard of has the room.
    #[error("no room {room} in the cluster: subscribe with its filters")]
    UnknownRoom {
        /// The room.
        room: RoomId,
    },
    /// The room would be a new one for this node.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
}

/// The connection is not in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("connection {} is not in room {room}", connection.0)]
pub struct NotSubscribed {
    /// The connection.
    pub connection: ConnectionId,
    /// The room.
    pub room: RoomId,
}

impl State {
    /// Puts a connection into a room, which is made when it is new.
    ///
    /// # Errors
    /// The limit on rooms of this node.
    pub fn subscribe(
        &mut self,
        connection: ConnectionId,
        room: &RoomInfo,
    ) -> Result<Subscribed, SubscribeError> {
        self.check_limit(&room.id())?;
        let described = Description { id: room.id(), collection: room.place(), filters: room.filters() };
        let limit = self.limits.rooms;
        let found = self.table.find_or_insert(described).ok_or(SubscribeError::TooManyRooms { limit })?;
        if !found.agrees {
            let me = self.me.clone();
            self.tell_conflicts(&me, Conflicts { first: Some(room.id()), rooms: 1 });
        }
        Ok(self.enter(connection, found.slot))
    }

    /// Puts a connection into a room that some node has.
    ///
    /// # Errors
    /// A room that this node has not heard of, or the limit on rooms of this node.
    pub fn join(&mut self, connection: ConnectionId, room: RoomId) -> Result<Subscribed, JoinError> {
        let slot = self.table.find(&room).ok_or(JoinError::UnknownRoom { room })?;
        self.check_limit(&room)?;
        Ok(self.enter(connection, slot))
    }

    /// Takes a connection out of a room.
    ///
    /// # Errors
    /// The connection is not in the room.
    pub fn unsubscribe(&mut self, connection: ConnectionId, room: RoomId) -> Result<Left, NotSubscribed> {
        let slot = self.table.find(&room);
        slot.and_then(|slot| self.leave(connection, slot)).ok_or(NotSubscribed { connection, room })
    }

    /// Takes a connection out of all its rooms, and says which those were.
    pub fn disconnect(&mut self, connection: ConnectionId) -> Vec<Left> {
        let rooms: Vec<Slot> = self.subscriptions.rooms(connection).collect();
        rooms.into_iter().filter_map(|slot| self.leave(connection, slot)).collect()
    }

    /// Forgets some of the own rooms that have not changed after a version, and who is in them; true if those were the last.
    ///
    /// Every member then gets a pass, so that it forgets them even if it never applied their removal.
    #[must_use]
    pub fn blank(&mut self, version: u64) -> bool {
        let rooms = self.log.rooms_until(version, CHORE);
        for slot in &rooms {
            let connections: Vec<_> = self.subscriptions.connections(*slot).collect();
            for connection in connections {
                self.subscriptions.remove(connection, *slot);
            }
            self.log.set(&mut self.table, *slot, 0);
        }
        let is_done = rooms.len() < CHORE;
        if is_done {
            self.log.forget(self.log.version());
        }
        is_done
    }

    fn check_limit(&self, room: &RoomId) -> Result<(), SubscribeError> {
        let limit = self.limits.rooms;
        let is_own = || self.table.find(room).is_some_and(|slot| self.log.count(slot) > 0);
        if self.log.len() < limit || is_own() { Ok(()) } else { Err(SubscribeError::TooManyRooms { limit }) }
    }

    fn enter(&mut self, connection: ConnectionId, slot: Slot) -> Subscribed {
        let changed = self.subscriptions.add(connection, slot);
        if changed {
            let count = self.log.count(slot).saturating_add(1);
            self.log.set(&mut self.table, slot, count);
        }
        let (at, version, count) = (self.table.at(), self.log.version(), self.live_in(slot));
        Subscribed { at, version, count, changed }
    }

    fn leave(&mut self, connection: ConnectionId, slot: Slot) -> Option<Left> {
        let room = self.table.id(slot)?;
        if !self.subscriptions.remove(connection, slot) {
            return None;
        }
        let count = self.log.count(slot).saturating_sub(1);
        self.log.set(&mut self.table, slot, count);
        if self.peers.is_empty() {
            self.release_tombstones();
        }
        let (at, version, count) = (self.table.at(), self.log.version(), self.live_in(slot));
        Some(Left { room, at, version, count })
    }
}
