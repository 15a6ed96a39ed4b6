//! The control messages of the membership.
//!
//! Kind 1, the greeting, carries [`Claims`] beside the position of the replicas, so the layer above builds it.

use bytes::Bytes;
use cluster_transport::proto::{Address, Incarnation, NodeId};
use serde::{Deserialize, Serialize};

use super::claims::Claims;
use crate::engine::wire::{Bounded, PeerFault, SKIPPABLE, decode, encode, split};

/// The most addresses of one node that are kept or passed on.
pub const MAX_ADDRESSES: usize = 4;
/// The most hints in a message: with four of the longest addresses each, 40 KiB.
pub(super) const MAX_HINTS: usize = 32;
/// The most rows of a view in a message: at most 30 KiB.
pub(super) const MAX_ROWS: usize = 256;

pub(crate) const HEARTBEAT: u8 = 2;
const PING: u8 = 4;
const PONG: u8 = 5;
const QUESTION: u8 = 6;
const OPINION: u8 = 7;
const HINTS: u8 = 8;
pub(crate) const COMPARE: u8 = 9;
pub(crate) const VIEW: u8 = 10;
/// Members that do not know it count the clients of a node that drains as they did.
const DRAINING: u8 = SKIPPABLE | 13;

/// How far a node is with one owner's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateRow {
    /// Whose state.
    pub owner: NodeId,
    /// Of which life of it.
    pub incarnation: Incarnation,
    /// Complete up to this version.
    pub version: u64,
    /// The hash of it.
    pub hash: u128,
}

/// When the asked member heard the one in doubt, relative to the arrival of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Heard {
    /// It has no session with that incarnation.
    NoSession,
    /// The last byte came this many milliseconds before the question.
    Before(u64),
    /// A byte came after the question.
    Since,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) round: u32,
    pub(super) node: NodeId,
    pub(super) incarnation: Incarnation,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Opinion {
    pub(super) question: Question,
    pub(super) heard: Heard,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hint {
    pub(super) node: NodeId,
    pub(super) addresses: Bounded<Address, MAX_ADDRESSES>,
}

/// A [`Hint`] that is written from what is there.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct HintRef<'a> {
    pub(super) node: &'a NodeId,
    pub(super) addresses: &'a [Address],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pong {
    pub(super) ping: u64,
    pub(super) version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Heartbeat(Claims),
    Ping(u64),
    Pong(Pong),
    Question(Question),
    Opinion(Opinion),
    Hints(Bounded<Hint, MAX_HINTS>),
    Compare,
    View(Bounded<StateRow, MAX_ROWS>),
    Draining,
}

/// As [`Message::Hints`] is encoded, of at most [`MAX_HINTS`].
pub(super) fn encode_hints(hints: &[HintRef<'_>]) -> Bytes {
    encode(HINTS, &hints)
}

impl Message {
    pub(super) fn encode(&self) -> Bytes {
        match self {
            Self::Heartbeat(claims) => encode(HEARTBEAT, claims),
            Self::Ping(ping) => encode(PING, ping),
            Self::Pong(pong) => encode(PONG, pong),
            Self::Question(question) => encode(QUESTION, question),
            Self::Opinion(opinion) => encode(OPINION, opinion),
            Self::Hints(hints) => encode(HINTS, hints),
            Self::Compare => encode(COMPARE, &()),
            Self::View(rows) => encode(VIEW, rows),
            Self::Draining => encode(DRAINING, &()),
        }
    }

    /// The message, or `None` if its kind is unknown and may be skipped.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Self>, PeerFault> {
        let (kind, body) = split(bytes)?;
        let message = match kind {
            HEARTBEAT => Self::Heartbeat(decode(kind, body)?),
            PING => Self::Ping(decode(kind, body)?),
            PONG => Self::Pong(decode(kind, body)?),
            QUESTION => Self::Question(decode(kind, body)?),
            OPINION => Self::Opinion(decode(kind, body)?),
            HINTS => Self::Hints(decode(kind, body)?),
            COMPARE => decode::<()>(kind, body).map(|()| Self::Compare)?,
            VIEW => Self::View(decode(kind, body)?),
            DRAINING => decode::<()>(kind, body).map(|()| Self::Draining)?,
            kind if kind & SKIPPABLE != 0 => return Ok(None),
            kind => return Err(PeerFault::UnknownKind { kind }),
        };
        Ok(Some(message))
    }
}

/// Whether a message of the control lane is a heartbeat.
pub(crate) fn is_heartbeat(message: &[u8]) -> bool {
    message.first() == Some(&HEARTBEAT)
}

/// Decodes a message and encodes it again.
#[cfg(any(test, feature = "sim"))]
pub(crate) fn recode(bytes: &[u8]) -> Result<Option<Bytes>, PeerFault> {
    Ok(Message::decode(bytes)?.map(|message| message.encode()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::wire::MAX_MESSAGE;
    use proptest::prelude::*;

    fn node(text: &str) -> NodeId {
        text.parse().unwrap()
    }

    fn samples() -> Vec<Message> {
        let incarnation = Incarnation { epoch: u64::MAX, nonce: u64::MAX };
        let question = Question { round: 3, node: node("b"), incarnation };
        let longest = node(&"x".repeat(63));
        let address: Address = format!("quic://{}:65535", "y".repeat(253)).parse().unwrap();
        let hint =
            Hint { node: longest.clone(), addresses: Bounded::take_from(vec![address; MAX_ADDRESSES]) };
        let row = StateRow { owner: longest, incarnation, version: u64::MAX, hash: u128::MAX };
        vec![
            Message::Heartbeat(Claims { version: 1, hash: 2, digest: 3, ready: true }),
            Message::Ping(7),
            Message::Pong(Pong { ping: 7, version: 9 }),
            Message::Question(question.clone()),
            Message::Opinion(Opinion { question: question.clone(), heard: Heard::Before(300) }),
            Message::Opinion(Opinion { question: question.clone(), heard: Heard::NoSession }),
            Message::Opinion(Opinion { question, heard: Heard::Since }),
            Message::Hints(Bounded::take_from(vec![hint; MAX_HINTS])),
            Message::Compare,
            Message::View(Bounded::take_from(vec![row; MAX_ROWS])),
            Message::Draining,
        ]
    }

    #[test]
    fn every_message_comes_back_as_it_went_and_fits_the_limit() {
        for message in samples() {
            let bytes = message.encode();
            assert!(bytes.len() <= MAX_MESSAGE, "{} bytes", bytes.len());
            assert_eq!(Message::decode(&bytes), Ok(Some(message)));
        }
    }

    #[test]
    fn an_unknown_kind_is_skipped_only_if_it_may_be() {
        assert_eq!(Message::decode(&[0x99, 1, 2]), Ok(None));
        assert_eq!(Message::decode(&[0x55]), Err(PeerFault::UnknownKind { kind: 0x55 }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(which in 0..11_usize, at in any::<prop::sample::Index>(), byte: u8) {
            let mut bytes = samples()[which].encode().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Message::decode(&bytes);
            let _ = Message::decode(&bytes[..at]);
        }
    }
}
