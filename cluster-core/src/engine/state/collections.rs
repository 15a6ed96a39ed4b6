//! The collections that have rooms: each name once, and the rooms in it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::table::Slot;

/// The number of a collection, reused after its last room is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CollectionKey(u32);

/// An index and a collection in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CollectionName {
    /// The index.
    pub index: Arc<str>,
    /// The collection.
    pub collection: Arc<str>,
}

/// Interned collections.
#[derive(Debug, Default)]
pub(super) struct Collections {
    keys: BTreeMap<CollectionName, CollectionKey>,
    entries: Vec<Collection>,
    free: Vec<CollectionKey>,
}

#[derive(Debug)]
struct Collection {
    name: CollectionName,
    rooms: Vec<Slot>,
}

impl Collections {
    /// The key of a collection, made when it is new; `None` when no number is left.
    pub(super) fn intern(&mut self, name: &CollectionName) -> Option<CollectionKey> {
        if let Some(key) = self.keys.get(name) {
            return Some(*key);
        }
        let fresh = Collection { name: name.clone(), rooms: Vec::new() };
        let key = match self.free.pop() {
            Some(key) => {
                *self.entry_mut(key)? = fresh;
                key
            }
            None => {
                let key = CollectionKey(u32::try_from(self.entries.len()).ok()?);
                self.entries.push(fresh);
                key
            }
        };
        self.keys.insert(name.clone(), key);
        Some(key)
    }

    pub(super) fn name(&self, key: CollectionKey) -> Option<&CollectionName> {
        self.entry(key).map(|entry| &entry.name)
    }

    pub(super) fn rooms(&self, name: &CollectionName) -> &[Slot] {
        self.keys.get(name).and_then(|key| self.entry(*key)).map_or(&[], |entry| &entry.rooms)
    }

    /// The collections after a name (excluded), in the order of their names.
    pub(super) fn after(
        &self,
        name: Option<&CollectionName>,
    ) -> impl Iterator<Item = &CollectionName> + use<'_> {
        let start = name.map_or(Bound::Unbounded, Bound::Excluded);
        self.keys.range::<CollectionName, _>((start, Bound::Unbounded)).map(|(name, _)| name)
    }

    /// Adds a room and returns its place in the collection.
    pub(super) fn add(&mut self, key: CollectionKey, room: Slot) -> u32 {
        let Some(entry) = self.entry_mut(key) else { return 0 };
        entry.rooms.push(room);
        u32::try_from(entry.rooms.len() - 1).unwrap_or(u32::MAX)
    }

    /// Takes the room at a place out; returns the room that moved to that place, if one did.
    pub(super) fn remove(&mut self, key: CollectionKey, place: u32) -> Option<Slot> {
        let place = usize::try_from(place).ok()?;
        let entry = self.entry_mut(key)?;
        if place < entry.rooms.len() {
            entry.rooms.swap_remove(place);
        }
        let moved = entry.rooms.get(place).copied();
        if entry.rooms.is_empty() {
            entry.rooms = Vec::new();
            let name = entry.name.clone();
            self.keys.remove(&name);
            self.free.push(key);
        }
        moved
    }

    fn entry(&self, key: CollectionKey) -> Option<&Collection> {
        self.entries.get(usize::try_from(key.0).ok()?)
    }

    fn entry_mut(&mut self, key: CollectionKey) -> Option<&mut Collection> {
        self.entries.get_mut(usize::try_from(key.0).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(collection: &str) -> CollectionName {
        CollectionName { index: "i".into(), collection: collection.into() }
    }

    #[test]
    fn a_collection_lasts_as_long_as_its_rooms() {
        let mut collections = Collections::default();
        let (b, a) = (collections.intern(&name("b")).unwrap(), collections.intern(&name("a")).unwrap());
        assert_eq!(collections.intern(&name("b")), Some(b));
        assert_eq!((collections.add(b, Slot::FIRST), collections.add(b, Slot::LAST)), (0, 1));
        collections.add(a, Slot::FIRST);
        assert_eq!(collections.after(None).collect::<Vec<_>>(), [&name("a"), &name("b")]);
        assert_eq!(collections.after(Some(&name("a"))).collect::<Vec<_>>(), [&name("b")]);
        assert_eq!(collections.remove(b, 0), Some(Slot::LAST), "the last one takes the free place");
        assert_eq!(collections.remove(b, 0), None);
        assert_eq!(collections.after(None).collect::<Vec<_>>(), [&name("a")]);
        assert_eq!(collections.intern(&name("c")), Some(b), "numbers are used again");
        assert_eq!(collections.rooms(&name("c")), []);
    }
}
