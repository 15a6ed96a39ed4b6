//! The routes that change something.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use cluster_core::engine::members::{Drain, HoldError};
use cluster_core::runtime::{CommandOutcome, Outcomes, Reset};
use cluster_transport::proto::NodeId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Shared;
use crate::envelope::Failure;
use crate::guard;

type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

/// What a reset may be told.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetWish {
    #[serde(default)]
    blank: bool,
}

pub(super) async fn reset(
    State(shared): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let outcome = match shared.wish(peer, &headers, &body, "{\"blank\": true}") {
        Ok(ResetWish { blank }) => {
            let reset = if blank { Reset::Blank } else { Reset::Verify };
            Ok(outcomes(&shared.cluster.reset(reset).await))
        }
        Err(failure) => Err(failure),
    };
    shared.exchange("reset", &headers).answer(outcome)
}

/// How a drain is wished.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DrainWish {
    #[serde(default)]
    force: bool,
}

pub(super) async fn drain(
    State(shared): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let wish = shared.wish(peer, &headers, &body, "{\"force\": true}");
    let outcome = wish.and_then(|DrainWish { force }| {
        let how = if force { Drain::Anyway } else { Drain::IfQuorumHolds };
        let drained = shared.cluster.drain(how);
        drained.map_err(|error| refused("plugin.cluster.drain_refused", 0x04ff_0003, &error))?;
        Ok(json!({ "draining": true }))
    });
    shared.exchange("drain", &headers).answer(outcome)
}

/// A body without anything in it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoWish {}

pub(super) async fn forget(
    State(shared): State<Shared>,
    Path(node): Path<String>,
    peer: Peer,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let wish = shared.wish(peer, &headers, &body, "{}");
    let outcome = wish.and_then(|NoWish {}| {
        let node = node_id(&node)?;
        shared.cluster.forget(&node).map_err(|error| unknown(&error))?;
        Ok(json!({ "forgotten": node.as_str() }))
    });
    shared.exchange("forget", &headers).answer(outcome)
}

/// Which verdicts are held, and for how long.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldWish {
    node: String,
    seconds: f64,
}

pub(super) async fn hold(
    State(shared): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let wish = shared.wish(peer, &headers, &body, "{\"node\": \"node-a\", \"seconds\": 600}");
    let outcome = wish.and_then(|HoldWish { node, seconds }| {
        let node = node_id(&node)?;
        let span = Duration::try_from_secs_f64(seconds)
            .map_err(|error| invalid(format!("{seconds} is no number of seconds: {error}")))?;
        match shared.cluster.hold(&node, span) {
            Ok(()) => Ok(json!({ "held": node.as_str(), "seconds": seconds })),
            Err(error @ HoldError::UnknownNode(_)) => Err(unknown(&error)),
            Err(error) => Err(invalid(error.to_string())),
        }
    });
    shared.exchange("hold", &headers).answer(outcome)
}

fn node_id(text: &str) -> Result<NodeId, Failure> {
    text.parse().map_err(|error| invalid(format!("{error}")))
}

fn invalid(message: String) -> Failure {
    Failure {
        status: StatusCode::BAD_REQUEST,
        id: "api.assert.invalid_argument",
        code: 0x0201_0002,
        message,
        props: Vec::new(),
    }
}

fn unknown(error: &impl Display) -> Failure {
    Failure { status: StatusCode::NOT_FOUND, ..refused("plugin.cluster.unknown_node", 0x04ff_0004, error) }
}

/// The request is understood, and the cluster is not in a state for it.
fn refused(id: &'static str, code: u32, error: &impl Display) -> Failure {
    Failure {
        status: StatusCode::PRECONDITION_FAILED,
        id,
        code,
        message: error.to_string(),
        props: Vec::new(),
    }
}

impl Shared {
    /// What an administrator wishes, if the caller is one. An empty body wishes nothing in particular.
    fn wish<T: DeserializeOwned + Default>(
        &self,
        peer: Peer,
        headers: &HeaderMap,
        body: &[u8],
        example: &str,
    ) -> Result<T, Failure> {
        let token = self.cluster.config().admin_token();
        let peer = peer.map(|Extension(ConnectInfo(peer))| peer);
        guard::check(token.as_ref().map(|token| token.expose()), peer, headers)?;
        // An object and nothing else: a structure would take a list of its fields as well.
        let read = |body| T::deserialize(Value::Object(serde_json::from_slice(body)?));
        let wish = if body.is_empty() { Ok(T::default()) } else { read(body) };
        wish.map_err(|error| invalid(format!("The body is neither empty nor such as {example}: {error}")))
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
