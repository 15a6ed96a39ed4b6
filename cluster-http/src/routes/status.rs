//! What this node knows, and what all nodes know together.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Shared;
use crate::view;

/// How long a member may take to say what it sees.
const MATRIX_DEADLINE: Duration = Duration::from_secs(2);

pub(super) async fn status(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    shared.exchange("status", &headers).answer(Ok(view::status(&shared.cluster.status(), &shared.load)))
}

pub(super) async fn matrix(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let matrix = shared.cluster.matrix(MATRIX_DEADLINE).await;
    shared.exchange("matrix", &headers).answer(Ok(json!(matrix)))
}

/// As `cluster-node timeline` reads it.
pub(super) async fn flight_recorder(State(shared): State<Shared>) -> impl IntoResponse {
    let kind = (CONTENT_TYPE, "application/x-ndjson");
    ([kind, (CACHE_CONTROL, "no-store")], shared.cluster.flight_recorder())
}

pub(super) async fn successor(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    shared.exchange("status", &headers).answer(Ok(view::successor(&shared.cluster.status())))
}
