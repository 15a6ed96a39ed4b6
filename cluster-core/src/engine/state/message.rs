//! The messages of the state lane, from an owner to a member (`Begin`, `Delta`) and back (`Ask`).
//!
//! Numbers are postcard's: little-endian base 128, seven bits a byte. Lists and byte strings begin with their length.

use std::num::NonZeroU32;

use cluster_transport::proto::Incarnation;
use serde::{Deserialize, Serialize};

use crate::engine::room::RoomId;
use crate::engine::wire::Bounded;
#[cfg(any(test, feature = "sim"))]
use crate::engine::wire::{PeerFault, decode, encode, skip_unknown, split};

/// The longest delta, in bytes; it leaves room in a frame for what the lane puts around it.
pub const MAX_DELTA: usize = 60 * 1024;
/// The most changes in one delta.
pub const MAX_CHANGES: usize = 1_000;

pub(super) const BEGIN: u8 = 1;
pub(super) const DELTA: u8 = 2;
pub(super) const ASK: u8 = 3;

/// What a member has of an owner's state; the owner goes on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// Nothing that could be gone on from.
    Nothing,
    /// Everything up to a version.
    At {
        /// The owner's incarnation.
        incarnation: Incarnation,
        /// The version.
        version: u64,
    },
    /// A part of a pass over everything.
    Pass {
        /// The owner's incarnation.
        incarnation: Incarnation,
        /// The owner's version when it began the pass.
        start: u64,
        /// The version up to which it came.
        position: u64,
    },
    /// It is not said yet: the member asks when it has room for a pass.
    Later,
}

/// A pass over everything begins: what it does not mention is gone.
///
/// ```text
/// 01 | start
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begin {
    pub(super) start: u64,
}

/// "Go on from here": after a gap, or with [`Position::Nothing`] for a pass.
///
/// ```text
/// 03 | 00
/// 03 | 01 | epoch | nonce | version
/// 03 | 02 | epoch | nonce | start | position
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ask {
    pub(super) position: Position,
}

/// What changed after version `from` up to version `to`, as absolute counts.
///
/// ```text
/// 02 | from | to | caught up: 00 or 01, hash | collections | entries | removed
/// collection: index | collection      entry: id | place of its collection | count | filters      removed: id
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Delta<'a> {
    pub(super) from: u64,
    pub(super) to: u64,
    /// The hash of the owner's whole state, if `to` is all there is.
    pub(super) caught_up: Option<u128>,
    /// The collections of the entries, each named once.
    #[serde(borrow)]
    pub(super) collections: Bounded<WireCollection<'a>, MAX_CHANGES>,
    #[serde(borrow)]
    pub(super) entries: Bounded<WireEntry<'a>, MAX_CHANGES>,
    pub(super) removed: Bounded<RoomId, MAX_CHANGES>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireCollection<'a> {
    pub(super) index: &'a str,
    pub(super) collection: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireEntry<'a> {
    pub(super) id: RoomId,
    /// The place of the collection's name in the message.
    pub(super) collection: u16,
    pub(super) count: NonZeroU32,
    pub(super) filters: &'a [u8],
}

/// The most that the fields of a delta take without their items.
pub(super) const DELTA_BYTES: usize = 1 + 2 * 10 + 20 + 3 * 2;

impl WireCollection<'_> {
    pub(super) fn max_len(&self) -> usize {
        4 + self.index.len() + self.collection.len()
    }
}

impl WireEntry<'_> {
    pub(super) fn max_len(&self) -> usize {
        REMOVED_BYTES + 3 + 5 + 3 + self.filters.len()
    }
}

/// What a removed room takes.
pub(super) const REMOVED_BYTES: usize = 1 + RoomId::LEN;

/// Decodes a message and encodes it again; `None` if its kind is unknown and may be skipped.
#[cfg(any(test, feature = "sim"))]
pub(crate) fn recode(message: &[u8]) -> Result<Option<bytes::Bytes>, PeerFault> {
    let (kind, body) = split(message)?;
    Ok(Some(match kind {
        BEGIN => encode(kind, &decode::<Begin>(kind, body)?),
        DELTA => encode(kind, &decode::<Delta<'_>>(kind, body)?),
        ASK => encode(kind, &decode::<Ask>(kind, body)?),
        unknown => {
            skip_unknown(unknown)?;
            return Ok(None);
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn hex(message: &[u8]) -> String {
        message.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    fn empty(from: u64, to: u64, caught_up: Option<u128>) -> Delta<'static> {
        let (collections, entries, removed) = (Bounded::new(), Bounded::new(), Bounded::new());
        Delta { from, to, caught_up, collections, entries, removed }
    }

    #[test]
    fn the_bytes_of_each_message_are_those_of_version_1() {
        let incarnation = Incarnation { epoch: 300, nonce: 2 };
        let ask = |position| hex(&encode(ASK, &Ask { position }));
        assert_eq!(hex(&encode(BEGIN, &Begin { start: 300 })), "01ac02");
        assert_eq!(ask(Position::Nothing), "0300");
        assert_eq!(ask(Position::At { incarnation, version: 5 }), "0301ac020205");
        assert_eq!(ask(Position::Pass { incarnation, start: 5, position: 4 }), "0302ac02020504");
        assert_eq!(ask(Position::Later), "0303");
    }

    #[test]
    fn a_delta_has_the_bytes_of_version_1_and_no_more_than_are_counted_for_it() {
        let name = WireCollection { index: "in", collection: "co" };
        let (id, count) = (RoomId::new([0xaa; 32]), NonZeroU32::new(300).unwrap());
        let entry = WireEntry { id, collection: 0, count, filters: b"{}" };
        let mut delta = empty(3, 5, Some(9));
        delta.collections.push(name).unwrap();
        delta.entries.push(entry).unwrap();
        delta.removed.push(RoomId::new([0xbb; 32])).unwrap();
        let message = encode(DELTA, &delta);
        let (aa, bb) = ("aa".repeat(32), "bb".repeat(32));
        let lists = format!("0102696e02636f0120{aa}00ac02027b7d0120{bb}");
        assert_eq!(hex(&message), format!("0203050109{lists}"));
        assert_eq!(decode::<Delta<'_>>(DELTA, &message[1..]), Ok(delta.clone()));
        assert!(message.len() <= DELTA_BYTES + name.max_len() + entry.max_len() + REMOVED_BYTES);
    }

    #[test]
    fn the_largest_numbers_fit_what_is_counted_for_them() {
        let filters = [0; 16_384];
        let (id, count) = (RoomId::new([1; 32]), NonZeroU32::MAX);
        let entry = WireEntry { id, collection: u16::MAX, count, filters: &filters };
        assert_eq!(postcard::to_allocvec(&entry).unwrap().len(), entry.max_len());
        let longer_list_lengths = 3;
        let message = encode(DELTA, &empty(u64::MAX, u64::MAX, Some(u128::MAX)));
        assert_eq!(message.len() + longer_list_lengths, DELTA_BYTES);
    }
}
