//! Replicated rooms: every fact has one writer, and the cluster's state is the union over the live owners.
//!
//! A node owns the counts of its own clients in each room and tells every member its changes as one stream in version
//! order ([`message`]). [`State`] is put together from small machines that know nothing of each other: the owner's
//! `log`, a `sender` and a `receiver` per peer, a `replica` per owner, the union in `table`, and `local` subscriptions.

mod chores;
mod collections;
mod counters;
mod event;
mod hash;
mod limits;
mod local;
mod log;
mod machine;
pub mod message;
mod moving;
mod peer;
mod receiver;
mod replica;
mod replication;
mod sender;
mod stall;
mod table;
#[cfg(test)]
mod tests;
mod turns;
mod verbs;
mod view;

pub use collections::CollectionName;
pub use counters::StateCounters;
pub use event::{Change, RoomEvent, StateEvent};
pub use limits::{DEFAULT_MAX_BYTES, DEFAULT_MAX_ROOMS, DEFAULT_MAX_TOMBSTONES, StateLimits};
pub use machine::State;
pub use message::Position;
pub use replication::Intake;
pub use turns::MAX_PASSES;
pub use verbs::{JoinError, Left, NotSubscribed, SubscribeError, Subscribed};
pub use view::{OwnerView, RoomCount};
