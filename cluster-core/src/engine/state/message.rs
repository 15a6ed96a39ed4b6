//! The messages of the state lane, from an owner to a member (`Begin`, `Delta`) and back (`Ask`).
//!
//! `Delta` says what changed after version `from` up to version `to`, as absolute counts. Collections are named once per
//! message. `caught_up` is there when `to` is all there is, and carries the hash of the owner's whole state.

use std::num::NonZeroU32;

use cluster_transport::proto::Incarnation;
use serde::{Deserialize, Serialize};

use crate::engine::room::RoomId;
use crate::engine::wire::Bounded;

/// The longest delta, in bytes; it leaves room in a frame for what the lane puts around it.
pub const MAX_DELTA: usize = 60 * 1024;
/// The most changes in one delta.
pub const MAX_CHANGES: usize = 1_000;

pub(super) const BEGIN: u8 = 1;
pub(super) const DELTA: u8 = 2;
pub(super) const ASK: u8 = 3;

/// What a member has of an owner's state; the owner goes on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// Nothing that could be gone on from.
    Nothing,
    /// Everything up to a version.
    At {
        /// The owner's incarnation.
        incarnation: Incarnation,
        /// The version.
        version: u64,
    },
    /// A part of a pass over everything.
    Pass {
        /// The owner's incarnation.
        incarnation: Incarnation,
        /// The owner's version when it began the pass.
        start: u64,
        /// The version up to which it came.
        position: u64,
    },
}

/// A pass over everything begins: what it does not mention is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begin {
    pub(super) start: u64,
}

/// "Go on from here": after a gap, or with [`Position::Nothing`] for a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ask {
    pub(super) position: Position,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Delta<'a> {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) caught_up: Option<u128>,
    #[serde(borrow)]
    pub(super) collections: Bounded<WireCollection<'a>, MAX_CHANGES>,
    #[serde(borrow)]
    pub(super) entries: Bounded<WireEntry<'a>, MAX_CHANGES>,
    pub(super) removed: Bounded<RoomId, MAX_CHANGES>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireCollection<'a> {
    pub(super) index: &'a str,
    pub(super) collection: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireEntry<'a> {
    pub(super) id: RoomId,
    /// The place of the collection's name in the message.
    pub(super) collection: u16,
    pub(super) count: NonZeroU32,
    pub(super) filters: &'a [u8],
}

/// The most that the fields of a delta take without their items.
pub(super) const DELTA_BYTES: usize = 1 + 2 * 10 + 20 + 3 * 3;

impl WireCollection<'_> {
    pub(super) fn max_len(&self) -> usize {
        4 + self.index.len() + self.collection.len()
    }
}

impl WireEntry<'_> {
    pub(super) fn max_len(&self) -> usize {
        REMOVED_BYTES + 3 + 5 + 3 + self.filters.len()
    }
}

/// What a removed room takes.
pub(super) const REMOVED_BYTES: usize = 1 + RoomId::LEN;
