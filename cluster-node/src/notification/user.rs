//! What subscribers hear of each other.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{DecodeError, Direction, Rendered, decoded, encoded, json};

/// A user notification: somebody came into a room or left it.
#[derive(Clone, Copy, Debug)]
pub struct UserNotification<'a> {
    /// Came or left.
    pub user: Direction,
    /// How many connections of the whole cluster are in the room now.
    pub count: u64,
    /// The node where it happened.
    pub node: &'a str,
    /// When, in milliseconds since 1970.
    pub timestamp: u64,
    /// The volatile data of the subscription.
    pub volatile: Option<&'a RawValue>,
    /// The index.
    pub index: &'a str,
    /// The collection.
    pub collection: &'a str,
    /// `subscribe`, `join` or `unsubscribe`.
    pub action: &'a str,
    /// How the user is connected.
    pub protocol: &'a str,
}

impl<'a> UserNotification<'a> {
    /// The payload for other nodes. The room travels beside it.
    pub fn encode(&self) -> Vec<u8> {
        encoded(&Wire {
            user: self.user,
            count: self.count,
            node: self.node,
            timestamp: self.timestamp,
            volatile: self.volatile.map(RawValue::get),
            index: self.index,
            collection: self.collection,
            action: self.action,
            protocol: self.protocol,
        })
    }

    /// Reads the payload of another node, at the cost of one pass over it.
    ///
    /// # Errors
    /// [`DecodeError`], for any bytes that no node writes.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let wire: Wire<'a> = decoded(payload)?;
        Ok(Self {
            user: wire.user,
            count: wire.count,
            node: wire.node,
            timestamp: wire.timestamp,
            volatile: wire.volatile.map(|text| json("volatile data", text)).transpose()?,
            index: wire.index,
            collection: wire.collection,
            action: wire.action,
            protocol: wire.protocol,
        })
    }

    /// The text for clients.
    pub fn render(&self) -> Rendered {
        #[derive(Serialize)]
        struct Count {
            count: u64,
        }
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: &'static str,
            status: u16,
            user: Direction,
            result: Count,
            node: &'a str,
            timestamp: u64,
            volatile: Option<&'a RawValue>,
            index: &'a str,
            collection: &'a str,
            controller: &'static str,
            action: &'a str,
            protocol: &'a str,
        }
        Rendered::of(&Body {
            r#type: "user",
            status: 200,
            user: self.user,
            result: Count { count: self.count },
            node: self.node,
            timestamp: self.timestamp,
            volatile: self.volatile,
            index: self.index,
            collection: self.collection,
            controller: "realtime",
            action: self.action,
            protocol: self.protocol,
        })
    }
}

/// The order of the fields is the wire's.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    user: Direction,
    count: u64,
    node: &'a str,
    timestamp: u64,
    volatile: Option<&'a str>,
    index: &'a str,
    collection: &'a str,
    action: &'a str,
    protocol: &'a str,
}
