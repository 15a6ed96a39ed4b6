//! One room on this node: its channels and who is on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster_core::engine::{ConnectionId, RoomId};

use crate::api::{Channel, ChannelOptions, Scope, Users};
use crate::notification::Direction;

/// The connections on one channel, in ascending order: all of them get the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// The channel.
    pub channel: Channel,
    /// At least one.
    pub connections: Vec<ConnectionId>,
}

/// A room with at least one connection of this node. No channel is without a connection.
#[derive(Debug)]
pub(super) struct Room {
    id: RoomId,
    index: Arc<str>,
    collection: Arc<str>,
    channels: BTreeMap<ChannelOptions, BTreeSet<ConnectionId>>,
    connections: usize,
}

impl Room {
    pub(super) fn new(id: RoomId, index: &str, collection: &str) -> Self {
        Self {
            id,
            index: index.into(),
            collection: collection.into(),
            channels: BTreeMap::new(),
            connections: 0,
        }
    }

    pub(super) fn place(&self) -> (&str, &str) {
        (&self.index, &self.collection)
    }

    pub(super) fn names(&self) -> (Arc<str>, Arc<str>) {
        (self.index.clone(), self.collection.clone())
    }

    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Takes in a new connection; who is to be told, by the channels that were there before.
    pub(super) fn enter(&mut self, connection: ConnectionId, options: ChannelOptions) -> Vec<Audience> {
        let existed = self.channels.contains_key(&options);
        self.connections += 1;
        self.add_channel(connection, options);
        let mut audiences = self.users(Direction::In);
        audiences.retain(|audience| existed || audience.channel.options != options);
        audiences
    }

    /// Gives a connection that is in the room one channel more.
    pub(super) fn add_channel(&mut self, connection: ConnectionId, options: ChannelOptions) {
        self.channels.entry(options).or_default().insert(connection);
    }

    /// Lets a connection go that was on these channels.
    pub(super) fn leave(&mut self, connection: ConnectionId, channels: &BTreeSet<ChannelOptions>) {
        self.connections -= 1;
        for options in channels {
            if let Some(connections) = self.channels.get_mut(options) {
                connections.remove(&connection);
            }
        }
        self.channels.retain(|_, connections| !connections.is_empty());
    }

    /// Who wants to hear of documents in this direction.
    pub(super) fn documents(&self, direction: Direction) -> Vec<Audience> {
        self.audiences(|options| match (options.scope, direction) {
            (Scope::All, _) | (Scope::In, Direction::In) | (Scope::Out, Direction::Out) => true,
            (Scope::In | Scope::Out | Scope::None, _) => false,
        })
    }

    /// Who wants to hear of users in this direction.
    pub(super) fn users(&self, direction: Direction) -> Vec<Audience> {
        self.audiences(|options| match (options.users, direction) {
            (Users::All, _) | (Users::In, Direction::In) | (Users::Out, Direction::Out) => true,
            (Users::In | Users::Out | Users::None, _) => false,
        })
    }

    fn audiences(&self, wants: impl Fn(&ChannelOptions) -> bool) -> Vec<Audience> {
        let channels = self.channels.iter().filter(|(options, _)| wants(options));
        let audience = |(options, connections): (&ChannelOptions, &BTreeSet<ConnectionId>)| Audience {
            channel: Channel { room: self.id, options: *options },
            connections: connections.iter().copied().collect(),
        };
        channels.map(audience).collect()
    }
}
