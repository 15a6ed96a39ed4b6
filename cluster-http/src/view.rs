//! The status as the original's operators know it, and ours beside it.

use cluster_core::runtime::{MemberStatus, Status};
use serde_json::{Value, json};

/// `count`, `current` and `pool` are the original's; everything else is this cluster's own.
pub(crate) fn status(status: &Status) -> Value {
    let pool: Vec<Value> = status.members.iter().map(member).collect();
    json!({
        "cluster": status.cluster,
        "converged": status.converged,
        "count": status.members.len() + 1,
        "current": current(status),
        "discovery": status.discovery,
        "failure": status.failure,
        "faults": status.faults,
        "hashMismatches": status.hash_mismatches,
        "health": status.health,
        "hostEventsDropped": status.host_events_dropped,
        "minimumNodes": status.minimum_nodes,
        "notifications": { "avoided": status.notifications_avoided, "sent": status.notifications_sent },
        "passesServed": status.passes_served,
        "pool": pool,
        "reasons": status.reasons,
        "rooms": status.rooms,
        "tls": status.tls,
    })
}

fn current(status: &Status) -> Value {
    let binding = |name: &str| status.bindings.get(name);
    let advertised = binding("pub").or_else(|| binding("bind"));
    json!({
        "hash": status.hash,
        "id": status.node,
        "incarnation": status.incarnation,
        "pub": advertised,
        "ready": status.ready,
        "router": binding("router").or(advertised),
        "version": status.version,
    })
}

/// A member advertises one place for everything, so its `router` is its `pub`.
fn member(member: &MemberStatus) -> Value {
    let address = member.addresses.first();
    let mut value = serde_json::to_value(member).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("node");
        fields.insert("id".to_owned(), json!(member.node));
        fields.insert("pub".to_owned(), json!(address));
        fields.insert("router".to_owned(), json!(address));
    }
    value
}
