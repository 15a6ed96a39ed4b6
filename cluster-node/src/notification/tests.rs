use cluster_core::engine::RoomId;
use proptest::prelude::*;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::*;
use crate::api::ChannelOptions;

const CHANNEL: Channel = Channel {
    room: RoomId::new([0xab; 32]),
    options: ChannelOptions { scope: crate::api::Scope::All, users: crate::api::Users::None },
};

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("JSON")
}

fn document<'a>(result: &'a RawValue, volatile: Option<&'a RawValue>) -> DocumentNotification<'a> {
    DocumentNotification {
        action: "publish",
        scope: Direction::In,
        result,
        node: "node-1",
        event: Event::Publish,
        request_id: "req-1",
        timestamp: 1_795_416_796_472,
        volatile,
        index: "idx",
        collection: "col",
        controller: "realtime",
        protocol: "websocket",
    }
}

fn user(volatile: Option<&RawValue>) -> UserNotification<'_> {
    UserNotification {
        user: Direction::Out,
        count: 2,
        node: "node-1",
        timestamp: 1_795_416_796_472,
        volatile,
        index: "idx",
        collection: "col",
        action: "unsubscribe",
        protocol: "websocket",
    }
}

#[test]
fn a_published_message_reads_as_in_kuzzle() {
    let message = json!({"a": 1, "_kuzzle_info": "forged"});
    let source = stamped(message.as_object().cloned().unwrap_or_default(), 1_700_000_000_001);
    let (result, volatile) = (published_result(Some("doc1"), &source), raw(&json!({"who": "me"})));
    let expected = concat!(
        r#"{"type":"document","status":200,"action":"publish","scope":"in","#,
        r#""result":{"_id":"doc1","_source":{"_kuzzle_info":{"author":"-1","createdAt":1700000000001},"a":1}},"#,
        r#""node":"node-1","event":"publish","requestId":"req-1","timestamp":1795416796472,"volatile":{"who":"me"},"#,
        r#""index":"idx","collection":"col","controller":"realtime","protocol":"websocket","room":""#,
        "abababababababababababababababababababababababababababababababab-311\"}"
    );
    let sent = document(&result, Some(&volatile));
    assert_eq!(sent.render().for_channel(&CHANNEL), expected);
    let payload = sent.encode();
    let received = DocumentNotification::decode(&payload).expect("what was encoded");
    assert_eq!(received.render().for_channel(&CHANNEL), expected);
    assert_eq!((received.scope, received.event), (Direction::In, Event::Publish));
}

#[test]
fn a_message_without_an_id_has_no_key_for_it() {
    assert_eq!(published_result(None, &json!({"a": 1})).get(), r#"{"_source":{"a":1}}"#);
}

#[test]
fn a_departure_reads_as_in_kuzzle() {
    let expected = concat!(
        r#"{"type":"user","status":200,"user":"out","result":{"count":2},"node":"node-1","timestamp":1795416796472,"#,
        r#""volatile":null,"index":"idx","collection":"col","controller":"realtime","action":"unsubscribe","#,
        r#""protocol":"websocket","room":"abababababababababababababababababababababababababababababababab-311"}"#
    );
    let payload = user(None).encode();
    assert_eq!(user(None).render().for_channel(&CHANNEL), expected);
    let received = UserNotification::decode(&payload).expect("what was encoded");
    assert_eq!(received.render().for_channel(&CHANNEL), expected);
}

#[test]
fn the_bytes_of_a_notification_never_change() {
    let result = raw(&json!({"_source": {}}));
    assert_eq!(
        document(&result, Some(&raw(&json!({})))).encode(),
        b"\x01\x07publish\x00\x0e{\"_source\":{}}\x06node-1\x02\x05req-1\xb8\xda\xb8\xb9\xa0\x34\x01\x02{}\x03idx\x03col\x08realtime\x09websocket"
    );
    assert_eq!(
        user(None).encode(),
        b"\x01\x01\x02\x06node-1\xb8\xda\xb8\xb9\xa0\x34\x00\x03idx\x03col\x0bunsubscribe\x09websocket"
    );
}

#[test]
fn foreign_bytes_are_refused_by_reason() {
    let (result, text) = (raw(&json!({})), raw(&json!("text")));
    let good = document(&result, Some(&text)).encode();
    let reason = |bytes: &[u8]| DocumentNotification::decode(bytes).map(|_| ());
    assert_eq!(reason(&good), Ok(()));
    assert_eq!(reason(&[]), Err(DecodeError::Format { got: None }));
    assert_eq!(reason(&[2]), Err(DecodeError::Format { got: Some(2) }));
    assert_eq!(reason(&good[..good.len() - 1]), Err(DecodeError::Malformed));
    assert_eq!(reason(&[&good[..], &[0]].concat()), Err(DecodeError::Malformed));
    let with = |old: &[u8], new: &[u8]| {
        let at = good.windows(old.len()).position(|window| window == old).expect("the old bytes");
        [&good[..at], new, &good[at + old.len()..]].concat()
    };
    assert_eq!(reason(&with(b"\x02{}", b"\x02{[")), Err(DecodeError::NotJson { part: "result" }));
    assert_eq!(reason(&with(b"\x02{}", b"\x03{}}")), Err(DecodeError::NotJson { part: "result" }));
    assert_eq!(reason(&with(b"\"text\"", b"\"text ")), Err(DecodeError::NotJson { part: "volatile data" }));
    assert_eq!(reason(&with(b"node-1", b"node-\xff")), Err(DecodeError::Malformed));
}

#[test]
fn deeply_nested_json_of_a_peer_does_not_overflow_the_stack() {
    let depth = 1_000_000;
    let nested = "[".repeat(depth) + &"]".repeat(depth);
    let result: Box<RawValue> = serde_json::from_str(&nested).expect("JSON");
    let payload = document(&result, None).encode();
    let received = DocumentNotification::decode(&payload).expect("what was encoded");
    assert_eq!(received.result.get().len(), 2 * depth);
}

proptest! {
    #[test]
    fn changed_bytes_are_refused_or_render_as_json(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (result, volatile) = (raw(&json!({"_source": {"a": [1, "x"]}})), raw(&json!({"who": "me"})));
        for mut bytes in [document(&result, Some(&volatile)).encode(), user(Some(&volatile)).encode()] {
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let document = DocumentNotification::decode(&bytes).map(|notification| notification.render());
            let user = UserNotification::decode(&bytes).map(|notification| notification.render());
            for rendered in document.into_iter().chain(user) {
                let text = rendered.for_channel(&CHANNEL);
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok_and(|value| value.is_object()), "{}", text);
            }
        }
    }
}
