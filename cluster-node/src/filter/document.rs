//! A document as filters see it.

use serde_json::{Map, Value};

/// The body of a document with its id, if it has one, laid over it as the field `_id`.
#[derive(Debug)]
pub(super) struct Document<'a> {
    id: Option<Value>,
    body: Option<&'a Map<String, Value>>,
}

impl<'a> Document<'a> {
    /// A body that is not an object has no fields; an empty id is none.
    pub(super) fn new(id: Option<&str>, body: &'a Value) -> Self {
        let id = id.filter(|id| !id.is_empty()).map(Value::from);
        Self { id, body: body.as_object() }
    }

    /// The value at a path of keys joined by dots. Lists are not entered.
    pub(super) fn field(&self, path: &str) -> Option<&Value> {
        match &self.id {
            Some(id) if path == "_id" => Some(id),
            _ => find(self.body?, path),
        }
    }
}

/// A key may itself have dots: the longest key that leads to a value wins. Recursion is as deep as the document at
/// most.
fn find<'a>(object: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    object.get(path).or_else(|| {
        path.rmatch_indices('.').find_map(|(dot, _)| {
            let (key, rest) = path.split_at_checked(dot)?;
            find(object.get(key)?.as_object()?, rest.strip_prefix('.')?)
        })
    })
}
