//! What the state tells its host.

use std::fmt;

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
    /// A range of an owner's stream is missing, and was asked for.
    Gap {
        /// The owner.
        owner: NodeId,
        /// What is here reaches up to this version.
        from: u64,
        /// What came begins after this one.
        to: u64,
    },
    /// An owner's heartbeats tell of more than is here, and nothing brought that further: it was lost in silence, and was asked for
    /// again.
    AskedAgain {
        /// The owner.
        owner: NodeId,
        /// What is here reaches up to this version.
        from: u64,
        /// The owner has this one.
        to: u64,
        /// How often by now, since something is missing.
        times: u32,
    },
    /// A pass over an owner's state began.
    PassBegun {
        /// The owner.
        owner: NodeId,
        /// The owner's version when it began.
        start: u64,
        /// Whether it replaces an unfinished one.
        again: bool,
    },
    /// A pass over an owner's state is complete.
    PassDone {
        /// The owner.
        owner: NodeId,
        /// The version up to which its state is here.
        version: u64,
        /// How many rooms were found gone.
        swept: usize,
    },
    /// A replica differs from its owner under the same version; a pass will repair it.
    Differs {
        /// The owner.
        owner: NodeId,
        /// The version.
        version: u64,
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

impl StateEvent {
    /// Whether it is a step of everyday repair, which calls for nobody's attention.
    pub fn is_routine(&self) -> bool {
        matches!(
            self,
            Self::Gap { .. }
                | Self::PassBegun { .. }
                | Self::PassDone { .. }
                | Self::Verified { equal: true, .. }
        )
    }
}

impl fmt::Display for StateEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FilterConflict { owner, room, rooms } => {
                write!(
                    f,
                    "{owner} describes {rooms} rooms otherwise than who told of them first, such as {room}"
                )
            }
            Self::Gap { owner, from, to } => {
                write!(f, "what {owner} said between its versions {from} and {to} is missing: asked for")
            }
            Self::AskedAgain { owner, from, to, .. } => {
                write!(
                    f,
                    "{owner} is at version {to}, {from} is here, and nothing brings that further: asked for again"
                )
            }
            Self::PassBegun { owner, start, again: false } => {
                write!(f, "a pass over the state of {owner} began, at its version {start}")
            }
            Self::PassBegun { owner, start, again: true } => {
                write!(f, "the pass over the state of {owner} began again, at its version {start}")
            }
            Self::PassDone { owner, version, swept } => {
                write!(
                    f,
                    "the pass over the state of {owner} is complete, up to version {version}; {swept} rooms were gone"
                )
            }
            Self::Differs { owner, version } => {
                write!(
                    f,
                    "the copy of the state of {owner} differs from it under version {version}: a pass will repair it"
                )
            }
            Self::Unrepaired { owner, version } => {
                write!(
                    f,
                    "the copy of the state of {owner} still differs under version {version} after a whole pass"
                )
            }
            Self::Verified { owner, equal: true } => write!(f, "the copy of the state of {owner} equals it"),
            Self::Verified { owner, equal: false } => {
                write!(f, "the copy of the state of {owner} does not equal it after a whole pass")
            }
            Self::OverBudget { owner } => {
                write!(
                    f,
                    "{owner} holds more rooms or bytes than one member may: its state is not taken any further"
                )
            }
        }
    }
}
