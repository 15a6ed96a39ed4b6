//! The brain: membership, replicated rooms, discovery and configuration.
//!
//! [`engine`] is pure. [`runtime`] drives it on real links and gives out the [`Cluster`](runtime::Cluster) handle; what a node
//! implementation has to give in return is a [`Host`](host::Host).
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "clippy.toml bans them for the pure parts, which deny them again"
)]

mod backoff;
pub mod config;
pub mod discovery;
pub mod engine;
pub mod host;
pub mod keeper;
#[cfg(test)]
mod protocol_md;
pub mod runtime;
pub mod seldom;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
pub mod store;
