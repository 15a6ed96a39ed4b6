//! The pure engine: what a node knows of its cluster. No tokio, clock or socket: input and `now` go in, values come out.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod room;
pub mod state;
pub mod wire;

pub use room::{ConnectionId, RoomError, RoomId, RoomIdError, RoomInfo};
pub use state::State;
pub use wire::PeerFault;
