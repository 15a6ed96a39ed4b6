//! Names of rooms.

use std::fmt;

use cluster_core::engine::RoomId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::NormalFilter;

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
        RoomId::new(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for RoomKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RoomKey(…)")
    }
}
