//! What subscribers hear of a document.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use super::{DecodeError, Direction, Rendered, decoded, encoded, json};
use crate::api::ANONYMOUS;

/// The kind of an action on a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Created, updated or replaced.
    Write,
    /// Deleted.
    Delete,
    /// Published without being stored.
    Publish,
}

/// A document notification; serialized it is what clients get, but for `type`, `status` and `room`.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentNotification<'a> {
    /// The action of the request that caused it.
    pub action: &'a str,
    /// Whether the document enters or stays in the rooms, or leaves them.
    pub scope: Direction,
    /// `_id`, `_source` and, of updates, `_updatedFields`.
    pub result: &'a RawValue,
    /// The node that took the request.
    pub node: &'a str,
    /// The kind of the action.
    pub event: Event,
    /// The request's id.
    pub request_id: &'a str,
    /// When the request was taken, in milliseconds since 1970.
    pub timestamp: u64,
    /// The request's volatile data.
    pub volatile: Option<&'a RawValue>,
    /// The index.
    pub index: &'a str,
    /// The collection.
    pub collection: &'a str,
    /// The controller of the request.
    pub controller: &'a str,
    /// How the request came.
    pub protocol: &'a str,
}

impl<'a> DocumentNotification<'a> {
    /// The payload for other nodes. The rooms travel beside it.
    pub fn encode(&self) -> Vec<u8> {
        encoded(&Wire {
            action: self.action,
            scope: self.scope,
            result: self.result.get(),
            node: self.node,
            event: self.event,
            request_id: self.request_id,
            timestamp: self.timestamp,
            volatile: self.volatile.map(RawValue::get),
            index: self.index,
            collection: self.collection,
            controller: self.controller,
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
            action: wire.action,
            scope: wire.scope,
            result: json("result", wire.result)?,
            node: wire.node,
            event: wire.event,
            request_id: wire.request_id,
            timestamp: wire.timestamp,
            volatile: wire.volatile.map(|text| json("volatile data", text)).transpose()?,
            index: wire.index,
            collection: wire.collection,
            controller: wire.controller,
            protocol: wire.protocol,
        })
    }

    /// The text for clients.
    pub fn render(&self) -> Rendered {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: &'static str,
            status: u16,
            #[serde(flatten)]
            notification: &'a DocumentNotification<'a>,
        }
        Rendered::of(&Body { r#type: "document", status: 200, notification: self })
    }
}

/// A message with what Kuzzle adds before it is matched and sent: who wrote it, and when in milliseconds since 1970.
pub fn stamped(mut body: Map<String, Value>, created_at: u64) -> Value {
    body.insert("_kuzzle_info".to_owned(), json!({"author": ANONYMOUS, "createdAt": created_at}));
    Value::Object(body)
}

/// The result of a publish: the message, under its id if it has one.
pub fn published_result(id: Option<&str>, source: &Value) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Published<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        _id: Option<&'a str>,
        _source: &'a Value,
    }
    #[expect(clippy::expect_used, reason = "a text and a JSON value always serialize")]
    to_raw_value(&Published { _id: id, _source: source }).expect("a result is JSON")
}

/// The order of the fields is the wire's.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    action: &'a str,
    scope: Direction,
    result: &'a str,
    node: &'a str,
    event: Event,
    request_id: &'a str,
    timestamp: u64,
    volatile: Option<&'a str>,
    index: &'a str,
    collection: &'a str,
    controller: &'a str,
    protocol: &'a str,
}
