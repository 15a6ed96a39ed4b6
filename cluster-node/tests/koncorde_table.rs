//! Compares every row of a table that npm koncorde wrote (`tests/koncorde/generate.mjs`) with this crate's filters.
//!
//! Rows where the two differ on purpose are listed here by name: a row that stops to differ fails like one that
//! starts to.

#![expect(clippy::expect_used, clippy::panic, reason = "a test ends at the first row that is wrong")]

use cluster_node::filter::{Filter, RoomKey};
use serde::Deserialize;
use serde_json::Value;

/// Documents that Koncorde judges otherwise, and why we do not follow.
const DIFFERENT_MATCHES: [&str; 13] = [
    // One path is spelled by two keys: the later one wins there, the more literal one here.
    "later key wins 1",
    "later key wins 2",
    // An empty key vanishes from the path there.
    "empty keys 6",
    // Fields that JavaScript's own objects have are taken for present there.
    "unusual names 13",
    "unusual names 19",
    // Open bounds are moved by 1e-10 there: near values are lost, and far from zero nothing is moved at all.
    "narrow range 1",
    "narrow range 6",
    "narrow range 9",
    "far range 1",
    "far range 4",
    // A field that exists without one of its elements is taken for a contradiction there.
    "list and its elements 3",
    "list and its elements 4",
    "list and its elements 6",
];

/// Pairs of filters that say the same and have two rooms in Koncorde, beside the ones that were shuffled at random.
const SPLIT_BY_KONCORDE: [&str; 11] = [
    "order of and, same operator",
    "order of or",
    "order of in",
    "order of ids",
    "repeated operand of and",
    "repeated operand of or",
    "repeated value of in",
    "absorbed",
    "resolved",
    "consensus",
    "everything and a tautology",
];

/// Filters that Koncorde takes and this node does not.
const ONLY_IN_KONCORDE: [&str; 14] = [
    r#"{"bool":{"must":[{"equals":{"a":1}}]}}"#,
    r#"{"regexp":{"a":"^x"}}"#,
    r#"{"match":{"a":1}}"#,
    r#"{"nothing":true}"#,
    r#"{"select":{"field":"a","index":0,"query":{"equals":{"b":1}}}}"#,
    r#"{"geoDistance":{"a":{"lat":1,"lon":1},"distance":"1km"}}"#,
    r#"{"geoBoundingBox":{"a":{"bottom":0,"left":0,"right":1,"top":1}}}"#,
    r#"{"geoDistanceRange":{"a":{"lat":1,"lon":1},"from":"1km","to":"2km"}}"#,
    r#"{"geoPolygon":{"a":{"points":[[0,0],[0,1],[1,1]]}}}"#,
    r#"{"exists":"a[[1]]"}"#,
    r#"{"exists":"a[{}]"}"#,
    "[]",
    "5",
    "null",
];

#[derive(Deserialize)]
struct Table {
    matches: Vec<Match>,
    pairs: Vec<Pair>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Match {
    name: String,
    filter: Value,
    id: Option<String>,
    document: Value,
    koncorde: bool,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    left: Value,
    right: Value,
    equivalent: bool,
    koncorde: bool,
}

#[derive(Deserialize)]
struct Refused {
    filter: Value,
    koncorde: Option<String>,
}

#[test]
fn documents_match_as_in_koncorde() {
    let rows = table().matches;
    assert_eq!(rows.len(), 843);
    let mut different = Vec::new();
    for Match { name, filter, id, document, koncorde } in &rows {
        let filter = parsed(filter);
        let matches = filter.matches(id.as_deref(), document);
        let normal = filter.normalize().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(normal.matches(id.as_deref(), document), matches, "the normal form of {name}");
        if matches != *koncorde {
            different.push(name.as_str());
        }
    }
    assert_eq!(different, DIFFERENT_MATCHES);
}

#[test]
fn filters_that_say_the_same_share_a_room() {
    let rows = table().pairs;
    assert_eq!(rows.len(), 112);
    let mut split = Vec::new();
    for Pair { name, left, right, equivalent, koncorde } in &rows {
        assert_eq!(room(left) == room(right), *equivalent, "{name}: {left} and {right}");
        assert!(*equivalent || !koncorde, "{name}: Koncorde gives one room to two meanings");
        if *equivalent && !koncorde && !name.starts_with("shuffled") {
            split.push(name.as_str());
        }
    }
    assert_eq!(split, SPLIT_BY_KONCORDE);
}

#[test]
fn what_koncorde_refuses_is_refused() {
    let rows = table().refused;
    assert_eq!(rows.len(), 88);
    let mut only_in_koncorde = Vec::new();
    for Refused { filter, koncorde } in &rows {
        assert!(Filter::parse(filter).is_err(), "{filter} is taken");
        if koncorde.is_none() {
            only_in_koncorde.push(filter.clone());
        }
    }
    let expected = ONLY_IN_KONCORDE.map(|filter| serde_json::from_str::<Value>(filter).expect("JSON"));
    assert_eq!(only_in_koncorde, expected);
}

fn table() -> Table {
    serde_json::from_str(include_str!("koncorde/table.json")).expect("the table is JSON of this shape")
}

fn parsed(filter: &Value) -> Filter {
    Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"))
}

fn room(filter: &Value) -> String {
    let normal = parsed(filter).normalize().unwrap_or_else(|error| panic!("{filter}: {error}"));
    RoomKey::new(&[7; 32]).room("index", "collection", &normal).to_string()
}
