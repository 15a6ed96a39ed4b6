//! What a lane says of a message that it was given, and of those that wait in it.

use super::super::{Instant, Lane};

/// Why a lane did not take a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The message is longer than the lane takes.
    #[error("a message of {len} bytes is over the limit of {limit} on the {lane} lane")]
    TooLong {
        /// The lane.
        lane: Lane,
        /// How long it is.
        len: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The lane does not shed, and holds as much as it may.
    #[error(
        "the {lane} lane holds {queued} unsent bytes, the limit is {limit}: try again when the peer has caught up"
    )]
    Full {
        /// The lane.
        lane: Lane,
        /// How many bytes wait.
        queued: usize,
        /// How many may.
        limit: usize,
    },
}

/// What became of a message that a lane took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Whether the link has to be woken: it was idle.
    pub wake: bool,
    /// How many older messages gave way.
    pub shed: u64,
}

/// How far a lane's receiver is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneLag {
    /// Bytes that wait to be sent.
    pub unsent_bytes: usize,
    /// Bytes that were sent and not acknowledged.
    pub unacknowledged_bytes: usize,
    /// Messages that wait, in parts counted as parts. Those that gave way count until the receiver is told of them.
    pub unsent_messages: u64,
    /// Messages taken by the lane since it was made.
    pub pushed: u64,
    /// Messages that gave way since the lane was made.
    pub shed: u64,
    /// Since when, at least, the oldest of what is not acknowledged has been there. Known to a second, and only on the lanes
    /// whose numbers go on after a lost link.
    pub oldest_since: Option<Instant>,
}
