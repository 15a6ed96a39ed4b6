//! Another owner: what it holds, how far we are in its stream, and how far it is in ours.

use cluster_transport::proto::Incarnation;

use super::chores::Sweep;
use super::collections::CollectionName;
use super::counters::StateCounters;
use super::limits::StateLimits;
use super::message::{Delta, WireCollection, WireEntry};
use super::receiver::Receiver;
use super::replica::Replica;
use super::sender::Sender;
use super::stall::Stall;
use super::table::{Description, MemberIndex, RoomTable};
use crate::engine::room::{MAX_FILTERS, MAX_NAME, RoomId};

/// Another owner and the two streams with it: first what every heartbeat is about, in two lines of the cache with its id.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Peer {
    pub(super) receiver: Receiver,
    /// There for few, as what is stalled.
    pub(super) sweep: Option<Box<Sweep>>,
    pub(super) stall: Stall,
    pub(super) link: Link,
    pub(super) replica: Replica,
    pub(super) incarnation: Incarnation,
    pub(super) sender: Sender,
    pub(super) counters: StateCounters,
}

/// Whether the peer's messages are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// There is no session.
    Down,
    /// There is a session.
    Up,
    /// There is a session, but the peer holds more than the limits allow.
    OverBudget,
}

/// What became of a delta's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// All of them are applied; some may differ from what is known of their rooms.
    All(Conflicts),
    /// The limits were reached on the way.
    OverBudget,
    /// One of them is no room, or names no collection.
    Malformed,
}

/// The rooms of a message that are described otherwise than they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Conflicts {
    pub(super) first: Option<RoomId>,
    pub(super) rooms: u32,
}

impl Conflicts {
    fn add(&mut self, room: RoomId) {
        self.first.get_or_insert(room);
        self.rooms += 1;
    }
}

impl Peer {
    pub(super) fn new(incarnation: Incarnation, member: MemberIndex) -> Self {
        Self {
            receiver: Receiver::default(),
            sweep: None,
            stall: Stall::default(),
            link: Link::Down,
            replica: Replica::new(member),
            incarnation,
            sender: Sender::default(),
            counters: StateCounters::default(),
        }
    }

    /// A session with this incarnation began. The rooms of an earlier incarnation stay until the pass of this one.
    pub(super) fn connect(&mut self, incarnation: Incarnation) {
        if self.incarnation != incarnation {
            self.incarnation = incarnation;
            self.sender = Sender::default();
            self.receiver = self.receiver.for_next_incarnation();
            self.replica.stay();
            // What it leaves is swept by the pass of this one.
            self.sweep = None;
        }
        self.link = Link::Up;
        self.sender.pause();
        self.receiver.connect();
        self.stall.end();
    }

    /// Something of its state came that does not begin the pass that was asked for.
    pub(super) fn note_life(&mut self) {
        if self.receiver.awaits_pass() {
            self.stall.others_came();
        } else {
            self.stall.begin_anew();
        }
    }

    /// Whether this is what we have of it, as was found before, and nothing else is to come.
    pub(super) fn is_known_to_be_at(&self, version: u64, hash: u128) -> bool {
        self.is_comparable(version) && self.is_known_to_equal(hash) && !self.receiver.lacks(version)
    }

    /// Whether we have just this version of it, and all of that.
    pub(super) fn is_comparable(&self, version: u64) -> bool {
        let is_whole = !self.receiver.is_passing() && self.sweep.is_none();
        self.link == Link::Up && is_whole && self.receiver.settled() == Some(version)
    }

    /// Whether a comparison with this hash would find what the last one found: that they are equal.
    pub(super) fn is_known_to_equal(&self, hash: u128) -> bool {
        self.replica.hash().value() == hash && !self.receiver.is_repairing()
    }

    /// Whether what we have of it is all it has said, so that its absence from a room means something.
    pub(super) fn is_current(&self) -> bool {
        self.link != Link::OverBudget && self.receiver.is_current()
    }

    /// Takes the entries of a delta over into the replica and the union.
    pub(super) fn apply(&mut self, table: &mut RoomTable, limits: StateLimits, delta: Delta<'_>) -> Applied {
        let Some(names) = delta.collections.into_iter().map(read_name).collect::<Option<Vec<_>>>() else {
            return Applied::Malformed;
        };
        let mut conflicts = Conflicts::default();
        for entry in delta.entries {
            let Some(room) = read_entry(&entry, &names) else { return Applied::Malformed };
            if !self.has_room_for(table, limits, room) {
                return Applied::OverBudget;
            }
            let Some(found) = table.find_or_insert(room) else { return Applied::OverBudget };
            if !found.agrees {
                conflicts.add(room.id);
            }
            self.replica.set(table, found.slot, Some(entry.count));
        }
        for room in delta.removed {
            if let Some(slot) = table.find(&room) {
                self.replica.set(table, slot, None);
            }
        }
        Applied::All(conflicts)
    }

    fn has_room_for(&self, table: &RoomTable, limits: StateLimits, room: Description<'_>) -> bool {
        let bytes = self.replica.bytes() + Replica::cost(room.filters);
        let is_held = || table.find(&room.id).is_some_and(|slot| self.replica.holds(slot));
        (self.replica.len() < limits.rooms && bytes <= limits.bytes) || is_held()
    }
}

fn read_name(name: WireCollection<'_>) -> Option<CollectionName> {
    let fits = name.index.len() <= MAX_NAME && name.collection.len() <= MAX_NAME;
    fits.then(|| CollectionName { index: name.index.into(), collection: name.collection.into() })
}

fn read_entry<'a>(entry: &WireEntry<'a>, names: &'a [CollectionName]) -> Option<Description<'a>> {
    let collection = names.get(usize::from(entry.collection))?;
    let fits = entry.filters.len() <= MAX_FILTERS;
    fits.then_some(Description { id: entry.id, collection, filters: entry.filters })
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use cluster_transport::proto::NodeId;

    use super::*;
    use crate::engine::state::hash::StateHash;

    #[test]
    fn what_a_heartbeat_is_about_is_in_two_lines_of_the_cache() {
        let end = size_of::<NodeId>() + offset_of!(Peer, replica) + size_of::<StateHash>();
        assert!(end <= 128, "{end} bytes");
    }
}
