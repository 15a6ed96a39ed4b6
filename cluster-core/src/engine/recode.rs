//! Decodes a message of each lane and encodes it again, for harnesses that prove the codecs: what decodes must encode to what
//! decodes equal. `None` stands for a message that is skipped.

use bytes::Bytes;

use super::events::ClusterEvent;
use super::greeting::{APPLIED, Applied, Greeting};
use super::members::{self, GREETING};
use super::notification::{Notification, head};
use super::state::message;
use super::wire::{PeerFault, split};

/// A message of the control lane.
///
/// # Errors
/// When it does not decode.
pub fn control(message: &[u8]) -> Result<Option<Bytes>, PeerFault> {
    let (kind, body) = split(message)?;
    match kind {
        GREETING => Greeting::decode(body).map(|greeting| Some(greeting.encode())),
        APPLIED => Applied::decode(body).map(|applied| Some(applied.encode())),
        _ => members::recode(message),
    }
}

/// A message of the state lane.
///
/// # Errors
/// When it does not decode.
pub fn state(message: &[u8]) -> Result<Option<Bytes>, PeerFault> {
    message::recode(message)
}

/// A message of the events lane.
///
/// # Errors
/// When it does not decode.
pub fn event(message: &[u8]) -> Result<Option<Bytes>, PeerFault> {
    Ok(ClusterEvent::decode(message)?.map(|event| event.encode()))
}

/// A message of the notifications lane.
///
/// # Errors
/// When it does not decode.
pub fn notification(message: Bytes) -> Result<Option<Bytes>, PeerFault> {
    let encode = |notification: Notification| {
        [head(notification.kind, &notification.rooms), notification.payload.into()].concat()
    };
    Ok(Notification::decode(message)?.map(|notification| encode(notification).into()))
}
