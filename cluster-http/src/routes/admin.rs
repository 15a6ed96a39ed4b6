//! The routes that change something.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use cluster_core::runtime::{CommandOutcome, Outcomes, Reset};
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
        let wish = if body.is_empty() { Ok(T::default()) } else { serde_json::from_slice(body) };
        wish.map_err(|error| Failure {
            status: StatusCode::BAD_REQUEST,
            id: "api.assert.invalid_argument",
            code: 0x0201_0002,
            message: format!("The body is neither empty nor such as {example}: {error}"),
            props: Vec::new(),
        })
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
