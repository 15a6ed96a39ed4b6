//! The registers that a node holds, with the digests that tell whether two nodes hold the same.
//!
//! Merging is a join: whatever the order and however often registers come, the result is the same. That is so at the bound
//! too: of more than [`MAX_KEYS`] keys the lowest ones stay, on every node.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::entry::{MAX_KEYS, RegisterEntry, RegisterKey};

/// The parts of the table that are compared one by one: what differs in one register costs the transfer of a 64th.
pub(super) const BUCKETS: usize = 64;

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) entry: RegisterEntry,
    /// When it changed, counted in changes of this node's table.
    pub(super) at: u64,
    hash: u128,
}

/// What a merge did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Merged {
    /// The register is new here; the key that gave way for it, if one did.
    Taken { gave_way: Option<RegisterKey> },
    /// It was known, or something newer.
    Known,
    /// There are too many lower keys.
    NoRoom,
}

#[derive(Debug)]
pub(super) struct Table {
    slots: BTreeMap<RegisterKey, Slot>,
    buckets: [u128; BUCKETS],
    digest: u128,
    /// How many of them have no value.
    removed: usize,
    limit: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { slots: BTreeMap::new(), buckets: [0; BUCKETS], digest: 0, removed: 0, limit: MAX_KEYS }
    }
}

impl Table {
    #[cfg(test)]
    pub(super) fn with_limit(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(super) fn get(&self, key: &RegisterKey) -> Option<&Slot> {
        self.slots.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many registers were removed: their keys are here, and no values.
    pub(super) fn removed(&self) -> usize {
        self.removed
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn digest(&self) -> u128 {
        self.digest
    }

    pub(super) fn buckets(&self) -> &[u128; BUCKETS] {
        &self.buckets
    }

    /// The registers in the order of their keys, after this one.
    pub(super) fn after(&self, key: Option<&RegisterKey>) -> impl Iterator<Item = (&RegisterKey, &Slot)> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.slots.range::<RegisterKey, _>((key.map_or(Unbounded, Excluded), Unbounded))
    }

    /// Takes a register in, if it wins over what is here.
    pub(super) fn merge(&mut self, entry: RegisterEntry, at: u64) -> Merged {
        if self.slots.get(entry.key()).is_some_and(|slot| !entry.wins_over(&slot.entry)) {
            return Merged::Known;
        }
        let is_new = !self.slots.contains_key(entry.key());
        let last = self.slots.last_key_value().map(|(last, _)| last);
        if is_new && self.slots.len() >= self.limit && last.is_some_and(|last| entry.key() > last) {
            return Merged::NoRoom;
        }
        let hash = entry.hash();
        self.count(entry.key(), hash, u128::wrapping_add);
        self.removed += usize::from(entry.value().is_none());
        let key = entry.key().clone();
        if let Some(old) = self.slots.insert(key.clone(), Slot { entry, at, hash }) {
            self.count_out(&key, &old);
        }
        let gave_way = if self.slots.len() > self.limit { self.slots.pop_last() } else { None };
        let gave_way = gave_way.map(|(key, slot)| {
            self.count_out(&key, &slot);
            key
        });
        Merged::Taken { gave_way }
    }

    fn count_out(&mut self, key: &RegisterKey, slot: &Slot) {
        self.removed -= usize::from(slot.entry.value().is_none());
        self.count(key, slot.hash, u128::wrapping_sub);
    }

    fn count(&mut self, key: &RegisterKey, hash: u128, how: fn(u128, u128) -> u128) {
        self.digest = how(self.digest, hash);
        if let Some(bucket) = self.buckets.get_mut(bucket(key)) {
            *bucket = how(*bucket, hash);
        }
    }
}

/// Which part of the table a key belongs to.
pub(super) fn bucket(key: &RegisterKey) -> usize {
    let hash = xxh3_64(key.as_str().as_bytes());
    usize::try_from(hash % (BUCKETS as u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::entry::Stamp;
    use super::*;

    fn entry(key: u8, counter: u64, node: u8, value: Option<u8>) -> RegisterEntry {
        let stamp = Stamp { counter, node: format!("n{node}").parse().unwrap() };
        let value = value.map(|byte| Bytes::copy_from_slice(&[byte]));
        RegisterEntry::new(format!("k{key:03}").parse().unwrap(), stamp, value).unwrap()
    }

    fn entries() -> impl Strategy<Value = Vec<RegisterEntry>> {
        let one = (0..12_u8, 0..4_u64, 0..3_u8, prop::option::of(0..3_u8));
        let one = one.prop_map(|(key, counter, node, value)| entry(key, counter, node, value));
        prop::collection::vec(one, 0..60)
    }

    fn table(limit: usize, entries: impl IntoIterator<Item = RegisterEntry>) -> Table {
        let mut table = Table::with_limit(limit);
        for (at, entry) in (1..).zip(entries) {
            table.merge(entry, at);
        }
        table
    }

    fn contents(table: &Table) -> Vec<RegisterEntry> {
        table.after(None).map(|(_, slot)| slot.entry.clone()).collect()
    }

    proptest! {
        #[test]
        fn the_order_and_repeats_do_not_matter_at_the_bound_either(
            given in entries(),
            order in any::<prop::sample::Index>(),
            split in any::<prop::sample::Index>(),
        ) {
            let limit = 8;
            let direct = table(limit, given.clone());
            let mut turned = given.clone();
            if !turned.is_empty() {
                turned.rotate_left(order.index(given.len()));
            }
            turned.extend(given.clone());
            turned.reverse();
            prop_assert_eq!(contents(&direct), contents(&table(limit, turned)));
            // Two halves that meet later, as after a split.
            let at = if given.is_empty() { 0 } else { split.index(given.len()) };
            let (left, right) = given.split_at(at);
            let halves = contents(&table(limit, left.to_vec())).into_iter().chain(contents(&table(limit, right.to_vec())));
            let met = table(limit, halves);
            prop_assert_eq!(contents(&direct), contents(&met));
            prop_assert_eq!((direct.digest(), direct.buckets()), (met.digest(), met.buckets()));
            prop_assert!(direct.len() <= limit);
            let removed = contents(&direct).iter().filter(|entry| entry.value().is_none()).count();
            prop_assert_eq!(direct.removed(), removed);
        }
    }

    #[test]
    fn digests_are_those_of_what_is_there() {
        let mut table = Table::with_limit(2);
        assert_eq!(table.merge(entry(2, 1, 0, Some(1)), 1), Merged::Taken { gave_way: None });
        assert_eq!(table.merge(entry(3, 1, 0, Some(1)), 2), Merged::Taken { gave_way: None });
        assert_eq!(table.merge(entry(4, 1, 0, Some(1)), 3), Merged::NoRoom);
        assert_eq!(table.merge(entry(3, 1, 0, Some(1)), 4), Merged::Known);
        let gave_way = Some("k003".parse().unwrap());
        assert_eq!(table.merge(entry(1, 1, 0, Some(1)), 5), Merged::Taken { gave_way });
        let sum = [1, 2]
            .map(|key| entry(key, 1, 0, Some(1)).hash())
            .iter()
            .fold(0, |sum: u128, hash| sum.wrapping_add(*hash));
        assert_eq!(table.digest(), sum);
        assert_eq!(table.buckets().iter().fold(0, |sum: u128, digest| sum.wrapping_add(*digest)), sum);
    }
}
