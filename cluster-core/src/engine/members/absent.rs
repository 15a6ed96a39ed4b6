//! Addresses of nodes that are no members now: removed ones, and ones that others named.
//!
//! They are dialled for a while, so that a healed split merges without a restart. Removed members push out hints, and older
//! entries newer ones, at a fixed bound. An address at which somebody else answers is dropped.

use std::collections::BTreeMap;

use cluster_transport::proto::{Address, Instant, NodeId};

use super::timing::{DEPARTED_LIFE, HINT_LIFE};

/// The most addresses.
pub const MAX_ABSENT: usize = 256;

/// How an address came here; the order is the order of being pushed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A member named it.
    Hinted,
    /// It is of a removed member.
    Departed,
}

#[derive(Debug)]
struct Entry {
    node: NodeId,
    origin: Origin,
    until: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Absent {
    entries: BTreeMap<Address, Entry>,
}

impl Absent {
    /// Notes an address. The one that is dropped for it or instead of it, if the bound is reached.
    pub(super) fn note(
        &mut self,
        now: Instant,
        node: &NodeId,
        address: &Address,
        origin: Origin,
    ) -> Option<Address> {
        let life = if origin == Origin::Departed { DEPARTED_LIFE } else { HINT_LIFE };
        if self.entries.get(address).is_some_and(|known| known.origin > origin) {
            return None;
        }
        self.entries.insert(address.clone(), Entry { node: node.clone(), origin, until: now + life });
        if self.entries.len() <= MAX_ABSENT {
            return None;
        }
        let weakest = self.entries.iter().min_by_key(|(_, entry)| (entry.origin, entry.until));
        let weakest = weakest.map(|(address, _)| address.clone())?;
        self.entries.remove(&weakest);
        Some(weakest)
    }

    /// Drops all addresses of a node; which they were.
    pub(super) fn forget(&mut self, node: &NodeId) -> Vec<Address> {
        self.drop_if(|_, entry| entry.node == *node)
    }

    /// Somebody answered at an address: it is kept only if that is the node that was looked for.
    pub(super) fn answered(&mut self, address: &Address, by: &NodeId) -> Vec<Address> {
        self.drop_if(|known, entry| known == address && entry.node != *by)
    }

    /// Drops what was looked for long enough.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Address> {
        self.drop_if(|_, entry| entry.until <= now)
    }

    /// When the next address expires.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.entries.values().map(|entry| entry.until).min()
    }

    fn drop_if(&mut self, mut gone: impl FnMut(&Address, &Entry) -> bool) -> Vec<Address> {
        self.entries
            .extract_if(.., |address, entry| gone(address, entry))
            .map(|(address, _)| address)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(port: usize) -> Address {
        format!("10.0.0.1:{port}").parse().unwrap()
    }

    fn node(text: &str) -> NodeId {
        text.parse().unwrap()
    }

    #[test]
    fn hints_never_push_a_removed_member_out() {
        let mut absent = Absent::default();
        let now = Instant::ORIGIN;
        assert_eq!(absent.note(now, &node("gone"), &address(1), Origin::Departed), None);
        for port in 2..=MAX_ABSENT {
            assert_eq!(absent.note(now, &node("hint"), &address(port), Origin::Hinted), None);
        }
        let dropped =
            absent.note(now + Duration::from_secs(1), &node("late"), &address(9999), Origin::Hinted);
        assert!(dropped.is_some_and(|dropped| dropped != address(1)));
        assert_eq!(absent.entries.len(), MAX_ABSENT);
        assert_eq!(absent.forget(&node("gone")), [address(1)]);
    }

    #[test]
    fn an_address_is_dropped_when_somebody_else_answers_or_its_time_is_over() {
        let mut absent = Absent::default();
        absent.note(Instant::ORIGIN, &node("a"), &address(1), Origin::Departed);
        absent.note(Instant::ORIGIN, &node("b"), &address(2), Origin::Departed);
        assert_eq!(absent.answered(&address(1), &node("a")), []);
        assert_eq!(absent.answered(&address(1), &node("b")), [address(1)]);
        assert_eq!(absent.expire(Instant::ORIGIN + DEPARTED_LIFE - Duration::from_secs(1)), []);
        assert_eq!(absent.expire(Instant::ORIGIN + DEPARTED_LIFE), [address(2)]);
        assert_eq!(absent.next_expiry(), None);
    }
}
