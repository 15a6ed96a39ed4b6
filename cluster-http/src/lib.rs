//! The cluster's HTTP routes as an `axum::Router`.
//!
//! | route | answers |
//! |---|---|
//! | `GET /_plugin/cluster/` | the dashboard: one page without external resources |
//! | `GET …/health` | 200 with `ok` when this node serves clients, or with `overloaded`, else 503 with the reasons |
//! | `GET …/health/live` | 200 while the member runs, whatever becomes of others |
//! | `GET …/health/ready` | as `health`, with readiness and reasons in the result |
//! | `GET …/status`, `…/status/matrix` | what this node knows of itself and of the others; what every node sees of every other |
//! | `GET …/events` | both as server-sent events, and each change in the membership |
//! | `GET …/flight-recorder` | the last 1,000 decisions, one JSON object a line |
//! | `GET …/metrics` | OpenMetrics |
//! | `GET …/openapi.json` | this table for machines |
//! | `POST …/reset` | has every member check what it has of every other; guarded, see [`router`] |
//! | `POST …/drain`, `…/forget/{node}`, `…/hold` | what operators do with members; guarded |
//! | `GET /cluster/_status` | the status in the form of Kuzzle 2.11 and later |
//!
//! Answers in JSON are in the envelope of Kuzzle 2.56, with the keys in alphabetical order.

mod envelope;
mod guard;
mod hub;
mod load;
mod metrics;
mod routes;
mod view;

pub use load::{Figure, HostLoad};
pub use metrics::METRIC_PEERS;
pub use routes::{router, router_with_load};

/// The result of `cluster:status` as Kuzzle 2.11 and later have it, for a host that has this action in its API: what
/// `GET /cluster/_status` answers.
pub fn successor_status(status: &cluster_core::runtime::Status) -> serde_json::Value {
    view::successor(status)
}
