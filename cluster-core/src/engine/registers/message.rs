//! What members say to each other about registers: digests and requests on the control lane, registers on the state lane.

use serde::{Deserialize, Serialize};

use super::entry::RegisterEntry;
use super::table::BUCKETS;
use crate::engine::wire::{Bounded, PeerFault, decode};

/// The kind of a [`Standing`] on the control lane.
pub(in crate::engine) const STANDING: u8 = 11;
/// The kind of a [`Pull`] on the control lane.
pub(in crate::engine) const PULL: u8 = 12;
/// The kind of an [`Offer`] on the state lane.
pub(in crate::engine) const OFFER: u8 = 4;

/// The most registers in an offer.
pub(super) const MAX_ENTRIES: usize = 1_000;
/// What an offer takes without its registers, at most.
pub(super) const OFFER_BYTES: usize = 1 + 1 + 19 + 1 + 2;

/// What a member holds: after its greeting, and when it has changed, once a heartbeat at most.
///
/// ```text
/// 0b | digest | read
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Standing {
    /// The sum of the hashes of all its registers.
    pub(in crate::engine) digest: u128,
    /// Whether it has read the registers of the cluster: one that has just started has not.
    pub(in crate::engine) read: bool,
}

/// "Send me what you have in the buckets of which you have another digest."
///
/// ```text
/// 0c | 64 digests
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Pull {
    pub(in crate::engine) buckets: Bounded<u128, BUCKETS>,
}

impl Pull {
    pub(super) fn decode(body: &[u8]) -> Result<Self, PeerFault> {
        let pull: Self = decode(PULL, body)?;
        if pull.buckets.is_full() { Ok(pull) } else { Err(PeerFault::Malformed { kind: PULL }) }
    }
}

/// Registers: what the sender has just written, or a part of what was asked for.
///
/// ```text
/// 04 | complete: 00 or 01, standing | registers        register: key | counter | node | value: 00, or 01 and the bytes
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Offer {
    /// That everything which was asked for has been sent, and what the sender holds now.
    pub(in crate::engine) complete: Option<Standing>,
    pub(in crate::engine) entries: Bounded<RegisterEntry, MAX_ENTRIES>,
}

impl Offer {
    pub(super) fn decode(body: &[u8]) -> Result<Self, PeerFault> {
        let offer: Self = decode(OFFER, body)?;
        let is_possible = offer.entries.as_slice().iter().all(RegisterEntry::is_possible);
        if is_possible { Ok(offer) } else { Err(PeerFault::Malformed { kind: OFFER }) }
    }
}
