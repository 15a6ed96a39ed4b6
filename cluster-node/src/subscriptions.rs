//! Who of this node's clients listens to what: connection → rooms → channels, and back.
//!
//! A connection is in a room once, however many channels it has there, and counts once. A channel exists on the node
//! while somebody is on it. The table knows nothing of other nodes and sends nothing: it says who is to be told.

mod room;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster_core::engine::{ConnectionId, RoomId};
use serde_json::Value;
use thiserror::Error;

pub use room::Audience;
use room::Room;

use crate::api::{ApiError, Channel, ChannelOptions};
use crate::notification::Direction;

/// How many subscriptions a connection may have by default.
pub const DEFAULT_SUBSCRIPTIONS_PER_CONNECTION: usize = 10_000;

/// How many rooms this node's clients may be in by default.
pub const DEFAULT_ROOMS: usize = 1_000_000;

/// What the table may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionLimits {
    /// Channels of one connection, over all rooms. Default [`DEFAULT_SUBSCRIPTIONS_PER_CONNECTION`].
    pub per_connection: usize,
    /// Rooms, of all connections. Default [`DEFAULT_ROOMS`].
    pub rooms: usize,
}

impl Default for SubscriptionLimits {
    fn default() -> Self {
        Self { per_connection: DEFAULT_SUBSCRIPTIONS_PER_CONNECTION, rooms: DEFAULT_ROOMS }
    }
}

/// What a subscription changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Subscribed {
    /// The connection is new in the room.
    Entered {
        /// How many connections of this node are in the room now.
        connections: usize,
        /// Who is to be told. The newcomer is among them only if its channel was there before it.
        audiences: Vec<Audience>,
    },
    /// The connection was in the room and has one channel more there.
    ChannelAdded,
    /// The connection had this channel.
    Unchanged,
}

/// A connection that is no longer in a room.
#[derive(Clone, Debug, PartialEq)]
pub struct Departure {
    /// The room.
    pub room: RoomId,
    /// Its index.
    pub index: Arc<str>,
    /// Its collection.
    pub collection: Arc<str>,
    /// The volatile data of the subscription that brought the connection into the room.
    pub volatile: Option<Value>,
    /// How many connections of this node are still in the room.
    pub connections: usize,
    /// Who is to be told.
    pub audiences: Vec<Audience>,
}

/// Why a subscription is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The connection is full.
    #[error("a connection may have {limit} subscriptions")]
    TooManySubscriptions {
        /// How many it may have.
        limit: usize,
    },
    /// The node is full.
    #[error("clients of a node may be in {limit} rooms")]
    TooManyRooms {
        /// How many there may be.
        limit: usize,
    },
}

impl From<SubscribeError> for ApiError {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::TooManySubscriptions { limit } => Self::TooManySubscriptions { limit },
            SubscribeError::TooManyRooms { .. } => Self::TooManyRooms,
        }
    }
}

/// The subscriptions of this node's connections.
#[derive(Debug, Default)]
pub struct Subscriptions {
    limits: SubscriptionLimits,
    connections: BTreeMap<ConnectionId, Connection>,
    rooms: BTreeMap<RoomId, Room>,
}

#[derive(Debug, Default)]
struct Connection {
    rooms: BTreeMap<RoomId, Membership>,
    channels: usize,
}

#[derive(Debug)]
struct Membership {
    channels: BTreeSet<ChannelOptions>,
    volatile: Option<Value>,
}

impl Subscriptions {
    /// An empty table.
    pub fn new(limits: SubscriptionLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Puts a connection on a channel, for `subscribe` and for `join` alike.
    ///
    /// The volatile data is kept of the subscription that brings the connection into the room; later ones do not
    /// change it.
    ///
    /// # Errors
    /// [`SubscribeError`]; nothing has changed then.
    pub fn subscribe(
        &mut self,
        connection: ConnectionId,
        channel: Channel,
        index: &str,
        collection: &str,
        volatile: Option<Value>,
    ) -> Result<Subscribed, SubscribeError> {
        if self.is_on(connection, &channel) {
            return Ok(Subscribed::Unchanged);
        }
        self.check_limits(connection, &channel.room)?;
        let known = self.connections.entry(connection).or_default();
        known.channels += 1;
        let enters = !known.rooms.contains_key(&channel.room);
        let new = || Membership { channels: BTreeSet::new(), volatile };
        known.rooms.entry(channel.room).or_insert_with(new).channels.insert(channel.options);
        let room =
            self.rooms.entry(channel.room).or_insert_with(|| Room::new(channel.room, index, collection));
        if !enters {
            room.add_channel(connection, channel.options);
            return Ok(Subscribed::ChannelAdded);
        }
        let audiences = room.enter(connection, channel.options);
        Ok(Subscribed::Entered { connections: room.connections(), audiences })
    }

    /// Takes a connection off all channels of a room; `None` if it is not in it.
    pub fn unsubscribe(&mut self, connection: ConnectionId, room: RoomId) -> Option<Departure> {
        let known = self.connections.get_mut(&connection)?;
        let membership = known.rooms.remove(&room)?;
        known.channels -= membership.channels.len();
        if known.rooms.is_empty() {
            self.connections.remove(&connection);
        }
        self.depart(connection, room, membership)
    }

    /// Takes a connection off everything; its departures in ascending order of rooms.
    pub fn disconnect(&mut self, connection: ConnectionId) -> Vec<Departure> {
        let rooms = self.connections.remove(&connection).unwrap_or_default().rooms;
        rooms.into_iter().filter_map(|(room, membership)| self.depart(connection, room, membership)).collect()
    }

    /// Who is to get a document notification for these rooms.
    pub fn document_audiences(&self, rooms: &[RoomId], scope: Direction) -> Vec<Audience> {
        rooms.iter().filter_map(|id| self.rooms.get(id)).flat_map(|room| room.documents(scope)).collect()
    }

    /// Who is to get a user notification for this room.
    pub fn user_audiences(&self, room: &RoomId, user: Direction) -> Vec<Audience> {
        self.rooms.get(room).map(|room| room.users(user)).unwrap_or_default()
    }

    /// The index and the collection of a room that a connection of this node is in.
    pub fn place(&self, room: &RoomId) -> Option<(&str, &str)> {
        self.rooms.get(room).map(Room::place)
    }

    /// How many connections of this node are in a room.
    pub fn connections_in(&self, room: &RoomId) -> usize {
        self.rooms.get(room).map_or(0, Room::connections)
    }

    /// How many rooms the connections of this node are in.
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    fn is_on(&self, connection: ConnectionId, channel: &Channel) -> bool {
        let membership = self.connections.get(&connection).and_then(|known| known.rooms.get(&channel.room));
        membership.is_some_and(|membership| membership.channels.contains(&channel.options))
    }

    fn check_limits(&self, connection: ConnectionId, room: &RoomId) -> Result<(), SubscribeError> {
        let SubscriptionLimits { per_connection, rooms } = self.limits;
        if self.connections.get(&connection).map_or(0, |known| known.channels) >= per_connection {
            return Err(SubscribeError::TooManySubscriptions { limit: per_connection });
        }
        if self.rooms.len() >= rooms && !self.rooms.contains_key(room) {
            return Err(SubscribeError::TooManyRooms { limit: rooms });
        }
        Ok(())
    }

    fn depart(&mut self, connection: ConnectionId, id: RoomId, membership: Membership) -> Option<Departure> {
        let room = self.rooms.get_mut(&id)?;
        room.leave(connection, &membership.channels);
        let (index, collection) = room.names();
        let departure = Departure {
            room: id,
            index,
            collection,
            volatile: membership.volatile,
            connections: room.connections(),
            audiences: room.users(Direction::Out),
        };
        if room.connections() == 0 {
            self.rooms.remove(&id);
        }
        Some(departure)
    }
}
