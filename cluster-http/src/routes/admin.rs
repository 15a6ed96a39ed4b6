//! The routes that change something.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, Path, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use cluster_core::engine::members::{Drain, HoldError};
use cluster_core::runtime::{CommandOutcome, Outcomes, Reset};
use cluster_transport::proto::NodeId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Shared;
use crate::envelope::Failure;
use crate::guard;

/// A request to change something: who sends it, and what it says.
pub(super) struct Order {
    shared: Shared,
    peer: Option<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
}

impl FromRequest<Shared> for Order {
    type Rejection = Response;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Response> {
        let peer = request.extensions().get().map(|ConnectInfo(peer)| *peer);
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, shared).await.map_err(|error| error.into_response())?;
        Ok(Self { shared: shared.clone(), peer, headers, body })
    }
}

impl Order {
    /// What is wished, if the sender is an administrator. An empty body wishes nothing in particular.
    fn wish<T: DeserializeOwned + Default>(&self, example: &str) -> Result<T, Failure> {
        let token = self.shared.cluster.config().admin_token();
        guard::check(token.as_ref().map(|token| token.expose()), self.peer, &self.headers)?;
        // An object and nothing else: a structure would take a list of its fields as well.
        let read = |body| T::deserialize(Value::Object(serde_json::from_slice(body)?));
        let wish = if self.body.is_empty() { Ok(T::default()) } else { read(&self.body) };
        wish.map_err(|error| invalid(format!("The body is neither empty nor such as {example}: {error}")))
    }

    fn answer(&self, action: &'static str, outcome: Result<Value, Failure>) -> Response {
        self.shared.exchange(action, &self.headers).answer(outcome)
    }
}

/// What a reset may be told.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetWish {
    #[serde(default)]
    blank: bool,
}

pub(super) async fn reset(order: Order) -> Response {
    let outcome = match order.wish("{\"blank\": true}") {
        Ok(ResetWish { blank }) => {
            let reset = if blank { Reset::Blank } else { Reset::Verify };
            Ok(outcomes(&order.shared.cluster.reset(reset).await))
        }
        Err(failure) => Err(failure),
    };
    order.answer("reset", outcome)
}

/// How a drain is wished.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DrainWish {
    #[serde(default)]
    force: bool,
}

pub(super) async fn drain(order: Order) -> Response {
    let wish = order.wish("{\"force\": true}");
    let outcome = wish.and_then(|DrainWish { force }| {
        let how = if force { Drain::Anyway } else { Drain::IfQuorumHolds };
        let drained = order.shared.cluster.drain(how);
        drained.map_err(|error| refused("plugin.cluster.drain_refused", 0x04ff_0003, &error))?;
        Ok(json!({ "draining": true }))
    });
    order.answer("drain", outcome)
}

/// A body without anything in it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoWish {}

pub(super) async fn forget(Path(node): Path<String>, order: Order) -> Response {
    let wish = order.wish("{}");
    let outcome = wish.and_then(|NoWish {}| {
        let node = node_id(&node)?;
        order.shared.cluster.forget(&node).map_err(|error| unknown(&error))?;
        Ok(json!({ "forgotten": node.as_str() }))
    });
    order.answer("forget", outcome)
}

/// Which verdicts are held, and for how long.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldWish {
    node: String,
    seconds: f64,
}

pub(super) async fn hold(order: Order) -> Response {
    let wish = order.wish("{\"node\": \"node-a\", \"seconds\": 600}");
    let outcome = wish.and_then(|HoldWish { node, seconds }| {
        let node = node_id(&node)?;
        let span = Duration::try_from_secs_f64(seconds)
            .map_err(|error| invalid(format!("{seconds} is no number of seconds: {error}")))?;
        match order.shared.cluster.hold(&node, span) {
            Ok(()) => Ok(json!({ "held": node.as_str(), "seconds": seconds })),
            Err(error @ HoldError::UnknownNode(_)) => Err(unknown(&error)),
            Err(error) => Err(invalid(error.to_string())),
        }
    });
    order.answer("hold", outcome)
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
