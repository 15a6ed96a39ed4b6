//! The messages of the control lane that concern both machines: the greeting, and how far a peer has applied our state.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::members::{Claims, GREETING};
use super::state::Position;
use super::wire::{PeerFault, decode, encode};

/// The kind of [`Applied`].
pub(super) const APPLIED: u8 = 3;

/// The first message of each side on the control lane of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Greeting {
    /// What the node says of itself.
    pub(super) claims: Claims,
    /// What it has of the receiver's state.
    pub(super) position: Position,
}

/// "I have applied your state up to this version."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Applied {
    pub(super) version: u64,
}

impl Greeting {
    pub(super) fn encode(&self) -> Bytes {
        encode(GREETING, self)
    }

    pub(super) fn decode(body: &[u8]) -> Result<Self, PeerFault> {
        decode(GREETING, body)
    }
}

impl Applied {
    pub(super) fn encode(self) -> Bytes {
        encode(APPLIED, &self)
    }

    pub(super) fn decode(body: &[u8]) -> Result<Self, PeerFault> {
        decode(APPLIED, body)
    }
}
