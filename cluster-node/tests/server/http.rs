//! The API over HTTP: routes, headers, envelopes.

use std::net::SocketAddr;

use cluster_core::config::OnMinority;
use cluster_node::server::ServerLimits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{alone, minority, plain, realtime, within};

/// An answer: its status, its headers in small letters, its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{}: {error}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.headers.lines().find_map(|line| line.strip_prefix(&prefix))
    }
}

pub(crate) async fn ask(server: SocketAddr, head: &str, body: &str) -> Answer {
    let (length, mut stream) = (body.len(), within(TcpStream::connect(server)).await.expect("a connection"));
    let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
    let headers: String = headers.lines().map(|header| format!("{}\r\n", header.trim())).collect();
    let text = format!(
        "{line} HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.expect("written");
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, headers: head.to_lowercase(), body: body.to_owned() }
}

#[tokio::test]
async fn a_query_is_a_request_like_any_other() {
    let host = alone(ServerLimits::default()).await;
    let query = json!({"controller": "auth", "action": "checkToken", "requestId": "mine", "body": {}});
    let head = "POST /_query\ncontent-type: application/json; charset=utf-8";
    let answer = ask(host.address(), head, &query.to_string()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("x-kuzzle-node"), Some("node-1"));
    assert_eq!(answer.header("x-kuzzle-request-id"), Some("mine"));
    assert_eq!(
        answer.json(),
        json!({
            "action": "checkToken", "controller": "auth", "error": null, "headers": {}, "node": "node-1",
            "requestId": "mine", "result": {"expiresAt": null, "kuid": "-1", "valid": true}, "status": 200,
            "volatile": null,
        })
    );
    host.stop().await;
}

#[tokio::test]
async fn a_message_published_over_http_reaches_subscribers() {
    let host = alone(ServerLimits::default()).await;
    let mut client = host.client().await;
    let subscription = json!({"index": "i", "collection": "c", "body": {}});
    let channel = realtime(&mut client, "subscribe", subscription).await["channel"].clone();
    let head = "POST /i/c/_publish?_id=one\nx-kuzzle-request-id: mine\nx-kuzzle-volatile: {\"who\":\"me\"}";
    let answer = ask(host.address(), head, r#"{"a":1}"#).await;
    assert_eq!((answer.status, &answer.json()["result"]), (200, &json!({"published": true})));
    let expected = json!({
        "type": "document", "status": 200, "action": "publish", "scope": "in",
        "result": {"_id": "one", "_source": {"a": 1, "_kuzzle_info": {"author": "-1"}}},
        "node": "node-1", "event": "publish", "requestId": "mine", "volatile": {"who": "me"},
        "index": "i", "collection": "c", "controller": "realtime", "protocol": "http", "room": channel,
    });
    assert_eq!(plain(within(client.notification()).await.expect("a notification")), expected);
    host.stop().await;
}

#[tokio::test]
async fn the_rooms_are_listed() {
    let host = alone(ServerLimits::default()).await;
    let mut client = host.client().await;
    let subscription = json!({"index": "i", "collection": "c", "body": {}});
    let room = realtime(&mut client, "subscribe", subscription).await["roomId"].clone();
    let answer = ask(host.address(), "GET /_listSubscriptions", "").await;
    assert_eq!(answer.json()["result"], json!({"i": {"c": {room.as_str().expect("a text"): 1}}}));
    host.stop().await;
}

#[tokio::test]
async fn the_process_and_its_readiness_can_be_asked_for() {
    let (ready, waiting) = (alone(ServerLimits::default()).await, minority(OnMinority::ServeLocal).await);
    for (url, when_ready, when_not) in
        [("/_healthcheck", 200, 200), ("/_ready", 200, 503), ("/_plugin/cluster/health", 200, 503)]
    {
        let head = format!("GET {url}");
        let told =
            (ask(ready.address(), &head, "").await.status, ask(waiting.address(), &head, "").await.status);
        assert_eq!(told, (when_ready, when_not), "{url}");
    }
    ready.stop().await;
    waiting.stop().await;
}

#[tokio::test]
async fn an_unknown_url_is_answered_with_an_envelope() {
    let host = alone(ServerLimits::default()).await;
    let unknown = [
        ("GET /nowhere?a=b", "/nowhere?a=b"),
        ("GET /", "/"),
        ("GET /_query", "/_query"),
        ("GET /_plugin/cluster/reset", "/_plugin/cluster/reset"),
    ];
    for (head, url) in unknown {
        let answer = ask(host.address(), &format!("{head}\nx-kuzzle-request-id: mine"), "").await;
        assert_eq!((answer.status, answer.header("x-kuzzle-request-id")), (404, Some("mine")), "{head}");
        let error = json!({
            "code": 50_397_191, "id": "network.http.url_not_found", "message": format!("API URL not found: {url}."),
            "props": [url], "status": 404,
        });
        assert_eq!(
            answer.json(),
            json!({
                "action": null, "controller": null, "error": error, "headers": {}, "node": "node-1",
                "requestId": "mine", "result": null, "status": 404, "volatile": null,
            }),
        );
    }
    host.stop().await;
}

#[tokio::test]
async fn what_is_no_request_is_answered_with_the_bare_error() {
    let host = alone(ServerLimits::default().with_request_bytes(1_000)).await;
    let large = json!({"pad": "x".repeat(1_000)}).to_string();
    let cases = [
        ("POST /_query", "{", 400, "network.http.body_parse_failed"),
        ("POST /_query", "[]", 400, "network.http.body_parse_failed"),
        ("POST /_query\ncontent-type: text/plain", "{}", 400, "network.http.unsupported_content"),
        ("POST /i/c/_publish\nx-kuzzle-volatile: no", "{}", 400, "network.http.volatile_parse_failed"),
        ("POST /_query", &large, 413, "network.http.request_too_large"),
    ];
    for (head, body, status, id) in cases {
        let answer = ask(host.address(), head, body).await;
        let error = answer.json();
        assert_eq!(
            (answer.status, &error["status"], &error["id"]),
            (status, &json!(status), &json!(id)),
            "{head}"
        );
    }
    host.stop().await;
}

#[tokio::test]
async fn nobody_subscribes_without_a_connection() {
    let host = alone(ServerLimits::default()).await;
    for (action, body) in [("subscribe", json!({})), ("join", json!({"roomId": "a"}))] {
        let query = json!({"controller": "realtime", "action": action, "index": "i", "collection": "c", "body": body});
        let answer = ask(host.address(), "POST /_query", &query.to_string()).await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["id"]), (400, &json!("api.assert.invalid_argument")), "{action}");
    }
    assert_eq!(host.node.cluster().status().rooms, 0);
    host.stop().await;
}
