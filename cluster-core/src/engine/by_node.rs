//! Records of nodes: found in a time that does not depend on how many there are, and gone through in the order of the ids.
//!
//! Every byte that comes looks its sender up in several of these. A hash of the id leads to its place; it is seeded, so that
//! nobody who may be many members can choose ids that all lead to the same.

use std::fmt;

use cluster_transport::proto::NodeId;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A map by node. The records are boxed: a newcomer moves those after it, and each takes no more memory than it needs.
pub(super) struct ByNode<V> {
    /// In the order of the ids.
    records: Vec<(NodeId, Box<V>)>,
    /// Where each is.
    places: HashTable<usize>,
    /// Where the one is that was changed last: whoever sent something is looked up several times in a row.
    last: usize,
    seed: u64,
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
        Self { records: Vec::new(), places: HashTable::new(), last: 0, seed }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn contains(&self, node: &NodeId) -> bool {
        self.place(node).is_some()
    }

    pub(super) fn get(&self, node: &NodeId) -> Option<&V> {
        let (_, value) = self.records.get(self.place(node)?)?;
        Some(value)
    }

    pub(super) fn get_mut(&mut self, node: &NodeId) -> Option<&mut V> {
        self.last = self.place(node)?;
        let (_, value) = self.records.get_mut(self.last)?;
        Some(value)
    }

    /// Puts a record in; the one that was there before.
    pub(super) fn insert(&mut self, node: NodeId, value: V) -> Option<V> {
        if let Some(held) = self.get_mut(&node) {
            return Some(std::mem::replace(held, value));
        }
        let place = self.records.partition_point(|(other, _)| *other < node);
        for moved in self.places.iter_mut().filter(|other| **other >= place) {
            *moved += 1;
        }
        let hash = hash(self.seed, &node);
        self.records.insert(place, (node, Box::new(value)));
        let (seed, records) = (self.seed, &self.records);
        self.places.insert_unique(hash, place, |place| hash_at(seed, records, *place));
        None
    }

    pub(super) fn remove(&mut self, node: &NodeId) -> Option<V> {
        let (seed, records) = (self.seed, &self.records);
        let is_it = |place: &usize| records.get(*place).is_some_and(|(other, _)| other == node);
        let hash_at = |place: &usize| hash_at(seed, records, *place);
        let Entry::Occupied(found) = self.places.entry(hash(seed, node), is_it, hash_at) else { return None };
        let (place, _) = found.remove();
        for moved in self.places.iter_mut().filter(|other| **other > place) {
            *moved -= 1;
        }
        let (_, value) = self.records.remove(place);
        Some(*value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &V)> {
        self.records.iter().map(|(node, value)| (node, &**value))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&NodeId, &mut V)> {
        self.records.iter_mut().map(|(node, value)| (&*node, &mut **value))
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.records.iter().map(|(node, _)| node)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.records.iter().map(|(_, value)| &**value)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.records.iter_mut().map(|(_, value)| &mut **value)
    }

    fn place(&self, node: &NodeId) -> Option<usize> {
        let is_it = |place: &usize| self.records.get(*place).is_some_and(|(other, _)| other == node);
        if is_it(&self.last) {
            return Some(self.last);
        }
        self.places.find(hash(self.seed, node), is_it).copied()
    }
}

fn hash(seed: u64, node: &NodeId) -> u64 {
    xxh3_64_with_seed(node.as_str().as_bytes(), seed)
}

fn hash_at<V>(seed: u64, records: &[(NodeId, V)], place: usize) -> u64 {
    records.get(place).map_or(0, |(node, _)| hash(seed, node))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_in_the_order_of_the_ids(steps in prop::collection::vec((0..40_u8, any::<Option<u8>>()), 0..200)) {
            let (mut ours, mut model) = (ByNode::new(1), BTreeMap::new());
            for (id, value) in steps {
                let node: NodeId = format!("n{id}").parse().unwrap();
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
            prop_assert!(ours.iter_mut().eq(&mut model) && ours.values_mut().eq(model.values_mut()));
        }
    }
}
