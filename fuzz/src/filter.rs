//! Filters: the normal form of a filter says the same as the filter, is encoded in one way, and has the same name everywhere.

use cluster_node::filter::{Filter, Matcher, NormalFilter, RoomKey};
use serde_json::Value;

use crate::input::Input;

/// The property. The first byte chooses bytes of a normal form, or a JSON list of a filter and documents.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let encoded = input.bool();
    let rest = input.rest();
    if encoded {
        if let Ok(form) = NormalFilter::from_bytes(rest) {
            assert_eq!(form.to_bytes(), rest, "a normal form has one encoding");
        }
    } else if let Ok(Value::Array(values)) = serde_json::from_slice(rest)
        && let Some((filter, documents)) = values.split_first()
    {
        means_the_same(filter, documents);
    }
}

fn means_the_same(filter: &Value, documents: &[Value]) {
    let Ok(filter) = Filter::parse(filter) else { return };
    let Ok(normal) = filter.normalize() else { return };
    let bytes = normal.to_bytes();
    let read = NormalFilter::from_bytes(&bytes).expect("its own encoding is a normal form");
    assert_eq!(read, normal);
    let key = RoomKey::new(&[7; 32]);
    let room = key.room("index", "collection", &normal);
    assert!(key.verifies(&room, "index", "collection", &bytes));
    assert!(!key.verifies(&room, "other", "collection", &bytes));
    let mut matcher = Matcher::new();
    matcher.insert(room, "index", "collection", read);
    for document in documents {
        for id in [None, Some("id")] {
            let wanted = filter.matches(id, document);
            assert_eq!(normal.matches(id, document), wanted, "{filter:?} on {document}");
            assert_eq!(!matcher.matches("index", "collection", id, document).is_empty(), wanted);
        }
    }
    matcher.remove(&room);
    assert!(matcher.is_empty());
}
