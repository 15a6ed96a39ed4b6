//! The pure protocol: no tokio, no clock, no socket. Bytes and `now` go in, bytes and events come out.
//!
//! Every machine in here has the same four kinds of methods. `handle_*` takes what the world did and never fails.
//! Plain verbs take what the application wants and return a `Result`. `poll_*` gives outputs, and `poll_timeout` the one
//! next deadline. Getters take `&self`. Time is always an argument and randomness a seeded generator, so a run is
//! a function of its inputs; any order, loss, delay or repetition of input is answered, never assumed away.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod address;
pub mod body;
pub mod credentials;
pub mod endpoint;
mod few;
pub mod frame;
pub mod hash;
pub mod identity;
pub mod lane;
pub mod lanes;
pub mod requests;
pub mod session;
pub mod time;
pub mod tunnel;
pub mod wire;

pub use address::{Address, AddressError};
pub use credentials::{CertifiedNames, PeerIdentity};
pub use identity::{ClusterName, Incarnation, NameError, NodeId, SessionId};
pub use lane::{Lane, PerLane};
pub use time::Instant;
