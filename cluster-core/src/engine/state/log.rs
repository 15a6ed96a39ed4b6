//! What this node says of itself: its counts in version order, and which of its rooms are gone.
//!
//! Each change has a new version and moves its entry to the end. A tombstone stays until all members have applied it, but
//! there are never more than its limit or the live entries, whichever is more: what is forgotten raises the floor, and a reader below the
//! floor needs a pass over everything.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::Bound;

use cluster_transport::proto::hash::{HashSeed, SeededMap};

use super::hash::StateHash;
use super::table::{RoomTable, Slot, SlotMap};
use crate::engine::room::RoomId;

/// One entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogEntry {
    /// The room has this many local connections.
    Live { slot: Slot, count: NonZeroU32 },
    /// The room has none any more.
    Gone(RoomId),
}

/// The log of this node's own state.
#[derive(Debug)]
pub(super) struct OwnerLog {
    max_tombstones: usize,
    version: u64,
    floor: u64,
    hash: StateHash,
    counts: SlotMap<Place>,
    live: BTreeMap<u64, Slot>,
    tombstones: SeededMap<RoomId, u64>,
    gone: BTreeMap<u64, RoomId>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    version: u64,
    count: NonZeroU32,
}

impl OwnerLog {
    /// An empty log that keeps this many tombstones, or more if it has more live entries.
    pub(super) fn new(seed: HashSeed, max_tombstones: usize) -> Self {
        Self {
            max_tombstones,
            version: 0,
            floor: 0,
            hash: StateHash::default(),
            counts: SlotMap::default(),
            live: BTreeMap::new(),
            tombstones: SeededMap::with_hasher(seed),
            gone: BTreeMap::new(),
        }
    }

    /// The version of the newest change.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// A reader that has applied less than this cannot go on from where it is.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    pub(super) fn hash(&self) -> StateHash {
        self.hash
    }

    /// How many rooms have local connections.
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn tombstones(&self) -> usize {
        self.gone.len()
    }

    /// How many local connections the room has.
    pub(super) fn count(&self, slot: Slot) -> u32 {
        self.counts.get(&slot).map_or(0, |place| place.count.get())
    }

    /// Sets the count of a room and takes it over into the union.
    pub(super) fn set(&mut self, table: &mut RoomTable, slot: Slot, count: u32) {
        let Some(id) = table.id(slot) else { return };
        let count = NonZeroU32::new(count);
        let old = match count {
            Some(count) => self.counts.insert(slot, Place { version: self.version + 1, count }),
            None => self.counts.remove(&slot),
        };
        if old.is_none() && count.is_none() {
            return;
        }
        self.version += 1;
        if let Some(old) = old {
            self.live.remove(&old.version);
        } else if let Some(tombstone) = self.tombstones.remove(&id) {
            self.gone.remove(&tombstone);
        }
        if count.is_some() {
            self.live.insert(self.version, slot);
        } else {
            self.tombstones.insert(id, self.version);
            self.gone.insert(self.version, id);
        }
        let old = old.map(|place| place.count);
        self.hash.change(&id, old, count);
        table.change(slot, old.map_or(0, NonZeroU32::get), count.map_or(0, NonZeroU32::get));
        self.bound_tombstones();
    }

    /// Forgets the tombstones up to a version that all members have applied.
    pub(super) fn forget(&mut self, applied: u64) {
        while let Some(oldest) = self.gone.first_entry()
            && *oldest.key() <= applied
        {
            self.floor = *oldest.key();
            self.tombstones.remove(&oldest.remove());
        }
    }

    /// The rooms that have not changed after a version, at most so many of them.
    pub(super) fn rooms_until(&self, version: u64, limit: usize) -> Vec<Slot> {
        self.live.range(..=version).take(limit).map(|(_, slot)| *slot).collect()
    }

    /// The version of the oldest tombstone.
    pub(super) fn oldest_tombstone(&self) -> Option<u64> {
        self.gone.first_key_value().map(|(version, _)| *version)
    }

    /// The entries after a version, with tombstones only after another one, in version order.
    pub(super) fn after(&self, live: u64, gone: u64) -> impl Iterator<Item = (u64, LogEntry)> {
        let beyond = |version| (Bound::Excluded(version), Bound::Unbounded);
        let mut live = self.live.range(beyond(live)).peekable();
        let mut gone = self.gone.range(beyond(gone)).peekable();
        std::iter::from_fn(move || {
            let is_gone_next = match (live.peek(), gone.peek()) {
                (Some((live, _)), Some((gone, _))) => gone < live,
                (live, _) => live.is_none(),
            };
            if is_gone_next {
                return gone.next().map(|(version, id)| (*version, LogEntry::Gone(*id)));
            }
            let (version, slot) = live.next()?;
            let count = self.counts.get(slot)?.count;
            Some((*version, LogEntry::Live { slot: *slot, count }))
        })
    }

    fn bound_tombstones(&mut self) {
        while self.gone.len() > self.live.len().max(self.max_tombstones)
            && let Some(oldest) = self.oldest_tombstone()
        {
            self.forget(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::engine::state::collections::CollectionName;
    use crate::engine::state::table::Description;

    fn id(number: u8) -> RoomId {
        RoomId::new([number; 32])
    }

    /// A log that keeps two tombstones, and a table with these rooms.
    fn log_with(rooms: &[u8]) -> (RoomTable, OwnerLog, Vec<Slot>) {
        let seed = HashSeed::from_rng(&mut ChaCha8Rng::seed_from_u64(1));
        let (mut table, mut log) = (RoomTable::new(seed), OwnerLog::new(seed, 2));
        let collection = &CollectionName { index: Arc::from("i"), collection: Arc::from("c") };
        let mut slots = Vec::new();
        for number in rooms {
            let room = Description { id: id(*number), collection, filters: b"{}" };
            let slot = table.find_or_insert(room).unwrap().slot;
            log.set(&mut table, slot, 1);
            slots.push(slot);
        }
        (table, log, slots)
    }

    fn live(slot: Slot, count: u32) -> LogEntry {
        LogEntry::Live { slot, count: NonZeroU32::new(count).unwrap() }
    }

    #[test]
    fn a_change_moves_its_entry_to_the_end() {
        let (mut table, mut log, slots) = log_with(&[1, 2, 3]);
        log.set(&mut table, slots[0], 5);
        log.set(&mut table, slots[1], 0);
        let entries: Vec<_> = log.after(0, 0).collect();
        assert_eq!(entries, [(3, live(slots[2], 1)), (4, live(slots[0], 5)), (5, LogEntry::Gone(id(2)))]);
        assert_eq!(log.after(3, 5).collect::<Vec<_>>(), [(4, live(slots[0], 5))]);
        assert_eq!((log.version(), log.floor(), log.len(), log.tombstones()), (5, 0, 2, 1));
    }

    #[test]
    fn removing_what_is_not_there_is_no_change() {
        let (mut table, mut log, slots) = log_with(&[1, 2]);
        log.set(&mut table, slots[0], 0);
        log.set(&mut table, slots[0], 0);
        assert_eq!(log.version(), 3);
    }

    #[test]
    fn tombstones_beyond_the_limit_raise_the_floor() {
        let (mut table, mut log, slots) = log_with(&[1, 2, 3, 4]);
        for (removed, kept_and_floor) in slots.iter().zip([(1, 0), (2, 0), (2, 5), (2, 6)]) {
            log.set(&mut table, *removed, 0);
            assert_eq!((log.tombstones(), log.floor()), kept_and_floor);
        }
        log.forget(8);
        assert_eq!((log.tombstones(), log.floor(), log.oldest_tombstone()), (0, 8, None));
        assert_eq!(log.hash().value(), 0);
    }
}
