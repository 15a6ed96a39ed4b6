//! The hash of one owner's state: equal states have equal hashes, in whatever order they came about.

use std::num::NonZeroU32;

use xxhash_rust::xxh3::xxh3_128;

use crate::engine::room::RoomId;

/// The sum modulo 2^128 of the XXH3-128 hashes of all (room, count).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StateHash(u128);

impl StateHash {
    pub(super) fn value(self) -> u128 {
        self.0
    }

    /// Takes over that the count of a room went from `old` to `new`.
    pub(super) fn change(&mut self, room: &RoomId, old: Option<NonZeroU32>, new: Option<NonZeroU32>) {
        let term = |count: Option<NonZeroU32>| count.map_or(0, |count| term(room, count));
        self.0 = self.0.wrapping_sub(term(old)).wrapping_add(term(new));
    }
}

fn term(room: &RoomId, count: NonZeroU32) -> u128 {
    let mut entry = [0; RoomId::LEN + size_of::<u32>()];
    let (id, tail) = entry.split_at_mut(RoomId::LEN);
    id.copy_from_slice(room.as_bytes());
    tail.copy_from_slice(&count.get().to_le_bytes());
    xxh3_128(&entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_the_entries_and_not_on_their_history() {
        let (a, b) = (RoomId::new([1; 32]), RoomId::new([2; 32]));
        let (one, two) = (NonZeroU32::new(1), NonZeroU32::new(2));
        let mut there = StateHash::default();
        there.change(&a, None, two);
        there.change(&b, None, one);
        let mut round = StateHash::default();
        round.change(&b, None, one);
        round.change(&a, None, one);
        assert_ne!(there, round);
        round.change(&a, one, two);
        assert_eq!(there, round);
        round.change(&a, two, None);
        round.change(&b, one, None);
        assert_eq!(round.value(), 0);
    }
}
