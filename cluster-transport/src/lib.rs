//! The wire: framed publish and request/reply between the members of a cluster, over any byte stream.
//!
//! [`proto`] is pure: bytes and time in, bytes and events out. Around it, with the feature `tokio` (on by default),
//! are the links, TLS, bindings and the endpoint. With `--no-default-features` tokio is not in the tree.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "clippy.toml bans them for the pure parts, which deny them again"
)]

#[cfg(feature = "tokio")]
pub mod binding;
#[cfg(feature = "certs")]
pub mod certs;
#[cfg(feature = "tokio")]
pub mod endpoint;
#[cfg(feature = "tokio")]
pub mod link;
pub mod proto;
#[cfg(feature = "tokio")]
pub mod tls;
