//! The cluster's HTTP routes as an `axum::Router`.
