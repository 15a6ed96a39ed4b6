//! The cluster's HTTP routes as an `axum::Router`.
//!
//! | route | answers |
//! |---|---|
//! | `GET /_plugin/cluster/health` | 200 with `ok` when this node serves clients, else 503 with the reasons |
//! | `GET /_plugin/cluster/status` | always: what this node knows of itself and of the others |
//! | `POST /_plugin/cluster/reset` | has every member check what it has of every other; guarded, see [`router`] |
//!
//! Every answer is in the JSON envelope of Kuzzle 2.56, with the keys in alphabetical order.

mod envelope;
mod guard;
mod routes;
mod view;

pub use routes::router;
