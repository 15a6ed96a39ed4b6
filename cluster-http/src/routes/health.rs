//! Whether this node lives, and whether it serves clients.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::Shared;
use crate::envelope::Failure;
use crate::load;

pub(super) async fn health(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let readiness = shared.cluster.readiness();
    let outcome = match readiness.ready {
        true if load::overloaded(&shared.load).is_empty() => Ok(json!("ok")),
        // Of fronts, which look at the code, none must send its clients to others, who would be overloaded next.
        true => Ok(json!("overloaded")),
        false => Err(not_ready(readiness.reasons)),
    };
    shared.exchange("health", &headers).answer(outcome)
}

/// Depends on this process alone: an orchestrator that restarts what is not live must not restart a node for its peers.
pub(super) async fn live(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let outcome = match shared.cluster.failure() {
        None => Ok(json!({ "live": true })),
        Some(why) => Err(Failure {
            status: StatusCode::SERVICE_UNAVAILABLE,
            id: "plugin.cluster.ended",
            code: 0x04ff_0002,
            message: format!("This node's membership has ended: {why}."),
            props: vec![why],
        }),
    };
    shared.exchange("live", &headers).answer(outcome)
}

pub(super) async fn ready(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let readiness = shared.cluster.readiness();
    let overloaded = load::overloaded(&shared.load);
    let result = json!({ "overloaded": overloaded, "ready": readiness.ready, "reasons": readiness.reasons });
    let failure = (!readiness.ready).then(|| not_ready(readiness.reasons));
    shared.exchange("ready", &headers).answer_with(result, failure)
}

fn not_ready(reasons: Vec<String>) -> Failure {
    Failure {
        status: StatusCode::SERVICE_UNAVAILABLE,
        id: "plugin.cluster.not_ready",
        // The last subdomain of the plugins' domain: Kuzzle gives no plugin a number of its own.
        code: 0x04ff_0001,
        message: format!("This node is not ready: {}.", reasons.join("; ")),
        props: reasons,
    }
}
