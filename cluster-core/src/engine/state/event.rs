//! What the state tells its host.

use cluster_transport::proto::NodeId;

use crate::engine::room::{RoomId, RoomInfo};

/// A room came into the union or left it. Per room, the two alternate strictly, beginning with [`Change::Appeared`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomEvent {
    /// The state of the union that this is true of; compare it with the `at` of a verb's answer.
    pub at: u64,
    /// What happened.
    pub change: Change,
}

/// What happened to a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Somebody, this node included, has subscribers in it.
    Appeared(RoomInfo),
    /// Nobody has any more.
    Disappeared(RoomId),
}

/// What happened to the replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateEvent {
    /// An owner describes rooms otherwise than who told of them first; the first description stands.
    FilterConflict {
        /// The owner; it may be this node.
        owner: NodeId,
        /// The first such room of the message.
        room: RoomId,
        /// How many rooms of the message.
        rooms: u32,
    },
    /// A replica still differs from its owner after a whole pass; the next attempt waits for a change of the owner.
    Unrepaired {
        /// The owner.
        owner: NodeId,
        /// The owner's version.
        version: u64,
    },
    /// The pass that [`verify`](super::State::verify) asked for is complete.
    Verified {
        /// The owner.
        owner: NodeId,
        /// Whether the replica now equals what its owner says.
        equal: bool,
    },
    /// A member holds more than the limits allow; what it says from now on is not applied.
    OverBudget {
        /// The owner.
        owner: NodeId,
    },
}
