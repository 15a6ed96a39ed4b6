//! Rooms: what clients subscribe to. A room's id is derived from its filters by the host; the filters never change.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::state::CollectionName;

/// The longest name of an index or a collection, in bytes.
pub const MAX_NAME: usize = 128;
/// The longest serialised filters of a room, in bytes. A room always fits into one message.
pub const MAX_FILTERS: usize = 16 * 1024;

/// A connection of a client to this node, as the host numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// The id of a room: 32 bytes, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId([u8; Self::LEN]);

/// A text that is not a room id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a room id: write 64 hexadecimal digits")]
pub struct RoomIdError {
    given: String,
}

impl RoomId {
    /// The length of an id, in bytes.
    pub const LEN: usize = 32;

    /// The id of these bytes.
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RoomId {
    type Err = RoomIdError;

    fn from_str(text: &str) -> Result<Self, RoomIdError> {
        let refuse = || RoomIdError { given: text.chars().take(2 * Self::LEN + 1).collect() };
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(refuse()) };
        let bytes: Option<Vec<u8>> =
            pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(refuse)
    }
}

impl Serialize for RoomId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for RoomId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(IdVisitor)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = RoomId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", RoomId::LEN)
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<RoomId, E> {
        bytes.try_into().map(RoomId).map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

/// A room that is too large to be told to other nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoomError {
    /// The name of the index or the collection is too long.
    #[error("the {what}'s name has {got} bytes, at most {limit} are allowed: shorten it", limit = MAX_NAME)]
    NameTooLong {
        /// `index` or `collection`.
        what: &'static str,
        /// Its length in bytes.
        got: usize,
    },
    /// The filters are too long.
    #[error("the filters have {got} bytes, at most {limit} are allowed: use fewer or shorter terms", limit = MAX_FILTERS)]
    FiltersTooLong {
        /// Their length in bytes.
        got: usize,
    },
}

/// What a room is: its id, where it belongs and what its subscribers want to hear of. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomInfo {
    id: RoomId,
    place: CollectionName,
    filters: Bytes,
}

impl RoomInfo {
    /// A room.
    ///
    /// # Errors
    /// A name above [`MAX_NAME`] or filters above [`MAX_FILTERS`].
    pub fn new(
        id: RoomId,
        index: impl Into<Arc<str>>,
        collection: impl Into<Arc<str>>,
        filters: impl Into<Bytes>,
    ) -> Result<Self, RoomError> {
        let place = CollectionName { index: index.into(), collection: collection.into() };
        let room = Self { id, place, filters: filters.into() };
        for (what, name) in [("index", &room.place.index), ("collection", &room.place.collection)] {
            if name.len() > MAX_NAME {
                return Err(RoomError::NameTooLong { what, got: name.len() });
            }
        }
        if room.filters.len() > MAX_FILTERS {
            return Err(RoomError::FiltersTooLong { got: room.filters.len() });
        }
        Ok(room)
    }

    /// The room's id.
    pub fn id(&self) -> RoomId {
        self.id
    }

    /// The index it belongs to.
    pub fn index(&self) -> &Arc<str> {
        &self.place.index
    }

    /// The collection it belongs to.
    pub fn collection(&self) -> &Arc<str> {
        &self.place.collection
    }

    /// Both.
    pub(crate) fn place(&self) -> &CollectionName {
        &self.place
    }

    /// The filters, in the host's own form.
    pub fn filters(&self) -> &Bytes {
        &self.filters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_id_is_64_hexadecimal_digits() {
        let text = "00ff".repeat(16);
        let id: RoomId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(id));
        for bad in ["", "0", &text[2..], &format!("{text}00"), &"0g".repeat(32), &"é".repeat(32)] {
            assert!(bad.parse::<RoomId>().is_err(), "{bad:?} was taken for an id");
        }
    }

    #[test]
    fn a_room_id_of_another_length_does_not_decode() {
        let id = RoomId::new([7; 32]);
        let bytes = postcard::to_allocvec(&id).unwrap();
        assert_eq!(bytes.len(), 33);
        assert_eq!(postcard::from_bytes(&bytes), Ok(id));
        assert!(postcard::from_bytes::<RoomId>(&[2, 7, 7]).is_err());
    }

    #[test]
    fn rooms_have_a_size_at_most() {
        let id = RoomId::new([0; 32]);
        let long = "x".repeat(MAX_NAME + 1);
        assert_eq!(
            RoomInfo::new(id, "i", &*long, ""),
            Err(RoomError::NameTooLong { what: "collection", got: 129 })
        );
        let error = RoomInfo::new(id, "i", "c", vec![0; MAX_FILTERS + 1]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the filters have 16385 bytes, at most 16384 are allowed: use fewer or shorter terms"
        );
    }
}
