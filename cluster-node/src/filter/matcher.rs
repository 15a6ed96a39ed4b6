//! Finds the rooms whose filters a document matches.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_core::engine::RoomId;
use serde_json::Value;

use super::NormalFilter;
use super::document::Document;

/// The filters of all rooms of the cluster, by index and collection.
///
/// A document costs one evaluation for each room of its collection, and nothing for rooms of others.
#[derive(Debug, Default)]
pub struct Matcher {
    places: BTreeMap<RoomId, Place>,
    indexes: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Rooms>>,
}

impl Matcher {
    /// A matcher without rooms.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a room, or puts another filter in the place of its old one.
    pub fn insert(&mut self, room: RoomId, index: &str, collection: &str, filter: NormalFilter) {
        self.remove(&room);
        let place = self.place(index, collection);
        let collections = self.indexes.entry(place.index.clone()).or_default();
        collections.entry(place.collection.clone()).or_default().insert(room, filter);
        self.places.insert(room, place);
    }

    /// Forgets a room; an unknown one is no error.
    pub fn remove(&mut self, room: &RoomId) {
        let Some(place) = self.places.remove(room) else { return };
        let Some(collections) = self.indexes.get_mut(&place.index) else { return };
        if let Some(rooms) = collections.get_mut(&place.collection) {
            rooms.remove(room);
            if rooms.is_empty() {
                collections.remove(&place.collection);
            }
        }
        if collections.is_empty() {
            self.indexes.remove(&place.index);
        }
    }

    /// The rooms that a document of this collection matches, in ascending order.
    pub fn matches(&self, index: &str, collection: &str, id: Option<&str>, document: &Value) -> Vec<RoomId> {
        let Some(rooms) = self.indexes.get(index).and_then(|collections| collections.get(collection)) else {
            return Vec::new();
        };
        let document = Document::new(id, document);
        rooms.iter().filter(|(_, filter)| filter.accepts(&document)).map(|(room, _)| *room).collect()
    }

    /// How many rooms there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no room.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The place with the names that other rooms already share.
    fn place(&self, index: &str, collection: &str) -> Place {
        let known = self.indexes.get_key_value(index);
        let named = known.and_then(|(_, collections)| collections.get_key_value(collection));
        Place {
            index: known.map_or_else(|| index.into(), |(index, _)| index.clone()),
            collection: named.map_or_else(|| collection.into(), |(collection, _)| collection.clone()),
        }
    }
}

/// Where a room is.
#[derive(Clone, Debug)]
struct Place {
    index: Arc<str>,
    collection: Arc<str>,
}

type Rooms = BTreeMap<RoomId, NormalFilter>;
