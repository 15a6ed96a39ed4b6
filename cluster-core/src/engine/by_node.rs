//! Records of nodes: found in a time that does not depend on how many there are, and gone through in the order of the ids.
//!
//! Every byte that comes looks its sender up in several of these, and with many members next to nothing of a record is in the
//! processor's cache by then. So the id lies beside the value, and what leads there is small: a hash of the id leads to its
//! place. It is seeded, so that nobody who may be many members can choose ids that all lead to the same.

use std::fmt;

use cluster_transport::proto::NodeId;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::members::MAX_MEMBERS;

/// How many records lie in one piece of memory.
const BLOCK: usize = 16;

/// A map by node.
pub(super) struct ByNode<V> {
    /// All records, without a gap: a newcomer comes last, and the last one takes the place of one that goes. All blocks but
    /// the last are full.
    blocks: Vec<Vec<Record<V>>>,
    /// Where each is.
    places: HashTable<Place>,
    /// Where they are, in the order of the ids.
    order: Vec<Place>,
    seed: u64,
}

/// The id comes first and shares its line of the cache with what the value begins with.
#[derive(Debug)]
#[repr(C, align(64))]
struct Record<V> {
    node: NodeId,
    value: V,
}

/// Which of all records it is. There are more of them than there are ever records: all tables are of members, at most with
/// this node, and for a beat with those whose later life is about to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(u16);

const _: () = assert!(MAX_MEMBERS < 0xffff);

impl Place {
    /// The place after so many records.
    fn after(records: usize) -> Self {
        Self(u16::try_from(records).unwrap_or(u16::MAX))
    }

    fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What it holds; how it finds that is no part of it.
impl<V: fmt::Debug> fmt::Debug for ByNode<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<V> ByNode<V> {
    /// An empty one. The seed is to be unguessable outside simulations.
    pub(super) fn new(seed: u64) -> Self {
        Self { blocks: Vec::new(), places: HashTable::new(), order: Vec::new(), seed }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn contains(&self, node: &NodeId) -> bool {
        self.place(node).is_some()
    }

    pub(super) fn get(&self, node: &NodeId) -> Option<&V> {
        at(&self.blocks, self.place(node)?).map(|record| &record.value)
    }

    pub(super) fn get_mut(&mut self, node: &NodeId) -> Option<&mut V> {
        let place = self.place(node)?;
        self.at_mut(place).map(|record| &mut record.value)
    }

    /// Puts a record in; the one that was there before. Of the records that are there none moves.
    pub(super) fn insert(&mut self, node: NodeId, value: V) -> Option<V> {
        if let Some(held) = self.get_mut(&node) {
            return Some(std::mem::replace(held, value));
        }
        let place = Place::after(self.len());
        let hash = hash(self.seed, &node);
        let (seed, blocks) = (self.seed, &self.blocks);
        self.places.insert_unique(hash, place, |place| hash_at(seed, blocks, *place));
        self.order.insert(self.rank(&node), place);
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(Record { node, value });
        }
        None
    }

    pub(super) fn remove(&mut self, node: &NodeId) -> Option<V> {
        let (seed, blocks) = (self.seed, &self.blocks);
        let is_it = |place: &Place| at(blocks, *place).is_some_and(|record| record.node == *node);
        let hash_at = |place: &Place| hash_at(seed, blocks, *place);
        let Entry::Occupied(found) = self.places.entry(hash(seed, node), is_it, hash_at) else { return None };
        let (place, _) = found.remove();
        self.order.remove(self.rank(node));
        let last = Place::after(self.len());
        self.lead_to(last, place);
        let block = self.blocks.last_mut()?;
        let record = block.pop()?;
        if block.is_empty() {
            self.blocks.pop();
        }
        let removed = match self.at_mut(place) {
            Some(held) if place != last => std::mem::replace(held, record),
            _ => record,
        };
        Some(removed.value)
    }

    /// In the order of the ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &V)> {
        self.in_order().map(|record| (&record.node, &record.value))
    }

    /// In no order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&NodeId, &mut V)> {
        self.blocks.iter_mut().flatten().map(|record| (&record.node, &mut record.value))
    }

    /// In the order of the ids.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.in_order().map(|record| &record.node)
    }

    /// In the order of the ids.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.in_order().map(|record| &record.value)
    }

    fn in_order(&self) -> impl Iterator<Item = &Record<V>> {
        self.order.iter().filter_map(|place| at(&self.blocks, *place))
    }

    fn at_mut(&mut self, place: Place) -> Option<&mut Record<V>> {
        let index = place.index();
        self.blocks.get_mut(index / BLOCK)?.get_mut(index % BLOCK)
    }

    fn place(&self, node: &NodeId) -> Option<Place> {
        let is_it = |place: &Place| at(&self.blocks, *place).is_some_and(|record| record.node == *node);
        self.places.find(hash(self.seed, node), is_it).copied()
    }

    /// How many ids are lower.
    fn rank(&self, node: &NodeId) -> usize {
        let is_lower = |place: &Place| at(&self.blocks, *place).is_some_and(|record| record.node < *node);
        self.order.partition_point(is_lower)
    }

    /// The record that is at one place is about to be at another.
    fn lead_to(&mut self, from: Place, to: Place) {
        let Some(Record { node, .. }) = at(&self.blocks, from) else { return };
        let (hash, rank) = (hash(self.seed, node), self.rank(node));
        let leads =
            self.order.get_mut(rank).into_iter().chain(self.places.find_mut(hash, |place| *place == from));
        leads.filter(|place| **place == from).for_each(|place| *place = to);
    }
}

fn at<V>(blocks: &[Vec<Record<V>>], place: Place) -> Option<&Record<V>> {
    let index = place.index();
    blocks.get(index / BLOCK)?.get(index % BLOCK)
}

fn hash(seed: u64, node: &NodeId) -> u64 {
    node.as_number()
        .map_or_else(|| xxh3_64_with_seed(node.as_str().as_bytes(), seed), |number| mix(number ^ seed))
}

/// Spreads a number over all bits, and no two to the same: the last steps of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn hash_at<V>(seed: u64, blocks: &[Vec<Record<V>>], place: Place) -> u64 {
    at(blocks, place).map_or(0, |record| hash(seed, &record.node))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_in_the_order_of_the_ids(steps in prop::collection::vec((0..120_u8, any::<Option<u8>>()), 0..400)) {
            let (mut ours, mut model) = (ByNode::new(1), BTreeMap::new());
            for (id, value) in steps {
                let node: NodeId = format!("{}{id}", if id % 2 == 0 { "n" } else { "longer-" }).parse().unwrap();
                match value {
                    Some(value) => prop_assert_eq!(ours.insert(node.clone(), value), model.insert(node.clone(), value)),
                    None => prop_assert_eq!(ours.remove(&node), model.remove(&node)),
                }
                prop_assert_eq!(ours.get(&node), model.get(&node));
                prop_assert_eq!(ours.get_mut(&node), model.get_mut(&node));
                prop_assert_eq!((ours.contains(&node), ours.is_empty()), (model.contains_key(&node), model.is_empty()));
            }
            prop_assert!(ours.iter().eq(&model) && ours.nodes().eq(model.keys()) && ours.values().eq(model.values()));
            prop_assert!(model.iter().all(|(node, value)| ours.get(node) == Some(value)));
            prop_assert_eq!(ours.len(), model.len());
            let mut unordered: Vec<_> = ours.iter_mut().map(|(node, value)| (node.clone(), *value)).collect();
            unordered.sort();
            prop_assert!(unordered.into_iter().eq(model));
        }
    }
}
