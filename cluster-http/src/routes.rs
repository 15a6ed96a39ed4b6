//! The three routes of the original.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use cluster_core::runtime::{Cluster, CommandOutcome, Outcomes, Reset};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::envelope::{Exchange, Failure};
use crate::{guard, view};

/// The longest body of a request, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// The routes of a member, to be merged into the host's own router.
///
/// `POST /_plugin/cluster/reset` is guarded: with `plugins.cluster.adminToken` set, the header `Authorization: Bearer <token>` is
/// required from everywhere; without it only loopback is answered, and not what came through a proxy or from a web page.
/// For that each request needs its `ConnectInfo<SocketAddr>`, as `into_make_service_with_connect_info` gives it; otherwise
/// nobody is taken for local.
pub fn router(cluster: Cluster) -> Router {
    Router::new()
        .route("/_plugin/cluster/health", get(health))
        .route("/_plugin/cluster/status", get(status))
        .route("/_plugin/cluster/reset", post(reset))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(cluster)
}

async fn health(State(cluster): State<Cluster>, headers: HeaderMap) -> Response {
    let readiness = cluster.readiness();
    let outcome = if readiness.ready { Ok(json!("ok")) } else { Err(not_ready(readiness.reasons)) };
    Exchange::new("health", cluster.node_id().as_str(), &headers).answer(outcome)
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

async fn status(State(cluster): State<Cluster>, headers: HeaderMap) -> Response {
    let exchange = Exchange::new("status", cluster.node_id().as_str(), &headers);
    exchange.answer(Ok(view::status(&cluster.status())))
}

/// What a reset may be told.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    #[serde(default)]
    blank: bool,
}

async fn reset(
    State(cluster): State<Cluster>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let exchange = Exchange::new("reset", cluster.node_id().as_str(), &headers);
    let token = cluster.config().admin_token();
    let peer = peer.map(|Extension(ConnectInfo(peer))| peer);
    let outcome = match guard::check(token.as_ref().map(|token| token.expose()), peer, &headers) {
        Ok(()) => match wish(&body) {
            Ok(reset) => Ok(outcomes(&cluster.reset(reset).await)),
            Err(failure) => Err(failure),
        },
        Err(failure) => Err(failure),
    };
    exchange.answer(outcome)
}

fn wish(body: &[u8]) -> Result<Reset, Failure> {
    let wish = match body {
        [] => Ok(Wish::default()),
        body => serde_json::from_slice(body),
    };
    match wish {
        Ok(Wish { blank: true }) => Ok(Reset::Blank),
        Ok(Wish { blank: false }) => Ok(Reset::Verify),
        Err(error) => Err(Failure {
            status: StatusCode::BAD_REQUEST,
            id: "api.assert.invalid_argument",
            code: 0x0201_0002,
            message: format!("The body is neither empty nor {{\"blank\": true}}: {error}"),
            props: Vec::new(),
        }),
    }
}

/// What became of it at each member; `outcome` is `ok` if all have done it.
fn outcomes(outcomes: &Outcomes) -> Value {
    let words = |outcome: &CommandOutcome| match outcome {
        CommandOutcome::Done => json!({ "outcome": "done" }),
        CommandOutcome::Refused(why) => json!({ "outcome": "refused", "reason": why }),
        CommandOutcome::Unreachable(why) => json!({ "outcome": "unreachable", "reason": why }),
    };
    let members: serde_json::Map<String, Value> =
        outcomes.iter().map(|(node, outcome)| (node.to_string(), words(outcome))).collect();
    let all = outcomes.values().all(|outcome| *outcome == CommandOutcome::Done);
    json!({ "members": members, "outcome": if all { "ok" } else { "partial" } })
}
