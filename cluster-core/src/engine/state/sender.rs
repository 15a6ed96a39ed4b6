//! Where one member is in this node's log, and what it is told next.
//!
//! The stream has one order, that of versions. A member whose position the log can serve goes on from there; any other
//! gets a pass: `Begin`, then everything from 0. During a pass only tombstones after its start are told, because the
//! member sweeps what the pass did not mention. If the floor passes what a member still needs, its pass begins again.

use std::collections::BTreeMap;

use bytes::Bytes;
use cluster_transport::proto::Incarnation;

use super::collections::CollectionKey;
use super::log::{LogEntry, OwnerLog};
use super::message::{
    BEGIN, Begin, DELTA, DELTA_BYTES, Delta, MAX_CHANGES, MAX_DELTA, Position, REMOVED_BYTES, WireCollection,
    WireEntry,
};
use super::table::{RoomTable, Slot};
use crate::engine::wire::{Bounded, encode};

/// The stream to one member.
#[derive(Debug, Default)]
pub(super) struct Sender {
    stage: Stage,
    /// All up to here has been sent.
    sent: u64,
    /// Where the last pass began.
    pass_start: u64,
    /// All up to here has been applied over there.
    applied: u64,
    /// The member has to hear that it is caught up, even if nothing changed.
    owes_caught_up: bool,
}

/// How the stream goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// There is no session, or the member has not said yet where it is.
    #[default]
    Waiting,
    /// A pass begins with the next message.
    Beginning,
    /// Everything from 0 is being told.
    Passing,
    /// Changes are told as they come.
    Following,
}

impl Sender {
    /// The member told what it has, at the start of a session or because it asks for more.
    pub(super) fn resume(&mut self, log: &OwnerLog, me: Incarnation, position: Position) {
        let newest = log.version();
        (self.stage, self.sent) = match position {
            Position::At { incarnation, version } if incarnation == me && version <= newest => {
                (self.pass_start, self.applied) = (0, version);
                (Stage::Following, version)
            }
            Position::Pass { incarnation, start, position }
                if incarnation == me && start.max(position) <= newest =>
            {
                (self.pass_start, self.applied) = (start, position);
                (Stage::Passing, position)
            }
            Position::Later => {
                (self.pass_start, self.applied) = (newest, 0);
                (Stage::Waiting, 0)
            }
            _ => {
                (self.pass_start, self.applied) = (newest, 0);
                (Stage::Beginning, 0)
            }
        };
        self.owes_caught_up = true;
    }

    /// The session is gone: nothing more is sent until the member says where it is.
    pub(super) fn pause(&mut self) {
        self.stage = Stage::Waiting;
    }

    /// The member has applied everything up to a version.
    pub(super) fn acknowledge(&mut self, version: u64) {
        self.applied = self.applied.max(version);
    }

    /// The version up to which the member has applied everything.
    pub(super) fn applied(&self) -> u64 {
        self.applied
    }

    /// The version up to which the member was told everything.
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Goes on from another place than where it is, as a bug would have it.
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn misplace(&mut self, at: u64) {
        self.sent = at;
        self.owes_caught_up = true;
    }

    /// The tombstones up to here are not needed for this member.
    pub(super) fn release(&self) -> u64 {
        self.applied.max(self.pass_start)
    }

    /// The next message of at most `limit` bytes, if there is something to tell and it fits.
    pub(super) fn poll(&mut self, log: &OwnerLog, table: &RoomTable, limit: usize) -> Option<Bytes> {
        self.restart_if_overtaken(log);
        match self.stage {
            Stage::Waiting => None,
            Stage::Beginning if limit < BEGIN_BYTES => None,
            Stage::Beginning => {
                self.pass_start = log.version();
                self.stage = Stage::Passing;
                Some(encode(BEGIN, &Begin { start: self.pass_start }))
            }
            Stage::Passing | Stage::Following => self.poll_delta(log, table, limit.min(MAX_DELTA)),
        }
    }

    fn restart_if_overtaken(&mut self, log: &OwnerLog) {
        let needed = match self.stage {
            Stage::Waiting | Stage::Beginning => return,
            Stage::Passing => self.sent.max(self.pass_start),
            Stage::Following => self.sent,
        };
        if needed < log.floor() {
            self.stage = Stage::Beginning;
            self.sent = 0;
        }
    }

    fn poll_delta(&mut self, log: &OwnerLog, table: &RoomTable, limit: usize) -> Option<Bytes> {
        if self.sent == log.version() && !self.owes_caught_up {
            return None;
        }
        let tombstones_after = match self.stage {
            Stage::Passing => self.sent.max(self.pass_start),
            _ => self.sent,
        };
        let mut cut = Cut::new(self.sent, limit)?;
        let mut is_all = true;
        for (version, entry) in log.after(self.sent, tombstones_after) {
            if !cut.push(table, entry) {
                is_all = false;
                break;
            }
            cut.delta.to = version;
        }
        if is_all {
            cut.delta.to = log.version();
            cut.delta.caught_up = Some(log.hash().value());
            self.stage = Stage::Following;
            self.owes_caught_up = false;
        } else if cut.delta.to == self.sent {
            return None;
        }
        self.sent = cut.delta.to;
        Some(encode(DELTA, &cut.delta))
    }
}

/// The longest `Begin`.
const BEGIN_BYTES: usize = 11;

/// A delta that is being filled up to a number of bytes.
struct Cut<'a> {
    delta: Delta<'a>,
    named: BTreeMap<CollectionKey, u16>,
    left: usize,
}

impl<'a> Cut<'a> {
    fn new(from: u64, limit: usize) -> Option<Self> {
        let delta = Delta {
            from,
            to: from,
            caught_up: None,
            collections: Bounded::new(),
            entries: Bounded::new(),
            removed: Bounded::new(),
        };
        Some(Self { delta, named: BTreeMap::new(), left: limit.checked_sub(DELTA_BYTES)? })
    }

    /// Adds an entry; `false` if it does not fit.
    fn push(&mut self, table: &'a RoomTable, entry: LogEntry) -> bool {
        if self.delta.entries.as_slice().len() + self.delta.removed.as_slice().len() >= MAX_CHANGES {
            return false;
        }
        match entry {
            LogEntry::Gone(id) => self.take(REMOVED_BYTES) && self.delta.removed.push(id).is_ok(),
            LogEntry::Live { slot, count } => {
                let Some(id) = table.id(slot) else { return true };
                let Some(collection) = self.name_collection(table, slot) else { return false };
                let entry = WireEntry { id, collection, count, filters: table.filters(slot) };
                self.take(entry.max_len()) && self.delta.entries.push(entry).is_ok()
            }
        }
    }

    fn name_collection(&mut self, table: &'a RoomTable, slot: Slot) -> Option<u16> {
        let key = table.collection_key(slot)?;
        if let Some(number) = self.named.get(&key) {
            return Some(*number);
        }
        let name = table.collections().name(key)?;
        let name = WireCollection { index: &name.index, collection: &name.collection };
        let number = u16::try_from(self.delta.collections.as_slice().len()).ok()?;
        if !self.take(name.max_len()) || self.delta.collections.push(name).is_err() {
            return None;
        }
        self.named.insert(key, number);
        Some(number)
    }

    fn take(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use cluster_transport::proto::hash::HashSeed;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::engine::room::RoomId;
    use crate::engine::state::collections::CollectionName;
    use crate::engine::state::table::Description;
    use crate::engine::wire::decode;

    const ME: Incarnation = Incarnation { epoch: 1, nonce: 1 };

    /// A log of four rooms, one after the other, that keeps no more tombstones than live rooms.
    fn four_rooms() -> (OwnerLog, RoomTable, Vec<Slot>) {
        let seed = HashSeed::from_rng(&mut ChaCha8Rng::seed_from_u64(1));
        let (mut table, mut log) = (RoomTable::new(seed), OwnerLog::new(seed, 0));
        let collection = &CollectionName { index: "i".into(), collection: "c".into() };
        let mut add = |number| {
            let room = Description { id: RoomId::new([number; 32]), collection, filters: b"{}" };
            let slot = table.find_or_insert(room).unwrap().slot;
            log.set(&mut table, slot, 1);
            slot
        };
        let slots = (1..=4).map(&mut add).collect();
        (log, table, slots)
    }

    /// The versions of the next message: `(None, start)` for a `Begin`, `(from, to)` for a delta.
    fn next(
        sender: &mut Sender,
        log: &OwnerLog,
        table: &RoomTable,
        limit: usize,
    ) -> Option<(Option<u64>, u64)> {
        let message = sender.poll(log, table, limit)?;
        let (kind, body) = message.split_first().unwrap();
        if *kind == BEGIN {
            return Some((None, decode::<Begin>(BEGIN, body).unwrap().start));
        }
        let delta: Delta<'_> = decode(DELTA, body).unwrap();
        assert_eq!(delta.caught_up.is_some(), delta.to == log.version());
        Some((Some(delta.from), delta.to))
    }

    #[test]
    fn whoever_has_nothing_gets_a_pass_in_pieces_as_the_lane_has_room() {
        let (log, table, _) = four_rooms();
        let mut sender = Sender::default();
        assert_eq!(next(&mut sender, &log, &table, 1_000), None, "it has not said where it is");
        sender.resume(&log, ME, Position::Nothing);
        assert_eq!(next(&mut sender, &log, &table, 5), None);
        assert_eq!(next(&mut sender, &log, &table, 1_000), Some((None, 4)));
        assert_eq!(next(&mut sender, &log, &table, 60), None);
        assert_eq!(next(&mut sender, &log, &table, 160), Some((Some(0), 2)));
        assert_eq!(next(&mut sender, &log, &table, 1_000), Some((Some(2), 4)));
        assert_eq!(next(&mut sender, &log, &table, 1_000), None);
    }

    #[test]
    fn a_position_is_gone_on_from_only_if_it_is_one_of_this_incarnation() {
        let (log, table, _) = four_rooms();
        let other = Incarnation { epoch: 0, nonce: 1 };
        let first = |position| {
            let mut sender = Sender::default();
            sender.resume(&log, ME, position);
            next(&mut sender, &log, &table, 1_000).unwrap()
        };
        assert_eq!(first(Position::At { incarnation: ME, version: 3 }), (Some(3), 4));
        assert_eq!(first(Position::At { incarnation: ME, version: 4 }), (Some(4), 4));
        assert_eq!(first(Position::At { incarnation: ME, version: 5 }), (None, 4));
        assert_eq!(first(Position::At { incarnation: other, version: 3 }), (None, 4));
        assert_eq!(first(Position::Pass { incarnation: ME, start: 4, position: 1 }), (Some(1), 4));
        assert_eq!(first(Position::Pass { incarnation: ME, start: 5, position: 1 }), (None, 4));
        let mut sender = Sender::default();
        sender.resume(&log, ME, Position::Later);
        assert_eq!(next(&mut sender, &log, &table, 1_000), None, "it will ask");
    }

    #[test]
    fn a_floor_that_passes_the_reader_begins_a_pass() {
        let (mut log, mut table, slots) = four_rooms();
        let mut sender = Sender::default();
        sender.resume(&log, ME, Position::At { incarnation: ME, version: 4 });
        assert_eq!(next(&mut sender, &log, &table, 1_000), Some((Some(4), 4)));
        for slot in &slots[..3] {
            log.set(&mut table, *slot, 0);
        }
        assert_eq!(log.floor(), 6);
        assert_eq!(next(&mut sender, &log, &table, 1_000), Some((None, 7)));
        assert_eq!(next(&mut sender, &log, &table, 1_000), Some((Some(0), 7)));
    }

    #[test]
    fn what_was_applied_stays_applied_and_is_released() {
        let (log, _, _) = four_rooms();
        let mut sender = Sender::default();
        sender.resume(&log, ME, Position::Pass { incarnation: ME, start: 3, position: 1 });
        assert_eq!((sender.applied(), sender.release()), (1, 3));
        sender.acknowledge(4);
        sender.acknowledge(2);
        assert_eq!((sender.applied(), sender.release()), (4, 4));
    }
}
