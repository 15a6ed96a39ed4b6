//! The pure engine: what a node knows of its cluster. No tokio, clock or socket: input and `now` go in, values come out.
//!
//! [`Engine`] puts machines together that know nothing of each other: [`state`], the rooms of all owners, [`members`], who is
//! there, and [`registers`], the values with many writers. The runtime and the simulation drive the same engine.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod by_node;
mod composition;
pub mod continuity;
mod deadline;
pub mod events;
pub mod flight;
mod greeting;
pub mod input;
pub mod members;
pub mod notification;
#[cfg(test)]
mod protocol_md;
#[cfg(any(test, feature = "sim"))]
pub mod recode;
pub mod registers;
pub mod room;
pub mod state;
pub mod tape;
pub mod wire;
pub mod wiring;

pub use composition::{Engine, EngineEvent, EngineSettings, Interest, Transmit};
pub use continuity::ContinuityEvent;
pub use events::{ClusterEvent, IndexEntry};
pub use members::Members;
pub use notification::{Notification, NotificationKind};
pub use registers::Registers;
pub use room::{ConnectionId, RoomError, RoomId, RoomIdError, RoomInfo};
pub use state::State;
pub use wire::PeerFault;
