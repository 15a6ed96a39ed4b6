//! A register: a name, a value or its removal, and the stamp that decides between writers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use cluster_transport::proto::NodeId;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_128;

/// The longest key, in bytes.
pub const MAX_KEY: usize = 256;
/// The longest value, in bytes. A register always fits into one message.
pub const MAX_VALUE: usize = 16 * 1024;
/// The most keys, removed ones included: at worst 163 MiB.
pub const MAX_KEYS: usize = 10_000;
/// The highest counter of a stamp. A counter grows by one with each write of its key, so nobody gets there.
pub const MAX_COUNTER: u64 = 1 << 48;

/// Why a register cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// A key without a letter.
    #[error("the key of a register is empty: give it a name")]
    EmptyKey,
    /// A key that is too long.
    #[error("the key of a register has {got} bytes, at most {limit} are allowed: shorten it", limit = MAX_KEY)]
    KeyTooLong {
        /// Its length in bytes.
        got: usize,
    },
    /// A key that cannot be shown.
    #[error("the key {key:?} of a register has a control character: leave it out")]
    ControlCharacter {
        /// The key.
        key: String,
    },
    /// A value that is too long.
    #[error(
        "the value of a register has {got} bytes, at most {limit} are allowed: keep it elsewhere and name the place",
        limit = MAX_VALUE
    )]
    ValueTooLong {
        /// Its length in bytes.
        got: usize,
    },
    /// As many keys as there may be, removed ones included.
    #[error(
        "there are {limit} registers already, removed ones included: put several values into one",
        limit = MAX_KEYS
    )]
    TooMany,
    /// A key that was written as often as it may be.
    #[error("the register was written {limit} times: use another key", limit = MAX_COUNTER)]
    Exhausted,
}

/// The name of a register: 1 to [`MAX_KEY`] bytes of text without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterKey(Arc<str>);

impl RegisterKey {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RegisterKey {
    type Err = RegisterError;

    fn from_str(text: &str) -> Result<Self, RegisterError> {
        match text.len() {
            0 => Err(RegisterError::EmptyKey),
            got if got > MAX_KEY => Err(RegisterError::KeyTooLong { got }),
            _ if text.chars().any(char::is_control) => {
                Err(RegisterError::ControlCharacter { key: text.to_owned() })
            }
            _ => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for RegisterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RegisterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for RegisterKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RegisterKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Which write of a register it is: the higher one wins. No clock has a part in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// One more than the highest that the writer had seen of this key; 0 for a default, which fills and never overrides.
    pub counter: u64,
    /// The writer; between equal counters the larger id wins.
    pub node: NodeId,
}

/// A value, or `None` in place of a removed one; at most [`MAX_VALUE`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Value(pub(super) Option<Bytes>);

/// One register as it travels and is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterEntry {
    key: RegisterKey,
    stamp: Stamp,
    value: Value,
}

impl RegisterEntry {
    /// A register; no value stands for a removed one.
    ///
    /// # Errors
    /// When the value is above [`MAX_VALUE`], or the counter above [`MAX_COUNTER`].
    pub fn new(key: RegisterKey, stamp: Stamp, value: Option<Bytes>) -> Result<Self, RegisterError> {
        if let Some(got) = value.as_ref().map(Bytes::len).filter(|len| *len > MAX_VALUE) {
            return Err(RegisterError::ValueTooLong { got });
        }
        if stamp.counter > MAX_COUNTER {
            return Err(RegisterError::Exhausted);
        }
        Ok(Self { key, stamp, value: Value(value) })
    }

    /// Its name.
    pub fn key(&self) -> &RegisterKey {
        &self.key
    }

    /// Which write it is.
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// Its value; none if it was removed.
    pub fn value(&self) -> Option<&Bytes> {
        self.value.0.as_ref()
    }

    /// Whether it takes the place of another write of the same key. Two lives of a node may have given one stamp to two values:
    /// then the greater value wins, everywhere.
    pub fn wins_over(&self, other: &Self) -> bool {
        (&self.stamp, &self.value) > (&other.stamp, &other.value)
    }

    pub(super) fn is_possible(&self) -> bool {
        self.stamp.counter <= MAX_COUNTER
    }

    /// What it takes in a message, at most.
    pub(super) fn max_len(&self) -> usize {
        let value = self.value().map_or(0, Bytes::len);
        2 + self.key.as_str().len() + 10 + 1 + self.stamp.node.as_str().len() + 1 + 3 + value
    }

    pub(super) fn hash(&self) -> u128 {
        let (key, node) = (self.key.as_str().as_bytes(), self.stamp.node.as_str().as_bytes());
        let mut text = Vec::with_capacity(self.max_len() + 16);
        // Lengths keep the parts apart; both are below 257.
        for part in [key, node] {
            text.extend_from_slice(&u16::try_from(part.len()).unwrap_or(u16::MAX).to_le_bytes());
            text.extend_from_slice(part);
        }
        text.extend_from_slice(&self.stamp.counter.to_le_bytes());
        text.push(self.value().is_some().into());
        text.extend_from_slice(self.value().map_or(&[][..], |value| value));
        xxh3_128(&text)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            None => serializer.serialize_none(),
            Some(value) => serializer.serialize_some(&Raw(value)),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Borrowed: what is too long is refused before memory is spent on it.
        let value: Option<Raw<'_>> = Option::deserialize(deserializer)?;
        match value {
            Some(Raw(value)) if value.len() > MAX_VALUE => {
                Err(D::Error::invalid_length(value.len(), &"a value within its limit"))
            }
            value => Ok(Self(value.map(|Raw(value)| Bytes::copy_from_slice(value)))),
        }
    }
}

/// A byte string, as postcard writes one.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw<'a>(pub(in crate::engine) &'a [u8]);

impl Raw<'_> {
    pub(in crate::engine) fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self.0)
    }
}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> Visitor<'de> for Borrowed {
            type Value = Raw<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a byte string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Raw<'de>, E> {
                Ok(Raw(bytes))
            }
        }
        deserializer.deserialize_bytes(Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(counter: u64, node: &str, value: Option<&'static str>) -> RegisterEntry {
        let stamp = Stamp { counter, node: node.parse().unwrap() };
        RegisterEntry::new("key".parse().unwrap(), stamp, value.map(Bytes::from)).unwrap()
    }

    #[test]
    fn the_counter_decides_then_the_id_then_the_value() {
        let ordered = [
            entry(0, "a", None),
            entry(0, "a", Some("")),
            entry(0, "a", Some("x")),
            entry(0, "b", None),
            entry(1, "a", None),
            entry(1, "b", Some("w")),
        ];
        for (i, one) in ordered.iter().enumerate() {
            for (j, other) in ordered.iter().enumerate() {
                assert_eq!(one.wins_over(other), i > j, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_named_with_its_limit() {
        assert_eq!("".parse::<RegisterKey>(), Err(RegisterError::EmptyKey));
        let error = "k".repeat(257).parse::<RegisterKey>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the key of a register has 257 bytes, at most 256 are allowed: shorten it"
        );
        assert!("a\nb".parse::<RegisterKey>().is_err());
        let stamp = Stamp { counter: 1, node: "a".parse().unwrap() };
        let long = RegisterEntry::new("k".parse().unwrap(), stamp, Some(vec![0; MAX_VALUE + 1].into()));
        assert_eq!(long, Err(RegisterError::ValueTooLong { got: MAX_VALUE + 1 }));
    }

    #[test]
    fn every_part_has_a_part_in_the_hash() {
        let all = [
            entry(1, "a", None),
            entry(1, "a", Some("")),
            entry(1, "a", Some("x")),
            entry(2, "a", None),
            entry(1, "b", None),
        ];
        let hashes: std::collections::BTreeSet<u128> = all.iter().map(RegisterEntry::hash).collect();
        assert_eq!(hashes.len(), all.len());
    }
}
