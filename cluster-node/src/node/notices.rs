//! What a node tells subscribers: documents that were published, users who came and went.

use std::time::{SystemTime, UNIX_EPOCH};

use cluster_core::engine::{ConnectionId, RoomId};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::Node;
use crate::api::{Protocol, Request};
use crate::notification::{
    Direction, DocumentNotification, Event, UserNotification, published_result, stamped,
};
use crate::subscriptions::{Audience, Departure};

/// A user who came into a room or left it.
pub(super) struct Passage<'a> {
    pub(super) user: Direction,
    pub(super) action: &'a str,
    pub(super) room: RoomId,
    pub(super) index: &'a str,
    pub(super) collection: &'a str,
    pub(super) volatile: Option<&'a Value>,
    /// How many connections of the whole cluster are in the room now.
    pub(super) count: u64,
}

impl Node {
    /// Gives a message to every subscriber of the cluster that it matches.
    pub(super) fn publish(
        &self,
        request: &Request,
        (index, collection): (&str, &str),
        id: Option<&str>,
        body: Map<String, Value>,
    ) {
        let timestamp = now();
        let source = stamped(body, timestamp);
        let rooms = self.local.matches(index, collection, id, &source);
        if rooms.is_empty() {
            return;
        }
        let volatile = request.volatile().map(raw);
        let notification = DocumentNotification {
            action: "publish",
            scope: Direction::In,
            result: &published_result(id, &source),
            node: self.name(),
            event: Event::Publish,
            request_id: request.request_id(),
            timestamp,
            volatile: volatile.as_deref(),
            index,
            collection,
            controller: "realtime",
            protocol: request.protocol().name(),
        };
        self.local.deliver_document(&rooms, Direction::In, &notification.render());
        self.cluster.notify_document(&rooms, &notification.encode());
    }

    /// Tells the other subscribers of a room that a user came or went: here those in the audiences, elsewhere all.
    pub(super) fn tell_passage(&self, passage: &Passage<'_>, audiences: &[Audience]) {
        let volatile = passage.volatile.map(raw);
        let notification = UserNotification {
            user: passage.user,
            count: passage.count,
            node: self.name(),
            timestamp: now(),
            volatile: volatile.as_deref(),
            index: passage.index,
            collection: passage.collection,
            action: passage.action,
            protocol: Protocol::WebSocket.name(),
        };
        self.local.deliver(audiences, &notification.render());
        self.cluster.notify_user(&passage.room, &notification.encode());
    }

    pub(super) fn tell_departure(&self, departure: &Departure, count: u64) {
        let passage = Passage {
            user: Direction::Out,
            action: "unsubscribe",
            room: departure.room,
            index: &departure.index,
            collection: &departure.collection,
            volatile: departure.volatile.as_ref(),
            count,
        };
        self.tell_passage(&passage, &departure.audiences);
    }

    /// Ends all that a client had.
    pub(super) fn disconnect(&self, connection: ConnectionId) {
        let departures = self.local.disconnect(connection);
        let left = self.cluster.disconnect(connection);
        for departure in &departures {
            // The cluster does not name a room that was blanked by hand while the client was in it.
            let count = left.iter().find(|left| left.room == departure.room).map_or(0, |left| left.count);
            self.tell_departure(departure, count);
        }
    }
}

/// Milliseconds since 1970; 0 on a machine that believes to live before.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    #[expect(clippy::expect_used, reason = "a JSON value always serializes")]
    to_raw_value(value).expect("JSON")
}
