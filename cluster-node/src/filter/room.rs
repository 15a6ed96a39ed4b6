//! Names of rooms.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;

use super::NormalFilter;

/// The name of a room: 32 bytes, shown as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoomId([u8; 32]);

impl RoomId {
    /// Takes the bytes as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RoomId({self})")
    }
}

impl FromStr for RoomId {
    type Err = ParseRoomIdError;

    /// Takes exactly what `Display` gives, so that a room has one name.
    fn from_str(text: &str) -> Result<Self, ParseRoomIdError> {
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| ParseRoomIdError)?;
        let mut id = [0; 32];
        let (pairs, _) = digits.as_chunks();
        for (byte, &[high, low]) in id.iter_mut().zip(pairs) {
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Ok(Self(id))
    }
}

/// A text that is not the name of any room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a room id is 64 lowercase hexadecimal digits")]
pub struct ParseRoomIdError;

fn digit(character: u8) -> Result<u8, ParseRoomIdError> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        _ => Err(ParseRoomIdError),
    }
}

/// Names rooms by HMAC-SHA256 with a seed. Nodes with the same seed give equal filters the same name.
#[derive(Clone)]
pub struct RoomKey(Hmac<Sha256>);

impl RoomKey {
    /// Takes the cluster's seed for room ids.
    pub fn new(seed: &[u8; 32]) -> Self {
        // HMAC pads a short key with zeros to the hash's block of 64 bytes.
        let mut block = [0; 64];
        block.iter_mut().zip(seed).for_each(|(byte, seed)| *byte = *seed);
        Self(Hmac::new(&block.into()))
    }

    /// The room of a filter on a collection: of the index, the collection and the form, each behind its length as 8
    /// bytes.
    pub fn room(&self, index: &str, collection: &str, filter: &NormalFilter) -> RoomId {
        self.name(index, collection, &filter.to_bytes())
    }

    /// Whether these bytes, from another node, are a normal form and `room` is its name.
    pub fn verifies(&self, room: &RoomId, index: &str, collection: &str, filter: &[u8]) -> bool {
        NormalFilter::from_bytes(filter).is_ok() && self.name(index, collection, filter) == *room
    }

    fn name(&self, index: &str, collection: &str, filter: &[u8]) -> RoomId {
        let mut mac = self.0.clone();
        for part in [index.as_bytes(), collection.as_bytes(), filter] {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        RoomId(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for RoomKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RoomKey(…)")
    }
}
