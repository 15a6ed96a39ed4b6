//! The one table of rooms: what is in the union of all owners, each room's id, collection and filters stored once.
//!
//! A room has a slot while anybody holds it, and until the host was told that it is gone. The table knows the sum of the
//! holders' counts and a bit for each of the first 64 members; the counts themselves are with their owners. What the
//! host has to hear is kept as a mark per room, not as a log: a room that comes and goes unnoticed is never told.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::ops::Bound;

use bytes::Bytes;
use cluster_transport::proto::hash::HashSeed;
use hashbrown::HashTable;

use super::collections::{CollectionKey, CollectionName, Collections};
use super::event::{Change, RoomEvent};
use crate::engine::room::{RoomId, RoomInfo};

/// Where a room is in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(u32);

impl Slot {
    /// The lowest slot.
    pub(super) const FIRST: Self = Self(0);
    /// The highest slot.
    pub(super) const LAST: Self = Self(u32::MAX);
}

/// A map by slots. These are this node's own numbers: nobody outside chooses them, so their hash needs no secret.
pub(super) type SlotMap<V> = hashbrown::HashMap<Slot, V, BuildHasherDefault<SlotHasher>>;

/// Spreads slots by one multiplication (Fibonacci hashing).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SlotHasher(u64);

impl Hasher for SlotHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        // 2^64 divided by the golden ratio.
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The number of a member among this node's peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MemberIndex(pub(super) u32);

impl MemberIndex {
    /// The member's bit in a room's mask; members from the 65th on have none.
    pub(super) fn bit(self) -> u64 {
        1_u64.checked_shl(self.0).unwrap_or(0)
    }
}

/// A room as a peer or the host describes it, before it has a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Description<'a> {
    pub(super) id: RoomId,
    pub(super) collection: &'a CollectionName,
    pub(super) filters: &'a [u8],
}

/// A slot, and whether the room there is as described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) slot: Slot,
    pub(super) agrees: bool,
}

#[derive(Debug)]
struct Room {
    id: RoomId,
    filters: Box<[u8]>,
    total: u64,
    members: u64,
    collection: CollectionKey,
    place: u32,
    /// The host believes that the room exists.
    shown: bool,
}

/// All rooms of the union.
#[derive(Debug)]
pub(super) struct RoomTable {
    seed: HashSeed,
    rooms: Vec<Option<Room>>,
    free: Vec<Slot>,
    by_id: HashTable<Slot>,
    collections: Collections,
    changed: BTreeSet<Slot>,
    last_told: Slot,
    live: usize,
    /// The sum of the totals.
    connections: u64,
    at: u64,
}

impl RoomTable {
    pub(super) fn new(seed: HashSeed) -> Self {
        Self {
            seed,
            rooms: Vec::new(),
            free: Vec::new(),
            by_id: HashTable::new(),
            collections: Collections::default(),
            changed: BTreeSet::new(),
            last_told: Slot::FIRST,
            live: 0,
            connections: 0,
            at: 0,
        }
    }

    /// How often the union has changed.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// How many rooms somebody holds.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// The sum of all rooms' totals.
    pub(super) fn connections(&self) -> u64 {
        self.connections
    }

    /// The slot of a room that somebody holds.
    pub(super) fn find(&self, id: &RoomId) -> Option<Slot> {
        self.slot_of(id).filter(|slot| self.total(*slot) > 0)
    }

    /// The slot of a room, made when it is new. A description that differs from the table's changes nothing.
    ///
    /// A new slot must be given a count next. `None` when no slot is left.
    pub(super) fn find_or_insert(&mut self, room: Description<'_>) -> Option<Found> {
        if let Some(slot) = self.slot_of(&room.id) {
            return Some(Found { slot, agrees: self.is_as_described(slot, room) });
        }
        let slot = self.free_slot()?;
        let collection = self.collections.intern(room.collection)?;
        let place = self.collections.add(collection, slot);
        let fresh = Room {
            id: room.id,
            filters: room.filters.into(),
            total: 0,
            members: 0,
            collection,
            place,
            shown: false,
        };
        *self.entry_mut(slot)? = Some(fresh);
        let Self { by_id, rooms, seed, .. } = self;
        by_id.insert_unique(seed.hash_one(room.id), slot, |slot| hash_at(*seed, rooms, *slot));
        Some(Found { slot, agrees: true })
    }

    /// Takes over that one holder's count of a room went from `old` to `new`.
    pub(super) fn change(&mut self, slot: Slot, old: u32, new: u32) {
        let Some(room) = self.room_mut(slot) else { return };
        let before = room.total;
        room.total = (before + u64::from(new)).saturating_sub(u64::from(old));
        let (after, was_shown) = (room.total, room.shown);
        let is_live = after > 0;
        self.connections = (self.connections + after).saturating_sub(before);
        self.at += 1;
        match (before > 0, is_live) {
            (false, true) => self.live += 1,
            (true, false) => self.live -= 1,
            _ => return,
        }
        if is_live == was_shown {
            self.changed.remove(&slot);
        } else {
            self.changed.insert(slot);
        }
        if !is_live && !was_shown {
            self.release(slot);
        }
    }

    /// Records that a member holds the room.
    pub(super) fn add_holder(&mut self, slot: Slot, member: MemberIndex) {
        if let Some(room) = self.room_mut(slot) {
            room.members |= member.bit();
        }
    }

    /// Records that a member no longer holds the room.
    pub(super) fn remove_holder(&mut self, slot: Slot, member: MemberIndex) {
        if let Some(room) = self.room_mut(slot) {
            room.members &= !member.bit();
        }
    }

    /// The bits of the members that hold the room.
    pub(super) fn holders(&self, slot: Slot) -> u64 {
        self.room(slot).map_or(0, |room| room.members)
    }

    /// The sum of all holders' counts.
    pub(super) fn total(&self, slot: Slot) -> u64 {
        self.room(slot).map_or(0, |room| room.total)
    }

    pub(super) fn id(&self, slot: Slot) -> Option<RoomId> {
        self.room(slot).map(|room| room.id)
    }

    pub(super) fn filters(&self, slot: Slot) -> &[u8] {
        self.room(slot).map_or(&[], |room| &room.filters)
    }

    pub(super) fn collection_key(&self, slot: Slot) -> Option<CollectionKey> {
        self.room(slot).map(|room| room.collection)
    }

    /// What a room is.
    pub(super) fn info(&self, slot: Slot) -> Option<RoomInfo> {
        let room = self.room(slot)?;
        let name = self.collections.name(room.collection)?;
        let filters = Bytes::copy_from_slice(&room.filters);
        RoomInfo::new(room.id, name.index.clone(), name.collection.clone(), filters).ok()
    }

    pub(super) fn collections(&self) -> &Collections {
        &self.collections
    }

    /// The rooms of a collection that somebody holds, in no order.
    pub(super) fn rooms_in(&self, name: &CollectionName) -> impl Iterator<Item = Slot> {
        self.collections.rooms(name).iter().copied().filter(|slot| self.total(*slot) > 0)
    }

    /// What the host has to hear next. Rooms take turns, so that busy ones do not hold back the others.
    pub(super) fn poll_change(&mut self) -> Option<RoomEvent> {
        if self.changed.is_empty() {
            return None;
        }
        let next = self.changed.range((Bound::Excluded(self.last_told), Bound::Unbounded)).next();
        let slot = next.or_else(|| self.changed.first()).copied()?;
        self.changed.remove(&slot);
        self.last_told = slot;
        let at = self.at;
        let room = self.room_mut(slot)?;
        room.shown = room.total > 0;
        if room.shown {
            return Some(RoomEvent { at, change: Change::Appeared(self.info(slot)?) });
        }
        let id = room.id;
        self.release(slot);
        Some(RoomEvent { at, change: Change::Disappeared(id) })
    }

    fn free_slot(&mut self) -> Option<Slot> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let slot = Slot(u32::try_from(self.rooms.len()).ok()?);
        self.rooms.push(None);
        Some(slot)
    }

    fn release(&mut self, slot: Slot) {
        let Some(room) = self.entry_mut(slot).and_then(Option::take) else { return };
        if let Some(moved) = self.collections.remove(room.collection, room.place)
            && let Some(moved) = self.room_mut(moved)
        {
            moved.place = room.place;
        }
        let hash = self.seed.hash_one(room.id);
        if let Ok(entry) = self.by_id.find_entry(hash, |held| *held == slot) {
            entry.remove();
        }
        self.free.push(slot);
    }

    fn slot_of(&self, id: &RoomId) -> Option<Slot> {
        self.by_id.find(self.seed.hash_one(id), |slot| id_at(&self.rooms, *slot) == Some(*id)).copied()
    }

    fn is_as_described(&self, slot: Slot, room: Description<'_>) -> bool {
        self.room(slot).is_some_and(|held| {
            *held.filters == *room.filters && self.collections.name(held.collection) == Some(room.collection)
        })
    }

    fn room(&self, slot: Slot) -> Option<&Room> {
        self.rooms.get(usize::try_from(slot.0).ok()?)?.as_ref()
    }

    fn room_mut(&mut self, slot: Slot) -> Option<&mut Room> {
        self.entry_mut(slot)?.as_mut()
    }

    fn entry_mut(&mut self, slot: Slot) -> Option<&mut Option<Room>> {
        self.rooms.get_mut(usize::try_from(slot.0).ok()?)
    }
}

fn id_at(rooms: &[Option<Room>], slot: Slot) -> Option<RoomId> {
    Some(rooms.get(usize::try_from(slot.0).ok()?)?.as_ref()?.id)
}

fn hash_at(seed: HashSeed, rooms: &[Option<Room>], slot: Slot) -> u64 {
    id_at(rooms, slot).map_or(0, |id| seed.hash_one(id))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn table() -> RoomTable {
        RoomTable::new(HashSeed::from_rng(&mut ChaCha8Rng::seed_from_u64(1)))
    }

    fn id(number: u8) -> RoomId {
        RoomId::new([number; 32])
    }

    fn add(table: &mut RoomTable, number: u8) -> Slot {
        let collection = &CollectionName { index: "i".into(), collection: "c".into() };
        let room = Description { id: id(number), collection, filters: &[number] };
        let slot = table.find_or_insert(room).unwrap().slot;
        table.change(slot, 0, 1);
        slot
    }

    /// The rooms of all changes in line, with whether they appeared.
    fn changes(table: &mut RoomTable) -> Vec<(RoomId, bool)> {
        let poll = || table.poll_change();
        let told = std::iter::from_fn(poll).map(|event| match event.change {
            Change::Appeared(info) => (info.id(), true),
            Change::Disappeared(id) => (id, false),
        });
        told.collect()
    }

    #[test]
    fn a_room_that_nobody_heard_of_leaves_nothing_behind() {
        let mut table = table();
        for number in 0..200 {
            let slot = add(&mut table, number);
            table.change(slot, 1, 0);
            assert_eq!(table.find(&id(number)), None);
        }
        assert_eq!((table.rooms.len(), table.live(), table.changed.len()), (1, 0, 0));
        assert_eq!(table.collections().after(None).count(), 0);
    }

    #[test]
    fn a_slot_is_kept_until_the_host_knows_that_its_room_is_gone() {
        let mut table = table();
        let first = add(&mut table, 1);
        assert_eq!(changes(&mut table), [(id(1), true)]);
        table.change(first, 1, 0);
        let second = add(&mut table, 2);
        assert_ne!(first, second);
        assert_eq!(changes(&mut table), [(id(2), true), (id(1), false)]);
        assert_eq!(add(&mut table, 3), first);
        assert_eq!(table.info(first).map(|info| info.id()), Some(id(3)));
    }

    #[test]
    fn a_busy_room_does_not_hold_back_the_others() {
        let mut table = table();
        let slots: Vec<Slot> = (0..3).map(|number| add(&mut table, number)).collect();
        let mut told = Vec::new();
        for _ in 0..3 {
            told.extend(table.poll_change().map(|event| event.change));
            if table.total(slots[1]) > 0 {
                table.change(slots[1], 1, 0);
            } else {
                add(&mut table, 1);
            }
        }
        let others =
            told.iter().filter(|change| matches!(change, Change::Appeared(info) if info.id() != id(1)));
        assert_eq!(others.count(), 2);
    }

    #[test]
    fn slots_in_a_row_fall_into_places_of_their_own() {
        let hash = |slot| BuildHasherDefault::<SlotHasher>::default().hash_one(Slot(slot));
        let places: BTreeSet<u64> = (0..4_096).map(|slot| hash(slot) % 4_096).collect();
        let tags: BTreeSet<u64> = (0..4_096).map(|slot| hash(slot) >> 57).collect();
        assert_eq!((places.len(), tags.len()), (4_096, 128));
    }

    #[test]
    fn the_total_and_the_holders_follow_each_change() {
        let mut table = table();
        let slot = add(&mut table, 1);
        table.change(slot, 1, u32::MAX);
        assert_eq!(table.connections(), u64::from(u32::MAX));
        table.change(slot, 0, u32::MAX);
        assert_eq!((table.total(slot), table.at()), (2 * u64::from(u32::MAX), 3));
        for member in [MemberIndex(0), MemberIndex(63), MemberIndex(64)] {
            table.add_holder(slot, member);
        }
        assert_eq!(table.holders(slot), 1 | 1 << 63);
        table.remove_holder(slot, MemberIndex(0));
        assert_eq!(table.holders(slot), 1 << 63);
    }
}
