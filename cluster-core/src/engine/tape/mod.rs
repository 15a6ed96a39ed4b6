//! The tape: every input of one engine, so that another engine can be given the same again and come to the same.
//!
//! [`Engine::tape_to`](super::Engine::tape_to) hands records to a [`TapeSink`]; [`mod@file`] is how they are kept; a [`Replay`] is the
//! engine that plays them. Each record carries a check over all outputs and the state before it, and a replay records again
//! what it plays: so it finds the first input after which it differs. Nothing here does IO, and an engine that is not
//! taped pays one branch for an input.

mod dialled;
pub mod file;
mod head;
mod input;
mod recorder;
mod replay;

use cluster_transport::proto::Instant;
use serde::{Deserialize, Serialize};

pub use dialled::Dialled;
pub use head::{Head, HeadError};
pub use input::{Input, Room};
pub(super) use recorder::Tape;
pub use recorder::TapeSink;
pub use replay::{Difference, Replay};

/// One record of a tape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record<'a> {
    /// The engine was given something, or asked for something that it had.
    Input {
        /// Nanoseconds of the engine's clock since the record before; none pass when it is asked for something.
        elapsed: i64,
        /// Over all outputs and the state before it.
        check: u32,
        /// What it was given.
        #[serde(borrow)]
        input: Input<'a>,
    },
    /// The last record.
    End(Ending),
}

/// Why a tape ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// The node stopped.
    Stopped,
    /// The tape is as long as it may be.
    Limit,
    /// Inputs came faster than the disk took them: one with a hole in it could not be replayed.
    CutOff,
    /// The disk took no more.
    Failed,
    /// An input was longer than a record may be: see [`file::MAX_CHUNK`].
    TooLong,
    /// An input could not be encoded.
    Unencodable,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stopped => "its node stopped",
            Self::Limit => "it reached its limit",
            Self::CutOff => "it was cut off: inputs came faster than the disk took them",
            Self::Failed => "the disk took no more",
            Self::TooLong => "an input was longer than the 16 MiB of a record",
            Self::Unencodable => "an input could not be encoded, which is a mistake of the software",
        })
    }
}

/// The time that a record says has passed, as a point.
fn after(last: Instant, elapsed: i64) -> Instant {
    let span = std::time::Duration::from_nanos(elapsed.unsigned_abs());
    if elapsed < 0 { last - span } else { last + span }
}

/// How long after `last` a point is, in nanoseconds: negative for clocks of simulations that were set back.
fn elapsed(last: Instant, now: Instant) -> i64 {
    let nanos = |span: std::time::Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    if now < last { -nanos(last.since(now)) } else { nanos(now.since(last)) }
}

#[cfg(test)]
mod tests;
