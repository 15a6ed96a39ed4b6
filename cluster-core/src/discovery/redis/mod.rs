//! Nodes that announce themselves in Redis, each by a lease that it renews.
//!
//! A lease ends by the clock of Redis; the one who renews its own drops a bounded number of ended ones, so no key is ever
//! searched for. What a question costs does not depend on the number of rooms, and its number of commands on nothing.

mod entry;
mod scripts;

use std::time::Duration;

use redis::{Cmd, Script};

use self::entry::Entry;
use super::{Announcement, DiscoveryError, Found, Lease, Looking, Provider, Standing, Withdrawing};
use crate::store::{Store, StoreError};

/// How long a lease lasts that is not renewed: so long a dead node's address may still be dialled.
pub const LEASE_LIFE: Duration = Duration::from_secs(12);
/// The most entries that are read, those that were renewed last.
const MAX_ENTRIES: usize = 4_096;

/// A directory in Redis.
#[derive(Debug)]
pub struct RedisDirectory {
    store: Store,
    /// By node, when its lease ends, in milliseconds of Redis' clock: a sorted set.
    ends: String,
    /// By node, the life and the entry: a hash.
    entries: String,
    renew: Script,
    remove: Script,
}

impl RedisDirectory {
    /// The directory of the store's cluster.
    pub fn new(store: Store) -> Self {
        let (ends, entries) = (store.key("lease-ends"), store.key("leases"));
        let (renew, remove) = (Script::new(scripts::RENEW), Script::new(scripts::REMOVE));
        Self { store, ends, entries, renew, remove }
    }

    async fn find(&self, own: &Announcement) -> Result<Found, StoreError> {
        let (lease, now) = match own.standing {
            Standing::Active => self.renew(own).await?,
            Standing::Superseded => (Lease::Withheld, self.now().await?),
        };
        let mut found = self.others(own, now).await?;
        found.lease = Some(lease);
        Ok(found)
    }

    /// Enters this node, and says when that was by the clock of Redis.
    async fn renew(&self, own: &Announcement) -> Result<(Lease, u64), StoreError> {
        let life = u64::try_from(LEASE_LIFE.as_millis()).unwrap_or(u64::MAX);
        let mut script = self.renew.key(&self.ends);
        script.key(&self.entries).arg(own.node.as_str()).arg(entry::rank(own.incarnation));
        script.arg(Entry::of(own).to_json()).arg(life);
        let (now, held_by): (u64, String) = self.store.script(&script).await?;
        let lease = match entry::incarnation(&held_by) {
            Some(held_by) if held_by > own.incarnation => Lease::Outranked(held_by),
            _ => Lease::Held(LEASE_LIFE),
        };
        Ok((lease, now))
    }

    /// The clock of Redis, in milliseconds.
    async fn now(&self) -> Result<u64, StoreError> {
        let script = Script::new(scripts::NOW);
        self.store.script(&script.key(&self.ends)).await
    }

    /// The nodes whose leases have not ended, among them another process of this node's id, if there is one.
    async fn others(&self, own: &Announcement, now: u64) -> Result<Found, StoreError> {
        let mut live = Cmd::new();
        live.arg("ZREVRANGEBYSCORE").arg(&self.ends).arg("+inf").arg(format!("({now}"));
        live.arg("LIMIT").arg(0).arg(MAX_ENTRIES);
        let nodes: Vec<String> = self.store.query(&live).await?;
        if nodes.is_empty() {
            return Ok(Found::default());
        }
        let mut read = Cmd::new();
        read.arg("HMGET").arg(&self.entries).arg(&nodes);
        let values: Vec<Option<Vec<u8>>> = self.store.query(&read).await?;
        Ok(sift(own, values.into_iter().flatten()))
    }

    async fn remove(&self, own: &Announcement) -> Result<(), StoreError> {
        let mut script = self.remove.key(&self.ends);
        script.key(&self.entries).arg(own.node.as_str()).arg(entry::rank(own.incarnation));
        self.store.script(&script).await
    }
}

/// The addresses of those a session may come about with, without the own ones; what does not decode is foreign too.
fn sift(own: &Announcement, values: impl Iterator<Item = Vec<u8>>) -> Found {
    let mut found = Found::default();
    for value in values {
        match Entry::decode(&value) {
            Some((_, entry)) if entry.fingerprint.is_compatible(&own.fingerprint) => {
                found.addresses.extend(entry.addresses);
            }
            _ => found.foreign += 1,
        }
    }
    found.addresses.retain(|address| !own.addresses.contains(address));
    found
}

impl Provider for RedisDirectory {
    fn name(&self) -> &str {
        "redis"
    }

    fn look<'a>(&'a self, own: &'a Announcement) -> Looking<'a> {
        Box::pin(async { self.find(own).await.map_err(|error| DiscoveryError(error.to_string())) })
    }

    fn withdraw<'a>(&'a self, own: &'a Announcement) -> Withdrawing<'a> {
        Box::pin(async {
            if let Err(error) = self.remove(own).await {
                tracing::debug!("the own lease is left to its end: {error}");
            }
        })
    }

    /// A third of a lease's life.
    fn pause(&self) -> Duration {
        LEASE_LIFE / 3
    }
}
