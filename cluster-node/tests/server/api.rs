//! The API over WebSocket, on one node: answers and errors as a client sees them.

use crate::support::{alone, plain, realtime, with, within};
use cluster_node::client::ClientError;
use cluster_node::server::ServerLimits;
use serde_json::{Value, json};

const NOWHERE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn subscription() -> Value {
    json!({"index": "i", "collection": "c", "body": {}})
}

#[tokio::test]
async fn every_action_answers_with_its_result() {
    let host = alone(ServerLimits::default()).await;
    let mut client = host.client().await;
    let check = json!({"controller": "auth", "action": "checkToken", "body": {}});
    let checked = within(client.result_of(check)).await.expect("an answer");
    assert_eq!(checked, json!({"expiresAt": null, "kuid": "-1", "valid": true}));
    let now = within(client.result_of(json!({"controller": "server", "action": "now"}))).await;
    assert!(now.expect("an answer")["now"].as_u64() > Some(1_700_000_000_000));

    let subscribed = realtime(&mut client, "subscribe", subscription()).await;
    let room = subscribed["roomId"].clone();
    let name = room.as_str().expect("a text");
    assert_eq!(subscribed, json!({"channel": format!("{name}-311"), "roomId": room}));
    let body = json!({"body": {"roomId": room}});
    let joined =
        realtime(&mut client, "join", with(body.clone(), json!({"scope": "in", "users": "all"}))).await;
    assert_eq!(joined, json!({"channel": format!("{name}-112"), "roomId": room}));
    assert_eq!(realtime(&mut client, "count", body.clone()).await, json!({"count": 1}));
    assert_eq!(realtime(&mut client, "list", json!({})).await, json!({"i": {"c": {name: 1}}}));
    let message = json!({"index": "i", "collection": "c", "body": {"a": 1}});
    assert_eq!(realtime(&mut client, "publish", message).await, json!({"published": true}));
    assert_eq!(realtime(&mut client, "unsubscribe", body.clone()).await, json!({"roomId": room}));
    assert_eq!(realtime(&mut client, "list", json!({})).await, json!({}));
    host.stop().await;
}

#[tokio::test]
async fn an_answer_is_the_whole_envelope() {
    let host = alone(ServerLimits::default()).await;
    let mut client = host.client().await;
    let request = json!({
        "controller": "realtime", "action": "subscribe", "index": "i", "collection": "c", "body": {"near": {}},
        "volatile": {"who": "me"},
    });
    let answer =
        within(client.ask(request.as_object().cloned().expect("an object"))).await.expect("an answer");
    let message = answer["error"]["message"].clone();
    assert!(message.as_str().is_some_and(|message| message.contains("near")), "{message}");
    assert_eq!(
        answer,
        json!({
            "action": "subscribe", "collection": "c", "controller": "realtime",
            "error": {
                "code": 33_619_982, "id": "api.assert.koncorde_dsl_error", "message": message, "props": [message],
                "status": 400,
            },
            "headers": {}, "index": "i", "node": "node-1", "requestId": "request-1", "result": null,
            "room": "request-1", "status": 400, "volatile": {"who": "me"},
        })
    );
    host.stop().await;
}

#[tokio::test]
async fn errors_have_the_ids_and_codes_of_kuzzle() {
    let host = alone(ServerLimits::default()).await;
    let mut client = host.client().await;
    let room = |id: &str| json!({"body": {"roomId": id}});
    let cases = [
        (
            "realtime",
            "subscribe",
            json!({"index": "i", "body": {}}),
            400,
            "api.assert.missing_argument",
            33_619_971,
        ),
        (
            "realtime",
            "subscribe",
            json!({"index": "i", "collection": "c"}),
            400,
            "api.assert.body_required",
            33_619_976,
        ),
        (
            "realtime",
            "subscribe",
            with(subscription(), json!({"scope": "up"})),
            400,
            "core.realtime.invalid_scope",
            65_540,
        ),
        (
            "realtime",
            "subscribe",
            with(subscription(), json!({"users": 1})),
            400,
            "core.realtime.invalid_users",
            65_541,
        ),
        ("realtime", "join", room(NOWHERE), 404, "core.realtime.room_not_found", 65_537),
        ("realtime", "join", room("a room"), 404, "core.realtime.room_not_found", 65_537),
        ("realtime", "count", room(NOWHERE), 404, "core.realtime.room_not_found", 65_537),
        ("realtime", "unsubscribe", room(NOWHERE), 412, "core.realtime.not_subscribed", 65_544),
        ("realtime", "dance", json!({}), 404, "api.process.action_not_found", 33_685_509),
        ("document", "create", json!({}), 404, "api.process.controller_not_found", 33_685_508),
    ];
    for (controller, action, arguments, status, id, code) in cases {
        let request = with(json!({"controller": controller, "action": action}), arguments);
        let answer = within(client.result_of(request)).await;
        let Err(ClientError::Refused { error }) = answer else { panic!("{controller}:{action}: {answer:?}") };
        let told = (&error["status"], &error["id"], &error["code"]);
        assert_eq!(told, (&json!(status), &json!(id), &json!(code)), "{controller}:{action}");
    }
    host.stop().await;
}

#[tokio::test]
async fn what_is_no_request_is_answered_without_a_room() {
    let host = alone(ServerLimits::default()).await;
    let mut client = host.client().await;
    for text in ["not json", "[1]"] {
        client.send(text).await.expect("sent");
        let answer = within(client.receive()).await.expect("an answer");
        let told = (&answer["error"]["id"], &answer["status"], answer.get("room"));
        assert_eq!(told, (&json!("network.websocket.unexpected_error"), &json!(400), None), "{text}");
    }
    client.send(r#"{"p":1}"#).await.expect("sent");
    assert_eq!(within(client.receive()).await.expect("a pong"), json!({"p": 2}));
    host.stop().await;
}

#[tokio::test]
async fn a_publish_reaches_those_whose_filter_it_matches_once_a_channel() {
    let host = alone(ServerLimits::default()).await;
    let (mut both, mut none, mut publisher) = (host.client().await, host.client().await, host.client().await);
    let filtered = |filter: Value| json!({"index": "i", "collection": "c", "body": filter});
    let all = realtime(&mut both, "subscribe", filtered(json!({}))).await;
    let red = realtime(&mut both, "subscribe", filtered(json!({"equals": {"colour": "red"}}))).await;
    realtime(&mut none, "subscribe", filtered(json!({"equals": {"colour": "blue"}}))).await;
    realtime(&mut none, "subscribe", with(filtered(json!({})), json!({"scope": "none"}))).await;
    let message = json!({
        "index": "i", "collection": "c", "_id": "one", "body": {"colour": "red"}, "volatile": {"who": "me"},
    });
    realtime(&mut publisher, "publish", message).await;
    let mut received = Vec::new();
    for _ in 0..2 {
        received.push(plain(within(both.notification()).await.expect("a notification")));
    }
    let mut expected: Vec<Value> = [&all, &red]
        .map(|subscribed| {
            json!({
                "type": "document", "status": 200, "action": "publish", "scope": "in",
                "result": {"_id": "one", "_source": {"colour": "red", "_kuzzle_info": {"author": "-1"}}},
                "node": "node-1", "event": "publish", "requestId": "request-1", "volatile": {"who": "me"},
                "index": "i", "collection": "c", "controller": "realtime", "protocol": "websocket",
                "room": subscribed["channel"],
            })
        })
        .into();
    let by_room = |message: &Value| message["room"].to_string();
    received.sort_by_key(by_room);
    expected.sort_by_key(by_room);
    assert_eq!(received, expected);
    // A request is answered behind everything that was sent before: there is nothing more for either.
    for client in [&mut both, &mut none] {
        client.send(r#"{"p":1}"#).await.expect("sent");
        assert_eq!(within(client.notification()).await.expect("a pong"), json!({"p": 2}));
    }
    host.stop().await;
}

#[tokio::test]
async fn subscribers_hear_who_comes_and_who_goes() {
    let host = alone(ServerLimits::default()).await;
    let (mut watcher, mut other) = (host.client().await, host.client().await);
    let watching = with(subscription(), json!({"users": "all"}));
    let channel = realtime(&mut watcher, "subscribe", watching).await["channel"].clone();
    let visit = with(subscription(), json!({"volatile": {"who": "other"}}));
    realtime(&mut other, "subscribe", visit).await;
    drop(other);
    let told = |user: &str, action: &str, count: u64| {
        json!({
            "type": "user", "status": 200, "user": user, "result": {"count": count}, "node": "node-1",
            "volatile": {"who": "other"}, "index": "i", "collection": "c", "controller": "realtime",
            "action": action, "protocol": "websocket", "room": channel,
        })
    };
    for expected in [told("in", "subscribe", 2), told("out", "unsubscribe", 1)] {
        assert_eq!(plain(within(watcher.notification()).await.expect("a notification")), expected);
    }
    host.stop().await;
}
