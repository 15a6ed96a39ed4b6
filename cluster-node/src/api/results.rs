//! The results of the actions, as they stand in `result`.

use std::collections::BTreeMap;

use cluster_core::engine::RoomId;
use serde_json::{Value, json};

use super::{ANONYMOUS, Channel};

/// `auth:checkToken`: without a token the client is anonymous and fine; this node issues none, so it knows none.
pub fn check_token(token: Option<&str>) -> Value {
    match token {
        None => json!({"expiresAt": null, "kuid": ANONYMOUS, "valid": true}),
        Some(_) => json!({"state": "Invalid token", "valid": false}),
    }
}

/// `auth:getStrategies`: their names, sorted.
pub fn strategies(names: impl IntoIterator<Item = String>) -> Value {
    names.into_iter().collect()
}

/// `server:now`, in milliseconds since 1970.
pub fn now(milliseconds: u64) -> Value {
    json!({ "now": milliseconds })
}

/// `realtime:subscribe` and `realtime:join`.
pub fn subscribed(channel: &Channel) -> Value {
    json!({"channel": channel.to_string(), "roomId": channel.room.to_string()})
}

/// `realtime:unsubscribe`.
pub fn unsubscribed(room: &RoomId) -> Value {
    json!({ "roomId": room.to_string() })
}

/// `realtime:count`, over the whole cluster. Clients of nodes that drain are `moving`, and not counted; it is there if there are any.
pub fn count(connections: u64, moving: u64) -> Value {
    match moving {
        0 => json!({ "count": connections }),
        moving => json!({ "count": connections, "moving": moving }),
    }
}

/// `realtime:list`: index, collection, room and count, over the whole cluster, in any order.
pub fn list<'a>(rooms: impl IntoIterator<Item = (&'a str, &'a str, RoomId, u64)>) -> Value {
    let mut indexes: BTreeMap<&str, BTreeMap<&str, BTreeMap<String, u64>>> = BTreeMap::new();
    for (index, collection, room, count) in rooms {
        indexes.entry(index).or_default().entry(collection).or_default().insert(room.to_string(), count);
    }
    json!(indexes)
}

/// `realtime:publish`.
pub fn published() -> Value {
    json!({"published": true})
}
