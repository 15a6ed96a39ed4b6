//! Addresses of nodes that are no members now: removed ones, and ones that others named.
//!
//! They are dialled for a while, so that a healed split merges without a restart. Removed members push out hints, and older
//! entries newer ones, at a fixed bound. An address at which somebody else answers is dropped.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Whose they are.
    nodes: BTreeMap<NodeId, BTreeSet<Address>>,
    /// How long each is kept, apart for each way in which it came.
    hinted: BTreeSet<(Instant, Address)>,
    departed: BTreeSet<(Instant, Address)>,
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
        self.drop_one(address);
        let until = now + life;
        self.entries.insert(address.clone(), Entry { node: node.clone(), origin, until });
        self.nodes.entry(node.clone()).or_default().insert(address.clone());
        self.ends_of(origin).insert((until, address.clone()));
        if self.entries.len() <= MAX_ABSENT {
            return None;
        }
        let (_, weakest) = self.hinted.first().or_else(|| self.departed.first())?;
        let weakest = weakest.clone();
        self.drop_one(&weakest);
        Some(weakest)
    }

    /// Drops all addresses of a node; which they were.
    pub(super) fn forget(&mut self, node: &NodeId) -> Vec<Address> {
        let addresses: Vec<Address> = self.nodes.get(node).into_iter().flatten().cloned().collect();
        addresses.iter().for_each(|address| self.drop_one(address));
        addresses
    }

    /// Somebody answered at an address: it is kept only if that is the node that was looked for. Whether it is dropped.
    pub(super) fn answered(&mut self, address: &Address, by: &NodeId) -> bool {
        let is_anothers = self.entries.get(address).is_some_and(|entry| entry.node != *by);
        if is_anothers {
            self.drop_one(address);
        }
        is_anothers
    }

    /// Drops what was looked for long enough.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Address> {
        let over = [&self.hinted, &self.departed]
            .into_iter()
            .flat_map(|ends| ends.iter().take_while(|(until, _)| *until <= now));
        let addresses: Vec<Address> = over.map(|(_, address)| address.clone()).collect();
        addresses.iter().for_each(|address| self.drop_one(address));
        addresses
    }

    /// When the next address expires.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let first = [self.hinted.first(), self.departed.first()];
        first.into_iter().flatten().map(|(until, _)| *until).min()
    }

    fn ends_of(&mut self, origin: Origin) -> &mut BTreeSet<(Instant, Address)> {
        match origin {
            Origin::Hinted => &mut self.hinted,
            Origin::Departed => &mut self.departed,
        }
    }

    /// The one place where an entry goes, so that each is found in all ways or in none.
    fn drop_one(&mut self, address: &Address) {
        let Some(Entry { node, origin, until }) = self.entries.remove(address) else { return };
        self.ends_of(origin).remove(&(until, address.clone()));
        if let Some(addresses) = self.nodes.get_mut(&node) {
            addresses.remove(address);
            if addresses.is_empty() {
                self.nodes.remove(&node);
            }
        }
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
        assert!(!absent.answered(&address(1), &node("a")));
        assert!(absent.answered(&address(1), &node("b")));
        assert!(!absent.answered(&address(1), &node("b")), "it is gone already");
        assert_eq!(absent.expire(Instant::ORIGIN + DEPARTED_LIFE - Duration::from_secs(1)), []);
        assert_eq!(absent.expire(Instant::ORIGIN + DEPARTED_LIFE), [address(2)]);
        assert_eq!(absent.next_expiry(), None);
    }

    #[test]
    fn an_address_is_kept_for_the_last_node_that_it_was_noted_of_and_leaves_nothing_behind() {
        let mut absent = Absent::default();
        let at = |seconds| Instant::after_origin(Duration::from_secs(seconds));
        for (second, name, origin) in [
            (0, "a", Origin::Hinted),
            (1, "b", Origin::Hinted),
            (2, "b", Origin::Departed),
            (3, "a", Origin::Hinted),
        ] {
            absent.note(at(second), &node(name), &address(1), origin);
        }
        assert_eq!(absent.next_expiry(), Some(at(2) + DEPARTED_LIFE));
        assert_eq!(absent.forget(&node("a")), []);
        assert_eq!(absent.forget(&node("b")), [address(1)]);
        assert!(absent.entries.is_empty() && absent.nodes.is_empty());
        assert!(absent.hinted.is_empty() && absent.departed.is_empty());
    }
}
