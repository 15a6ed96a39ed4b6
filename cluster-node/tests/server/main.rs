//! The node's server as clients see it, on real sockets.

mod api;
mod cluster;
mod http;
mod limits;
mod support;
