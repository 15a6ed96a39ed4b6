//! What one other owner holds, as far as this node has heard: a count for each room, and nothing else.
//!
//! Every entry carries the number of the pass that last confirmed it, so that a pass can end by sweeping what it has not
//! seen. The union in the room table follows each change.

use std::num::NonZeroU32;

use super::hash::StateHash;
use super::table::{MemberIndex, RoomTable, Slot, SlotMap};

/// The replica of one owner; its hash, which every heartbeat is about, comes first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Replica {
    hash: StateHash,
    member: MemberIndex,
    entries: SlotMap<Entry>,
    bytes: usize,
    pass: u32,
    unseen: usize,
    connections: u64,
    /// Whether the owner drains: then its clients are moving.
    drains: bool,
    /// What a sweep or the end of the owner has still to look at.
    doomed: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    count: NonZeroU32,
    seen: u32,
}

impl Replica {
    pub(super) fn new(member: MemberIndex) -> Self {
        Self {
            hash: StateHash::default(),
            member,
            entries: SlotMap::default(),
            bytes: 0,
            pass: 0,
            unseen: 0,
            connections: 0,
            drains: false,
            doomed: Vec::new(),
        }
    }

    pub(super) fn member(&self) -> MemberIndex {
        self.member
    }

    pub(super) fn hash(&self) -> StateHash {
        self.hash
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The memory that the rooms of this owner take, each counted as if nobody else had it.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many connections the owner has in a room.
    pub(super) fn count(&self, slot: Slot) -> u32 {
        self.entries.get(&slot).map_or(0, |entry| entry.count.get())
    }

    /// How many subscriptions the owner has.
    pub(super) fn connections(&self) -> u64 {
        self.connections
    }

    pub(super) fn drains(&self) -> bool {
        self.drains
    }

    /// From now on the owner's clients are moving.
    pub(super) fn drain(&mut self) {
        self.drains = true;
    }

    /// A later life of the owner has come, and stays.
    pub(super) fn stay(&mut self) {
        self.drains = false;
    }

    pub(super) fn holds(&self, slot: Slot) -> bool {
        self.entries.contains_key(&slot)
    }

    /// What a room with these filters adds to [`bytes`](Self::bytes).
    pub(super) fn cost(filters: &[u8]) -> usize {
        ROOM_BYTES + filters.len()
    }

    /// Sets the count of a room, as confirmed by the present pass, and takes it over into the union.
    pub(super) fn set(&mut self, table: &mut RoomTable, slot: Slot, count: Option<NonZeroU32>) {
        let Some(id) = table.id(slot) else { return };
        let old = match count {
            Some(count) => self.entries.insert(slot, Entry { count, seen: self.pass }),
            None => self.entries.remove(&slot),
        };
        if old.is_some_and(|entry| entry.seen != self.pass) {
            self.unseen -= 1;
        }
        let old = old.map(|entry| entry.count);
        if old == count {
            return;
        }
        let cost = Self::cost(table.filters(slot));
        match (old.is_some(), count.is_some()) {
            (false, true) => {
                self.bytes += cost;
                table.add_holder(slot, self.member);
            }
            (true, false) => {
                self.bytes -= cost;
                table.remove_holder(slot, self.member);
            }
            _ => {}
        }
        self.hash.change(&id, old, count);
        let (old, count) = (old.map_or(0, NonZeroU32::get), count.map_or(0, NonZeroU32::get));
        self.connections = (self.connections + u64::from(count)).saturating_sub(u64::from(old));
        table.change(slot, old, count);
    }

    /// Begins a pass: from now on nothing is confirmed.
    pub(super) fn begin_pass(&mut self) {
        self.pass = self.pass.wrapping_add(1);
        self.unseen = self.entries.len();
        self.doomed = Vec::new();
    }

    /// Looks for what the present pass has not confirmed. One walk over the entries; [`sweep`](Self::sweep) removes them.
    pub(super) fn begin_sweep(&mut self) {
        if self.unseen > 0 {
            let (pass, entries) = (self.pass, self.entries.iter());
            self.doomed = entries.filter(|(_, entry)| entry.seen != pass).map(|(slot, _)| *slot).collect();
        }
    }

    /// Removes some of what the present pass has not confirmed, and says how many rooms that were.
    pub(super) fn sweep(&mut self, table: &mut RoomTable, limit: usize) -> usize {
        let mut swept = 0;
        for _ in 0..limit {
            let Some(slot) = self.doomed.pop() else { break };
            if self.entries.get(&slot).is_some_and(|entry| entry.seen != self.pass) {
                self.set(table, slot, None);
                swept += 1;
            }
        }
        swept
    }

    /// Whether a sweep has something left to look at.
    pub(super) fn is_sweeping(&self) -> bool {
        !self.doomed.is_empty()
    }

    /// The owner is gone: [`clear`](Self::clear) takes it out of the union.
    pub(super) fn begin_end(&mut self) {
        self.doomed = self.entries.keys().copied().collect();
    }

    /// Takes some of the owner's rooms out of the union; whether that was the last of them.
    pub(super) fn clear(&mut self, table: &mut RoomTable, limit: usize) -> bool {
        for _ in 0..limit {
            let Some(slot) = self.doomed.pop() else { break };
            if let Some(entry) = self.entries.remove(&slot) {
                self.connections = self.connections.saturating_sub(u64::from(entry.count.get()));
                table.remove_holder(slot, self.member);
                table.change(slot, entry.count.get(), 0);
            }
        }
        self.doomed.is_empty()
    }
}

/// The memory of one room without its filters: its record in the table, its places in the indexes, its count.
const ROOM_BYTES: usize = 160;
