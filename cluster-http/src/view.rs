//! The status as the original's operators know it, and ours beside it; and as its successor's do.

use std::time::{Duration, SystemTime};

use cluster_core::runtime::{MemberStatus, Status};
use humantime::format_rfc3339_millis;
use serde_json::{Value, json};

use crate::load::{self, Loaded};

/// `count`, `current` and `pool` are the original's; everything else is this cluster's own.
pub(crate) fn status(status: &Status, load: &Loaded) -> Value {
    let pool: Vec<Value> = status.members.iter().map(member).collect();
    json!({
        "activity": status.activity,
        "cluster": status.cluster,
        "converged": status.converged,
        "count": status.members.len() + 1,
        "current": current(status),
        "defence": status.defence,
        "differsForMs": status.differs_for_ms,
        "discovery": status.discovery,
        "failure": status.failure,
        "faults": status.faults,
        "hashMismatches": status.hash_mismatches,
        "health": status.health,
        "hostEventsDropped": status.host_events_dropped,
        "keeper": status.keeper,
        "load": load::status(load),
        "minimumNodes": status.minimum_nodes,
        "notifications": {
            "avoided": status.notifications_avoided,
            "received": status.notifications_received,
            "sent": status.notifications_sent,
        },
        "moving": status.moving,
        "passesServed": status.passes_served,
        "pool": pool,
        "reasons": status.reasons,
        "registerTombstones": status.register_tombstones,
        "registers": status.registers,
        "repairs": status.repairs,
        "rooms": status.rooms,
        "tls": status.tls,
        "subscriptions": status.subscriptions,
        "tombstones": status.tombstones,
        "trace": status.trace,
    })
}

fn current(status: &Status) -> Value {
    let advertised = advertised(status);
    json!({
        "bindings": status.bindings,
        "hash": status.hash,
        "id": status.node,
        "incarnation": status.incarnation,
        "pub": advertised,
        "ready": status.ready,
        "router": status.bindings.get("router").or(advertised),
        "software": status.software,
        "uptimeMs": status.uptime_ms,
        "version": status.version,
    })
}

fn advertised(status: &Status) -> Option<&String> {
    status.bindings.get("pub").or_else(|| status.bindings.get("bind"))
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

/// As `cluster:status` of Kuzzle 2.11 and later answers: the answering node is the last one.
pub(crate) fn successor(status: &Status) -> Value {
    let me = (status.node.as_str(), status.incarnation.as_str(), advertised(status).map(String::as_str));
    let others = status.members.iter().map(|member| {
        (member.node.as_str(), member.incarnation.as_str(), member.addresses.first().map(String::as_str))
    });
    let node = |(id, incarnation, address): (&str, &str, Option<&str>)| json!({ "address": address.map(host), "birthdate": birthdate(incarnation), "id": id });
    let nodes: Vec<Value> = others.chain([me]).map(node).collect();
    let activity: Vec<Value> = status.activity.iter().filter_map(|change| happened(status, change)).collect();
    json!({ "activeNodes": nodes.len(), "activity": activity, "nodes": nodes })
}

/// A change in the successor's words: it knows two kinds, and a reason only if there is one.
fn happened(status: &Status, change: &cluster_core::runtime::Activity) -> Option<Value> {
    let id = change.node.as_deref()?;
    let event = match change.event.as_str() {
        "joined" => "joined",
        "removed" => "evicted",
        _ => return None,
    };
    let known = status.members.iter().find(|member| member.node == id);
    let reason = change.text.split_once(": ").map(|(_, why)| why).filter(|_| event == "evicted");
    let mut value = json!({
        "address": known.and_then(|member| member.addresses.first()).map(|address| host(address)),
        "date": date(change.at_ms),
        "event": event,
        "id": id,
    });
    if let (Some(fields), Some(reason)) = (value.as_object_mut(), reason) {
        fields.insert("reason".to_owned(), json!(reason));
    }
    Some(value)
}

/// The host of `tcp://host:port`.
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.rsplit_once(':').map_or(rest, |(host, _)| host).trim_matches(['[', ']'])
}

/// An epoch is the wall clock at the start of a process, or a little more.
fn birthdate(incarnation: &str) -> Option<String> {
    let epoch = incarnation.split_once('.')?.0.parse().ok()?;
    Some(date(epoch))
}

/// As ISO 8601 has it; a moment beyond its years is 1970.
fn date(unix_ms: u64) -> String {
    /// The last millisecond of the year 9999.
    const LAST: u64 = 253_402_300_799_999;
    let unix_ms = if unix_ms > LAST { 0 } else { unix_ms };
    format_rfc3339_millis(SystemTime::UNIX_EPOCH + Duration::from_millis(unix_ms)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address_has_neither_scheme_nor_port_nor_brackets() {
        assert_eq!(host("tcp://10.0.0.1:7511"), "10.0.0.1");
        assert_eq!(host("tcp://[::1]:7511"), "::1");
        assert_eq!(host("quic://node-a:7511"), "node-a");
    }

    #[test]
    fn a_birthdate_is_the_epoch_as_a_date() {
        assert_eq!(birthdate("1612271530423.00ff").as_deref(), Some("2021-02-02T13:12:10.423Z"));
        assert_eq!(birthdate("x"), None);
        assert_eq!(birthdate(&format!("{}.0", u64::MAX)).as_deref(), Some("1970-01-01T00:00:00.000Z"));
    }
}
