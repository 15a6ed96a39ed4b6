use cluster_core::engine::RoomId;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;

fn filter(filter: &Value) -> Filter {
    Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"))
}

fn normal(value: &Value) -> NormalFilter {
    filter(value).normalize().unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn nested(levels: usize) -> Value {
    // `not` of `and` of one: nothing that parsing could flatten before it has seen it.
    (1..levels).fold(json!({"exists": "a"}), |inner, _| json!({ "not": inner }))
}

fn many(operator: &str, conditions: usize) -> Value {
    json!({ operator: (0..conditions).map(|n| json!({"equals": {"a": n}})).collect::<Vec<_>>() })
}

#[test]
fn operators_may_be_nested_up_to_the_limit() {
    assert!(Filter::parse(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(Filter::parse(&nested(MAX_DEPTH + 1)), Err(FilterError::TooDeep));
    assert_eq!(FilterError::TooDeep.to_string(), "operators are nested deeper than 32 levels");
}

#[test]
fn conditions_are_counted_wherever_they_stand() {
    assert!(Filter::parse(&many("or", MAX_CONDITIONS)).is_ok());
    assert_eq!(Filter::parse(&many("or", MAX_CONDITIONS + 1)), Err(FilterError::TooManyConditions));
    let values = |n| json!({"in": {"a": vec!["same"; n]}});
    assert!(Filter::parse(&json!({"and": [values(50), values(50)]})).is_ok());
    assert_eq!(Filter::parse(&json!({"and": [values(50), values(51)]})), Err(FilterError::TooManyConditions));
}

#[test]
fn a_filter_may_not_come_to_too_many_alternatives() {
    let either = |n: usize| json!({"or": [{"exists": format!("a{n}")}, {"exists": format!("b{n}")}]});
    let product = |n: usize| json!({"and": (0..n).map(either).collect::<Vec<_>>()});
    assert!(filter(&product(9)).normalize().is_ok());
    assert_eq!(filter(&product(10)).normalize(), Err(FilterError::TooComplex));
}

#[test]
fn a_filter_may_not_take_too_many_bytes() {
    let text = |bytes: usize| json!({"equals": {"a": "x".repeat(bytes)}});
    let overhead = normal(&text(MAX_NORMAL_BYTES / 2)).to_bytes().len() - MAX_NORMAL_BYTES / 2;
    assert!(filter(&text(MAX_NORMAL_BYTES - overhead)).normalize().is_ok());
    assert_eq!(
        filter(&text(MAX_NORMAL_BYTES - overhead + 1)).normalize(),
        Err(FilterError::TooLong { got: MAX_NORMAL_BYTES + 1 })
    );
}

#[test]
fn a_field_may_not_have_too_long_a_name() {
    let name = |bytes: usize| json!({"exists": "x".repeat(bytes)});
    assert!(Filter::parse(&name(MAX_FIELD_BYTES)).is_ok());
    assert_eq!(
        Filter::parse(&name(MAX_FIELD_BYTES + 1)).map_err(|error| error.to_string()),
        Err("a field's name has 513 bytes, at most 512 are allowed".to_owned())
    );
}

#[test]
fn errors_name_the_operator() {
    let error = |value: Value| Filter::parse(&value).map_err(|error| error.to_string());
    assert_eq!(
        error(json!({"and": [{"exists": "a"}, {"regexp": {"a": "x"}}]})),
        Err("operator \"regexp\" is not supported by this node \
             (supported: and, equals, exists, ids, in, missing, not, or, range)"
            .to_owned())
    );
    assert_eq!(
        error(json!({"term": {"a": 1}})),
        Err("unknown operator \"term\" (known: and, equals, exists, ids, in, missing, not, or, range)"
            .to_owned())
    );
    assert_eq!(
        error(json!({"x".repeat(1_000_000): 1})).map_err(|error| error.len()),
        Err("unknown operator \"\" (known: and, equals, exists, ids, in, missing, not, or, range)".len() + 64)
    );
    assert_eq!(
        error(json!({"not": {"range": {"a": {"gt": 2, "lt": 1}}}})),
        Err("\"range\" needs a lower bound that is below its upper bound".to_owned())
    );
}

#[test]
fn a_document_without_fields_matches_only_what_asks_for_none() {
    for document in [json!(null), json!([{"a": 1}]), json!("a"), json!(1)] {
        assert!(filter(&json!({})).matches(None, &document));
        assert!(filter(&json!({"missing": "a"})).matches(None, &document));
        assert!(!filter(&json!({"exists": "a"})).matches(None, &document));
    }
}

#[test]
fn an_empty_id_is_no_id() {
    let one = filter(&json!({"ids": {"values": [""]}}));
    assert!(!one.matches(Some(""), &json!({})));
    assert!(one.matches(Some(""), &json!({"_id": ""})));
}

#[test]
fn the_bytes_of_a_form_never_change() {
    let form = normal(&json!({"or": [
        {"and": [{"equals": {"a.b": "x"}}, {"not": {"range": {"n": {"gt": 1, "lte": 2.5}}}}]},
        {"exists": "tags[true]"},
        {"missing": "c"},
        {"in": {"d": ["y"]}},
        {"equals": {"e": null}},
    ]}));
    let hex: String = form.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        concat!(
            "01", // format
            "06", // conditions
            "0003612e620301780001640301790001650001016302047461677301010301",
            "6e02000000000000f03f010000000000000440",
            "05", // terms: holds, fails
            "00080120020004001000"
        )
    );
}

#[test]
fn the_name_of_a_room_never_changes() {
    // Checked against Python's hmac module.
    let key = RoomKey::new(b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f");
    let room = key.room("index", "collection", &normal(&json!({"equals": {"a": 1}})));
    assert_eq!(room.to_string(), "b705e8037c11d468aff61fee52ab960696b23f24aad9e99b0be8f2a3a13f5493");
    assert_eq!(room.to_string().parse(), Ok(room));
}

#[test]
fn index_and_collection_cannot_be_mistaken_for_each_other() {
    let key = RoomKey::new(&[1; 32]);
    let form = normal(&json!({}));
    assert_ne!(key.room("ab", "c", &form), key.room("a", "bc", &form));
    assert_ne!(key.room("a/b", "c", &form), key.room("a", "b/c", &form));
    assert_ne!(key.room("a", "b", &form), RoomKey::new(&[2; 32]).room("a", "b", &form));
    assert_eq!(format!("{key:?}"), "RoomKey(…)");
}

#[test]
fn a_room_of_another_node_is_verified_against_its_filter() {
    let key = RoomKey::new(&[1; 32]);
    let form = normal(&json!({"exists": "a"}));
    let room = key.room("i", "c", &form);
    assert!(key.verifies(&room, "i", "c", &form.to_bytes()));
    assert!(!key.verifies(&room, "i", "d", &form.to_bytes()));
    assert!(!key.verifies(&room, "i", "c", &normal(&json!({"exists": "b"})).to_bytes()));
    assert!(!key.verifies(&room, "i", "c", b"garbage"));
}

#[test]
fn foreign_bytes_are_refused_by_reason() {
    let bytes = normal(&json!({"and": [{"exists": "a"}, {"exists": "b"}]})).to_bytes();
    let read = NormalFilter::from_bytes;
    assert_eq!(read(&[]), Err(NormalFormError::Format { got: None }));
    assert_eq!(read(&[2, 0, 0]), Err(NormalFormError::Format { got: Some(2) }));
    assert_eq!(
        read(&vec![1; MAX_NORMAL_BYTES + 1]),
        Err(NormalFormError::TooLong { got: MAX_NORMAL_BYTES + 1 })
    );
    assert_eq!(read(&bytes[..bytes.len() - 1]), Err(NormalFormError::Malformed));
    assert_eq!(read(&[&bytes[..], &[0]].concat()), Err(NormalFormError::NotNormal));
    let (exists_a, exists_b) = ([1, 1, b'a'], [1, 1, b'b']);
    let form = |conditions: &[[u8; 3]], terms: &[[u8; 2]]| {
        let counts = |n: usize| vec![u8::try_from(n).expect("few")];
        [vec![1], counts(conditions.len()), conditions.concat(), counts(terms.len()), terms.concat()].concat()
    };
    assert!(read(&form(&[exists_a, exists_b], &[[3, 0]])).is_ok());
    let not_normal = [
        form(&[exists_b, exists_a], &[[3, 0]]),         // order of conditions
        form(&[exists_a, exists_a], &[[3, 0]]),         // a condition twice
        form(&[exists_a, exists_b], &[[2, 0], [1, 0]]), // order of terms
        form(&[exists_a], &[[1, 0], [1, 0]]),           // a term twice
        form(&[exists_a], &[[1, 1]]),                   // a contradiction
        form(&[exists_a, exists_b], &[[1, 0]]),         // an unused condition
        form(&[exists_a], &[[3, 0]]),                   // an unknown condition
    ];
    for bytes in not_normal {
        assert_eq!(read(&bytes), Err(NormalFormError::NotNormal), "{bytes:?}");
    }
}

#[test]
fn a_matcher_gives_the_rooms_of_one_collection_in_order() {
    let room = |n| RoomId::new([n; 32]);
    let mut matcher = Matcher::new();
    matcher.insert(room(3), "i", "c", normal(&json!({})));
    matcher.insert(room(1), "i", "c", normal(&json!({"equals": {"a": 1}})));
    matcher.insert(room(2), "i", "c", normal(&json!({"equals": {"a": 2}})));
    matcher.insert(room(4), "i", "d", normal(&json!({})));
    matcher.insert(room(5), "j", "c", normal(&json!({})));
    assert_eq!(matcher.matches("i", "c", None, &json!({"a": 1})), [room(1), room(3)]);
    assert_eq!(matcher.matches("i", "d", None, &json!({"a": 1})), [room(4)]);
    assert_eq!(matcher.matches("j", "d", None, &json!({"a": 1})), []);

    matcher.insert(room(3), "j", "d", normal(&json!({"exists": "b"})));
    assert_eq!(matcher.matches("i", "c", None, &json!({"a": 1})), [room(1)]);
    assert_eq!(matcher.matches("j", "d", None, &json!({"b": 1})), [room(3)]);
    assert_eq!(matcher.len(), 5);

    for n in 0..6 {
        matcher.remove(&room(n));
    }
    assert!(matcher.is_empty());
    assert_eq!(matcher.matches("i", "c", None, &json!({"a": 1})), []);
}

/// Filters whose conditions do not depend on each other, over four fields.
fn independent() -> impl Strategy<Value = Value> {
    let leaf = select(vec!["a", "b", "c", "d"]).prop_map(|field| json!({ "exists": field }));
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| json!({ "not": inner })),
            vec(inner.clone(), 1..4).prop_map(|inner| json!({ "and": inner })),
            vec(inner, 1..4).prop_map(|inner| json!({ "or": inner })),
        ]
    })
}

/// What a filter over `a` to `d` says to each of the 16 documents that differ in those fields.
fn truth_table(value: &Value) -> Vec<bool> {
    let document = |bits: u32| -> Value {
        let fields = ["a", "b", "c", "d"].into_iter().enumerate();
        fields.filter(|(n, _)| bits >> n & 1 == 1).map(|(_, field)| (field.to_owned(), json!(1))).collect()
    };
    (0..16).map(|bits| filter(value).matches(None, &document(bits))).collect()
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..3_i8).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[xy]{0,2}".prop_map(Value::from),
    ]
}

fn any_filter() -> impl Strategy<Value = Value> {
    let field = || select(vec!["a", "b.c", "_id"]);
    let leaf = prop_oneof![
        (field(), scalar()).prop_map(|(field, value)| json!({"equals": {field: value}})),
        (field(), vec("[xy]{0,2}", 1..4)).prop_map(|(field, values)| json!({"in": {field: values}})),
        field().prop_map(|field| json!({ "exists": field })),
        (field(), scalar()).prop_map(|(field, value)| json!({ "missing": format!("{field}[{value}]") })),
        (field(), -2..2_i8).prop_map(|(field, low)| json!({"range": {field: {"gt": low, "lte": low + 1}}})),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| json!({ "not": inner })),
            vec(inner.clone(), 1..4).prop_map(|inner| json!({ "and": inner })),
            vec(inner, 1..4).prop_map(|inner| json!({ "or": inner })),
        ]
    })
}

fn any_document() -> impl Strategy<Value = Value> {
    let value = || prop_oneof![4 => scalar(), 1 => vec(scalar(), 0..3).prop_map(Value::from)];
    prop_oneof![
        (value(), value()).prop_map(|(a, c)| json!({"a": a, "b": {"c": c}})),
        value().prop_map(|b| json!({ "b": b })),
        Just(json!({})),
    ]
}

proptest! {
    #[test]
    fn equal_forms_are_equal_meanings(left in independent(), right in independent()) {
        prop_assert_eq!(normal(&left) == normal(&right), truth_table(&left) == truth_table(&right));
    }

    #[test]
    fn a_form_says_what_its_filter_says(
        value in any_filter(),
        id in proptest::option::of("[xy]{0,2}"),
        document in any_document(),
    ) {
        let form = normal(&value);
        prop_assert_eq!(form.matches(id.as_deref(), &document), filter(&value).matches(id.as_deref(), &document));
        prop_assert_eq!(NormalFilter::from_bytes(&form.to_bytes()), Ok(form));
    }

    #[test]
    fn changed_bytes_are_refused_or_are_another_form(
        value in any_filter(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = normal(&value).to_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(form) = NormalFilter::from_bytes(&bytes) {
            prop_assert_eq!(form.to_bytes(), bytes);
            form.matches(None, &json!({"a": 1}));
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(form) = NormalFilter::from_bytes(&[&[1], &bytes[..]].concat()) {
            form.matches(None, &json!({"a": 1}));
        }
    }
}
