//! How the engine's messages are written: one byte of kind, then a postcard body of a fixed struct, then nothing.
//!
//! A kind with the bit [`SKIPPABLE`] that the receiver does not know is ignored; any other unknown kind is the sender's
//! fault. Whatever a peer sends is checked against its maximum before memory is spent on it.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest message of the engine, in bytes, its kind included.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// The bit of a kind that says: ignore me if you do not know me.
pub const SKIPPABLE: u8 = 0x80;

/// What a peer did that no member of this protocol does. Its session is closed; nothing else is affected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PeerFault {
    /// A message without even a kind.
    #[error("an empty message")]
    Empty,
    /// A message beyond the limit.
    #[error("a message of {got} bytes (at most {limit})")]
    TooLong {
        /// Its length.
        got: usize,
        /// The longest one allowed.
        limit: usize,
    },
    /// A kind this version does not know and may not skip.
    #[error("a message of unknown kind {kind}, which must be understood")]
    UnknownKind {
        /// The kind.
        kind: u8,
    },
    /// A body that does not decode, or holds more than its maxima allow.
    #[error("a malformed body in a message of kind {kind}")]
    Malformed {
        /// The kind.
        kind: u8,
    },
    /// Bytes after the body.
    #[error("{extra} bytes too many in a message of kind {kind}")]
    Trailing {
        /// The kind.
        kind: u8,
        /// How many bytes follow the body.
        extra: usize,
    },
    /// A version that this node has not reached yet.
    #[error("it speaks of our version {got}, but we are at {limit}")]
    FutureVersion {
        /// What it named.
        got: u64,
        /// The newest version there is.
        limit: u64,
    },
    /// A delta whose end lies before its beginning, or that ends a pass before the pass began.
    #[error("a delta from {from} to {to} that cannot be")]
    ImpossibleDelta {
        /// Its beginning, excluded.
        from: u64,
        /// Its end.
        to: u64,
    },
}

/// Writes a message. Its length is what the caller bounded it to.
#[expect(
    clippy::expect_used,
    reason = "writing to memory fails only in a type's own serialiser, and ours do not"
)]
pub fn encode<T: Serialize>(kind: u8, body: &T) -> Bytes {
    postcard::to_allocvec(&(kind, body)).expect("our own messages have a serialised form").into()
}

/// Splits a message into its kind and its body.
pub fn split(message: &[u8]) -> Result<(u8, &[u8]), PeerFault> {
    if message.len() > MAX_MESSAGE {
        return Err(PeerFault::TooLong { got: message.len(), limit: MAX_MESSAGE });
    }
    message.split_first().map(|(kind, body)| (*kind, body)).ok_or(PeerFault::Empty)
}

/// Reads a body that was split off a message of this kind; it may borrow from the message.
pub fn decode<'de, T: Deserialize<'de>>(kind: u8, body: &'de [u8]) -> Result<T, PeerFault> {
    let (value, rest) = postcard::take_from_bytes(body).map_err(|_| PeerFault::Malformed { kind })?;
    if rest.is_empty() { Ok(value) } else { Err(PeerFault::Trailing { kind, extra: rest.len() }) }
}

/// Whether a kind that nobody knows may be skipped; if not, it is the peer's fault.
pub fn skip_unknown(kind: u8) -> Result<(), PeerFault> {
    if kind & SKIPPABLE == 0 { Err(PeerFault::UnknownKind { kind }) } else { Ok(()) }
}

/// Memory for so many items of a list is taken at once when it is read; a longer one has to be there first.
const AT_ONCE: usize = 32;

/// A list of at most `MAX` items; reading a longer one fails before anything is allocated for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounded<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Bounded<T, MAX> {
    /// An empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds an item, or gives it back if the list is full.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        if self.is_full() {
            return Err(item);
        }
        self.0.push(item);
        Ok(())
    }

    /// The first `MAX` of these items.
    pub fn take_from(items: impl IntoIterator<Item = T>) -> Self {
        Self(items.into_iter().take(MAX).collect())
    }

    /// Whether nothing more fits.
    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX
    }

    /// The items.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> Default for Bounded<T, MAX> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const MAX: usize> IntoIterator for Bounded<T, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: Serialize, const MAX: usize> Serialize for Bounded<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Bounded<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BoundedVisitor(PhantomData))
    }
}

struct BoundedVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for BoundedVisitor<T, MAX> {
    type Value = Bounded<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        // A length that the message cannot hold is already hidden by postcard; one beyond MAX is refused unread.
        if items.size_hint().is_some_and(|announced| announced > MAX) {
            return Err(A::Error::custom("a list beyond its maximum"));
        }
        let mut list = Bounded(Vec::with_capacity(items.size_hint().unwrap_or(0).min(AT_ONCE)));
        while let Some(item) = items.next_element()? {
            list.push(item).map_err(|_| A::Error::custom("a list beyond its maximum"))?;
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Three = Bounded<u16, 3>;

    fn three(items: &[u16]) -> Three {
        let mut list = Three::new();
        for item in items {
            list.push(*item).unwrap();
        }
        list
    }

    #[test]
    fn a_message_is_its_kind_and_its_body() {
        let message = encode(7, &three(&[1, 300]));
        assert_eq!(&message[..], [7, 2, 1, 0xac, 0x02]);
        let (kind, body) = split(&message).unwrap();
        assert_eq!((kind, decode::<Three>(kind, body)), (7, Ok(three(&[1, 300]))));
    }

    #[test]
    fn bad_messages_are_named_faults() {
        assert_eq!(split(&[]), Err(PeerFault::Empty));
        let long = vec![0; MAX_MESSAGE + 1];
        assert_eq!(split(&long), Err(PeerFault::TooLong { got: MAX_MESSAGE + 1, limit: MAX_MESSAGE }));
        assert_eq!(decode::<Three>(7, &[4, 1, 2, 3, 4]), Err(PeerFault::Malformed { kind: 7 }));
        assert_eq!(decode::<Three>(7, &[2, 1]), Err(PeerFault::Malformed { kind: 7 }));
        assert_eq!(decode::<Three>(7, &[1, 1, 9, 9]), Err(PeerFault::Trailing { kind: 7, extra: 2 }));
    }

    #[test]
    fn an_announced_length_costs_no_memory() {
        let announced = [0xff, 0xff, 0xff, 0xff, 0x0f, 1];
        assert_eq!(decode::<Bounded<u64, 1_000>>(1, &announced), Err(PeerFault::Malformed { kind: 1 }));
    }

    #[test]
    fn only_kinds_with_the_high_bit_are_skipped() {
        assert_eq!(skip_unknown(0x81), Ok(()));
        assert_eq!(skip_unknown(0x7f), Err(PeerFault::UnknownKind { kind: 0x7f }));
    }
}
