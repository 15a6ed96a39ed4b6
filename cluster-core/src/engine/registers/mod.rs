//! Registers: few, small values that any node may write and all are to know, such as authentication strategies and keys.
//!
//! [`Registers`] owns this node's copy and what each peer is known to hold. A write goes to every member in session at once;
//! whatever went another way is found by digests and fetched, from one member at a time. The higher stamp wins, removals are
//! kept, so nodes that were apart agree again whatever each of them did meanwhile, and a register outlives its writer.
//! What a node writes before it has read the registers of the others is held until then: a default never overrides what the
//! cluster had before. Outputs are to be drained after every input.

mod change;
mod entry;
mod exchange;
mod log;
mod message;
mod peers;
mod table;
mod verbs;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use cluster_transport::proto::{Instant, NodeId};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use self::log::Log;
use self::peers::Peer;
use self::table::{Merged, Table};
use self::verbs::Intent;
use super::by_node::ByNode;
use super::deadline::earlier;

pub use self::change::{Awaited, RegisterChange, RegisterCounters, Written};
pub use self::entry::{
    MAX_COUNTER, MAX_KEY, MAX_KEYS, MAX_VALUE, Raw, RegisterEntry, RegisterError, RegisterKey, Stamp,
};
pub(super) use self::message::{OFFER, PULL, STANDING};
#[cfg(test)]
pub(super) use self::message::{Offer, Pull, Standing};

/// Whether the registers are kept in a store besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreUse {
    /// They live in the members alone.
    #[default]
    Absent,
    /// A node that finds no member has to read the store before it is ready.
    Configured,
}

/// The registers, as this node holds them, and its part in keeping them equal everywhere.
#[derive(Debug)]
pub struct Registers {
    me: NodeId,
    heartbeat: Duration,
    ready_wait: Duration,
    rng: ChaCha8Rng,
    table: Table,
    /// Counts the changes of the table.
    at: u64,
    /// What this node wrote itself, in the order of its changes: peers are told of what they do not have yet.
    own: Log,
    /// What the host has not been told yet.
    untold: Log,
    peers: ByNode<Peer>,
    /// Those that said they hold something else, and since when that is so.
    differing: BTreeMap<NodeId, Instant>,
    /// The peers that are to hear what this node holds.
    to_tell: BTreeSet<NodeId>,
    /// Those that hold back a node that has not read the registers yet.
    awaited: BTreeSet<NodeId>,
    /// When the first of them ceases to, or earlier.
    patience_ends: Option<Instant>,
    pull: Option<Pulling>,
    /// When digests are compared and told again; none while there is nothing to do.
    tick: Option<Instant>,
    /// Whether the registers of the cluster have been read.
    read: bool,
    store_pending: bool,
    /// What is to be written once they have.
    intents: BTreeMap<RegisterKey, Intent>,
    counters: RegisterCounters,
}

/// The registers of a peer are being fetched.
#[derive(Debug)]
struct Pulling {
    from: NodeId,
    /// Until when something has to come.
    until: Instant,
    asked: bool,
}

impl Registers {
    pub(super) fn new(
        me: NodeId,
        heartbeat: Duration,
        ready_wait: Duration,
        store: StoreUse,
        mut rng: ChaCha8Rng,
    ) -> Self {
        let seed = rng.next_u64();
        Self {
            me,
            heartbeat,
            ready_wait,
            rng,
            table: Table::default(),
            at: 0,
            own: Log::default(),
            untold: Log::default(),
            peers: ByNode::new(seed),
            differing: BTreeMap::new(),
            to_tell: BTreeSet::new(),
            awaited: BTreeSet::new(),
            patience_ends: None,
            pull: None,
            tick: None,
            read: false,
            store_pending: store == StoreUse::Configured,
            intents: BTreeMap::new(),
            counters: RegisterCounters::default(),
        }
    }

    /// The value of a register; none if it has none.
    pub fn get(&self, key: &RegisterKey) -> Option<&Bytes> {
        self.table.get(key).and_then(|slot| slot.entry.value())
    }

    /// The registers that have a value, in the order of their keys, after this one.
    pub fn list(&self, after: Option<&RegisterKey>) -> impl Iterator<Item = (&RegisterKey, &Bytes)> {
        self.table.after(after).filter_map(|(key, slot)| Some((key, slot.entry.value()?)))
    }

    /// All registers with their stamps, removed ones included, after this key.
    pub fn entries(&self, after: Option<&RegisterKey>) -> impl Iterator<Item = &RegisterEntry> {
        self.table.after(after).map(|(_, slot)| &slot.entry)
    }

    /// The registers that changed here after this moment of [`at`](Self::at).
    pub fn changed_since(&self, at: u64) -> impl Iterator<Item = &RegisterEntry> {
        self.table.after(None).filter(move |(_, slot)| slot.at > at).map(|(_, slot)| &slot.entry)
    }

    /// How many keys there are, removed ones included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// How many of these keys have no value any more.
    pub fn removed(&self) -> usize {
        self.table.removed()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// The sum of the hashes of all registers: nodes with equal ones hold the same.
    pub fn digest(&self) -> u128 {
        self.table.digest()
    }

    /// Counts the changes of this node's copy.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Whether this node has read the registers of the others, or found that there are none to read.
    pub fn is_read(&self) -> bool {
        self.read
    }

    /// Grows with each write of this node itself.
    pub fn own_writes(&self) -> u64 {
        self.own.last()
    }

    /// Whether every peer in session said last that it holds what this node holds.
    pub fn is_converged(&self) -> bool {
        self.differing().next().is_none()
    }

    /// The peers in session that hold something else, or have not said what.
    pub fn differing(&self) -> impl Iterator<Item = &NodeId> {
        let differs = |peer: &Peer| peer.digest != Some(self.digest());
        self.peers.iter().filter(move |(_, peer)| differs(peer)).map(|(node, _)| node)
    }

    /// What happened, in numbers.
    pub fn counters(&self) -> RegisterCounters {
        self.counters
    }

    /// Whether the host has something to be told.
    pub(super) fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// The next change for the host.
    pub(super) fn poll_change(&mut self) -> Option<RegisterChange> {
        let (at, key) = self.untold.pop_first()?;
        let value = self.get(&key).cloned();
        Some(RegisterChange { key, value, at })
    }

    /// When time is to be told next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let pull = self.pull.as_ref().map(|pull| pull.until);
        let waits = self.patience_ends.filter(|_| !self.read);
        earlier(waits, earlier(pull, self.tick))
    }

    /// Takes a register in that came from elsewhere.
    fn take(&mut self, now: Instant, entry: RegisterEntry) {
        self.insert(now, entry, &[Told::Host]);
    }

    /// Puts a register into the table and notes who has to hear of it.
    fn insert(&mut self, now: Instant, entry: RegisterEntry, told: &[Told]) -> Option<u64> {
        let (key, at) = (entry.key().clone(), self.at + 1);
        let before = self.table.get(&key).map(|slot| slot.at);
        let gave_way = match self.table.merge(entry, at) {
            Merged::Taken { gave_way } => gave_way,
            Merged::Known => return None,
            Merged::NoRoom => {
                self.counters.keys_given_way += 1;
                return None;
            }
        };
        self.at = at;
        if let Some(before) = before {
            self.own.remove(before);
            self.untold.remove(before);
        }
        if let Some(key) = gave_way {
            // The host of a key that cannot be kept is told that it has no value.
            self.counters.keys_given_way += 1;
            self.at += 1;
            self.own.forget(&key);
            self.untold.forget(&key);
            self.untold.push(self.at, key);
        }
        for told in told {
            match told {
                Told::Peers => self.own.push(at, key.clone()),
                Told::Host => self.untold.push(at, key.clone()),
            }
        }
        self.schedule(now);
        Some(at)
    }

    /// Compares and tells within a heartbeat.
    fn schedule(&mut self, now: Instant) {
        self.tick.get_or_insert(now + self.heartbeat);
    }
}

/// Who has to hear of a change.
#[derive(Clone, Copy, Debug)]
enum Told {
    Peers,
    Host,
}

#[cfg(test)]
mod tests;
