//! What nodes tell each other beside state and notifications: caches to drop, and the application's own events.
//!
//! An event travels on the events lane as a kind byte and a postcard body. Events of different publishers have no order
//! between them: one about a cache means "read this entry again", never "it has this value".

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::wire::{PeerFault, SKIPPABLE, decode, encode, split};

/// Something that every other node should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ClusterEvent {
    /// An index or a collection was added.
    IndexCacheAdded(IndexEntry),
    /// An index or a collection was removed.
    IndexCacheRemoved(IndexEntry),
    /// A profile changed or is gone.
    ProfileInvalidated {
        /// Its id.
        id: String,
    },
    /// A role changed or is gone.
    RoleInvalidated {
        /// Its id.
        id: String,
    },
    /// The specifications of a collection changed.
    ValidatorsChanged,
    /// All rights were reset: drop every profile and role.
    SecurityReset,
    /// An event of the application.
    Custom {
        /// Its name.
        name: String,
        /// Its payload.
        payload: Vec<u8>,
    },
}

/// An entry of the index cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntry {
    /// The index.
    pub index: String,
    /// The collection, unless the whole index is meant.
    pub collection: Option<String>,
    /// Which cache: Kuzzle has `public` and `internal`.
    pub scope: String,
}

const INDEX_ADDED: u8 = 1;
const INDEX_REMOVED: u8 = 2;
const PROFILE: u8 = 3;
const ROLE: u8 = 4;
const VALIDATORS: u8 = 5;
const SECURITY_RESET: u8 = 8;
const CUSTOM: u8 = 9;

impl ClusterEvent {
    /// The event as it travels.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::IndexCacheAdded(entry) => encode(INDEX_ADDED, entry),
            Self::IndexCacheRemoved(entry) => encode(INDEX_REMOVED, entry),
            Self::ProfileInvalidated { id } => encode(PROFILE, id),
            Self::RoleInvalidated { id } => encode(ROLE, id),
            Self::ValidatorsChanged => encode(VALIDATORS, &()),
            Self::SecurityReset => encode(SECURITY_RESET, &()),
            Self::Custom { name, payload } => encode(CUSTOM, &(name, payload)),
        }
    }

    /// The event, or `None` if its kind is unknown and may be skipped.
    ///
    /// # Errors
    /// When the bytes are not an event of their kind, or the kind must be understood and is not known.
    pub fn decode(message: &[u8]) -> Result<Option<Self>, PeerFault> {
        let (kind, body) = split(message)?;
        let event = match kind {
            INDEX_ADDED => Self::IndexCacheAdded(decode(kind, body)?),
            INDEX_REMOVED => Self::IndexCacheRemoved(decode(kind, body)?),
            PROFILE => Self::ProfileInvalidated { id: decode(kind, body)? },
            ROLE => Self::RoleInvalidated { id: decode(kind, body)? },
            VALIDATORS => decode::<()>(kind, body).map(|()| Self::ValidatorsChanged)?,
            SECURITY_RESET => decode::<()>(kind, body).map(|()| Self::SecurityReset)?,
            CUSTOM => {
                let (name, payload) = decode(kind, body)?;
                Self::Custom { name, payload }
            }
            kind if kind & SKIPPABLE != 0 => return Ok(None),
            kind => return Err(PeerFault::UnknownKind { kind }),
        };
        Ok(Some(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<ClusterEvent> {
        let entry = IndexEntry { index: "i".into(), collection: Some("c".into()), scope: "public".into() };
        vec![
            ClusterEvent::IndexCacheAdded(entry.clone()),
            ClusterEvent::IndexCacheRemoved(IndexEntry { collection: None, ..entry }),
            ClusterEvent::ProfileInvalidated { id: "admin".into() },
            ClusterEvent::RoleInvalidated { id: "default".into() },
            ClusterEvent::ValidatorsChanged,
            ClusterEvent::SecurityReset,
            ClusterEvent::Custom { name: "mine".into(), payload: vec![0, 255] },
        ]
    }

    #[test]
    fn every_event_comes_back_as_it_went() {
        for event in samples() {
            assert_eq!(ClusterEvent::decode(&event.encode()), Ok(Some(event)));
        }
    }

    #[test]
    fn events_have_numbers_that_never_change() {
        let kinds: Vec<u8> = samples().iter().map(|event| event.encode()[0]).collect();
        assert_eq!(kinds, [1, 2, 3, 4, 5, 8, 9]);
    }

    #[test]
    fn cut_and_unknown_events_are_refused_or_skipped() {
        for event in samples() {
            let bytes = event.encode();
            for end in 0..bytes.len() {
                assert!(ClusterEvent::decode(&bytes[..end]).is_err());
            }
        }
        assert_eq!(ClusterEvent::decode(&[0xff]), Ok(None));
        assert_eq!(ClusterEvent::decode(&[0x7f]), Err(PeerFault::UnknownKind { kind: 0x7f }));
    }
}
