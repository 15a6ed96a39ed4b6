//! The node's server as clients see it, on real sockets.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod api;
mod cluster;
mod http;
mod limits;
mod plain;
mod resets;
mod sharing;
mod support;
