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
