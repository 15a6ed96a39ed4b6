//! The wire: framed publish and request/reply between the members of a cluster, over any byte stream.
//!
//! [`proto`] is pure: bytes and time in, bytes and events out. Around it, with the feature `tokio` (on by default),
//! are the links, TLS, bindings and the endpoint. With `--no-default-features` tokio is not in the tree.

pub mod proto;
