//! What a member's process is told to do, and what it answers: one JSON object a line, in turn.
//!
//! Times are nanoseconds of the monotonic clock that all processes of a machine share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::latency::Percentiles;
use super::super::usage::{self, Usage};

/// What a member is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Start with these settings.
    Start { settings: Vec<String> },
    /// Say when it became ready.
    Ready,
    /// Put a connection of its own into each of these rooms, and wait until every peer has them.
    Subscribe(Rooms),
    /// Do the same for one room after the other.
    SubscribeSingly(Rooms),
    /// Say when its host knew that there are so many rooms.
    Know { rooms: u64 },
    /// Say when this node was no member any more, and its host knew that there are so many rooms.
    Lose { node: String, rooms: u64 },
    /// Say how it is.
    Look,
}

/// Rooms by their numbers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Rooms {
    /// The number of the first.
    pub(super) first: u64,
    /// How many there are.
    pub(super) count: u64,
    /// How many of them are in one collection.
    pub(super) in_collection: u64,
    /// The length of their filters, in bytes.
    pub(super) filters: usize,
}

/// What a member answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// It listens there; it began to start at this time, and was like this before.
    Started { began: u64, address: String, before: Footprint },
    /// What was awaited came about at this time.
    At(u64),
    /// What subscribing took.
    Subscribed { began: u64, called: u64, heard: u64 },
    /// How long each subscription took until every peer had it, in microseconds.
    Singly(Option<Percentiles>),
    /// How it is.
    Look(Look),
    /// It cannot do it.
    Failed { why: String },
}

/// How a member is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Look {
    /// The version and hash of its own state.
    pub(super) own: (u64, String),
    /// The version and hash of what it has of each other member's state.
    pub(super) others: BTreeMap<String, (u64, String)>,
    /// Why it writes no trace, if it was to.
    pub(super) untraced: Option<String>,
    pub(super) footprint: Footprint,
}

/// What a member's process takes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Footprint {
    /// The resident memory now, in bytes.
    pub(super) resident: u64,
    /// What it has used up to now.
    pub(super) usage: Usage,
}

impl Footprint {
    /// Of this process, now.
    pub(super) fn now() -> Self {
        Self { resident: usage::resident(), usage: Usage::now() }
    }
}
