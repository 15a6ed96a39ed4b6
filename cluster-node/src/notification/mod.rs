//! Notifications: how they travel between nodes, and how clients see them.
//!
//! A notification is written once for the cluster (`encode`, a format byte and postcard) and once for clients
//! (`render`), to which each channel only adds its name. A receiving node borrows everything from the payload; bytes
//! of another node are refused or give a notification that renders as JSON, and never cost more memory than they
//! have.

mod document;
#[cfg(test)]
mod tests;
mod user;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::api::Channel;

pub use document::{DocumentNotification, Event, published_result, stamped};
pub use user::UserNotification;

/// Into a room or out of it: a document and its filter, or a user and the room's subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Enters, or stays.
    In,
    /// Leaves.
    Out,
}

/// A notification for clients that lacks only the name of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// A JSON object without its closing brace.
    open: String,
}

impl Rendered {
    fn of(notification: &impl Serialize) -> Self {
        #[expect(clippy::expect_used, reason = "texts, numbers and checked JSON always serialize")]
        let mut open = serde_json::to_string(notification).expect("a notification is JSON");
        open.pop();
        Self { open }
    }

    /// The JSON text for the subscribers of one channel.
    pub fn for_channel(&self, channel: &Channel) -> String {
        format!("{},\"room\":\"{channel}\"}}", self.open)
    }
}

/// Why bytes are not a notification. The sender is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Another version of the format, or no bytes at all.
    #[error("a notification of format {got:?}, this node reads format 1")]
    Format {
        /// The first byte.
        got: Option<u8>,
    },
    /// The bytes cannot be decoded, or some are left over.
    #[error("the bytes are not a notification")]
    Malformed,
    /// A part that is handed on to clients is not JSON.
    #[error("the {part} of the notification is not JSON")]
    NotJson {
        /// Which part.
        part: &'static str,
    },
}

fn encoded(wire: &impl Serialize) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "a growing buffer takes whatever these plain types write")]
    postcard::to_extend(wire, vec![FORMAT]).expect("encoding into memory does not fail")
}

fn decoded<'a, Wire: Deserialize<'a>>(payload: &'a [u8]) -> Result<Wire, DecodeError> {
    match payload.split_first() {
        Some((&FORMAT, body)) => match postcard::take_from_bytes(body) {
            Ok((wire, [])) => Ok(wire),
            _ => Err(DecodeError::Malformed),
        },
        other => Err(DecodeError::Format { got: other.map(|(format, _)| *format) }),
    }
}

fn json<'a>(part: &'static str, text: &'a str) -> Result<&'a RawValue, DecodeError> {
    serde_json::from_str(text).map_err(|_| DecodeError::NotJson { part })
}

/// The first byte of every payload. Another layout gets another number.
const FORMAT: u8 = 1;
