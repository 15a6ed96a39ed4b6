//! What is measured of members.

use std::fmt;
use std::time::Duration;

use super::super::Transport;

/// What carries the sessions of the members, and whether all that comes over them is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    /// TCP or QUIC: members are processes.
    pub transport: Transport,
    /// Whether they have mutual TLS; QUIC always does.
    pub tls: bool,
    /// Whether every member writes a trace of its inputs, as with `cluster-node run --trace`.
    pub traced: bool,
}

impl Links {
    /// As the option `--tls` says it.
    pub(super) fn security(self) -> &'static str {
        if self.tls { "mutual" } else { "none" }
    }
}

impl fmt::Display for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (security, traced) =
            (if self.tls { "mutual TLS" } else { "plaintext" }, if self.traced { ", traced" } else { "" });
        write!(f, "{}, {security}{traced}", self.transport)
    }
}

/// Subscriptions on one member until its peers have them.
#[derive(Clone, Copy, Debug)]
pub struct RoomsPlan {
    /// What carries them.
    pub links: Links,
    /// How many peers have to have them.
    pub peers: u16,
    /// How many distinct connections subscribe, each to a room of its own.
    pub changes: u64,
    /// How many of the rooms are in one collection.
    pub in_collection: u64,
    /// The length of a room's filters, in bytes.
    pub filters: usize,
    /// How often it is measured.
    pub rounds: u16,
}

/// A member that joins others that have rooms.
#[derive(Clone, Copy, Debug)]
pub struct SyncPlan {
    /// What carries them.
    pub links: Links,
    /// How many members have the rooms, equal shares of them.
    pub owners: u16,
    /// How many rooms there are.
    pub rooms: u64,
    /// The length of a room's filters, in bytes.
    pub filters: usize,
    /// How often it is measured.
    pub rounds: u16,
}

/// A mesh in which nothing happens.
#[derive(Clone, Copy, Debug)]
pub struct IdlePlan {
    /// What carries the sessions.
    pub links: Links,
    /// How many members there are.
    pub nodes: u16,
    /// For how long it is watched.
    pub duration: Duration,
}

/// A member whose process is killed.
#[derive(Clone, Copy, Debug)]
pub struct KillPlan {
    /// What carries the sessions.
    pub links: Links,
    /// How many members there are, the one that is killed included.
    pub nodes: u16,
    /// How many rooms each of them has.
    pub rooms: u64,
    /// How often one is killed.
    pub rounds: u16,
}
