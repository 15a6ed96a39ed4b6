//! The routes of real members, asked without a socket.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod setup;

use std::convert::identity;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use cluster_core::config::{AdminToken, ConfigBuilder};
use cluster_core::discovery::MemoryDirectory;
use cluster_core::runtime::Cluster;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use setup::member;

async fn ask(cluster: &Cluster, request: Request<Body>) -> (StatusCode, Value) {
    let response = cluster_http::router(cluster.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    assert_eq!(response.headers()["x-kuzzle-node"], cluster.node_id().as_str());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).header("x-kuzzle-request-id", "request-1").body(Body::empty()).unwrap()
}

fn reset(peer: &str, headers: &[(&str, &str)], body: &'static str) -> Request<Body> {
    let mut request = Request::post("/_plugin/cluster/reset");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let peer: SocketAddr = peer.parse().unwrap();
    request.extension(ConnectInfo(peer)).body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn health_is_ok_when_ready() {
    let cluster = member("a", &MemoryDirectory::default(), identity).await;
    cluster.wait_ready().await;
    let (status, body) = ask(&cluster, get("/_plugin/cluster/health")).await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!({
        "action": "health", "controller": "cluster", "error": null, "headers": {}, "node": "a",
        "requestId": "request-1", "result": "ok", "status": 200, "volatile": null,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn health_says_why_when_not_ready_and_status_answers_all_the_same() {
    let two = |builder: ConfigBuilder| builder.minimum_nodes(NonZeroUsize::new(2).unwrap());
    let cluster = member("a", &MemoryDirectory::default(), two).await;
    let (status, body) = ask(&cluster, get("/_plugin/cluster/health")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (&body["result"], &body["status"], &body["error"]["status"]),
        (&Value::Null, &json!(503), &json!(503))
    );
    let props = body["error"]["props"].as_array().unwrap();
    assert!(props.contains(&json!("1 of 2 nodes (minimumNodes)")), "{props:?}");
    let (status, body) = ask(&cluster, get("/_plugin/cluster/status")).await;
    assert_eq!((status, &body["result"]["current"]["ready"]), (StatusCode::OK, &json!(false)));
}

#[tokio::test]
async fn status_has_the_fields_of_the_original_and_each_member() {
    let directory = MemoryDirectory::default();
    let a = member("a", &directory, identity).await;
    let b = member("b", &directory, identity).await;
    let together = async {
        while a.members().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), together).await.unwrap();
    let (_, body) = ask(&a, get("/_plugin/cluster/status")).await;
    let result = &body["result"];
    assert_eq!(result["count"], 2);
    let provider = &result["discovery"][0];
    assert_eq!((&provider["provider"], &provider["answers"]), (&json!("memory"), &json!(true)));
    let address = |cluster: &Cluster| json!(cluster.bound()[0].1.to_string());
    assert_eq!((&result["current"]["pub"], &result["current"]["router"]), (&address(&a), &address(&a)));
    let pool = result["pool"].as_array().unwrap();
    assert_eq!(pool.len(), 1);
    assert_eq!(
        (&pool[0]["id"], &pool[0]["pub"], &pool[0]["router"]),
        (&json!("b"), &address(&b), &address(&b))
    );
    assert_eq!((&pool[0]["state"], &pool[0]["agrees"]), (&json!("connected"), &json!(true)));
    assert_eq!(pool[0]["incarnation"], json!(b.incarnation().to_string()));
}

#[tokio::test]
async fn reset_answers_loopback_only_unless_there_is_a_token() {
    let cluster = member("a", &MemoryDirectory::default(), identity).await;
    let done = json!({ "members": { "a": { "outcome": "done" } }, "outcome": "ok" });
    for body in ["", "{}", "{\"blank\":true}"] {
        let (status, answer) = ask(&cluster, reset("127.0.0.1:999", &[], body)).await;
        assert_eq!((status, &answer["result"]), (StatusCode::OK, &done), "{body:?}");
    }
    for (peer, headers) in [
        ("10.0.0.1:999", vec![]),
        ("127.0.0.1:999", vec![("origin", "http://evil.example")]),
        ("127.0.0.1:999", vec![("x-forwarded-for", "127.0.0.1")]),
        ("127.0.0.1:999", vec![("via", "1.1 proxy")]),
        ("127.0.0.1:999", vec![("forwarded", "for=127.0.0.1")]),
    ] {
        let (status, answer) = ask(&cluster, reset(peer, &headers, "")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{peer} {headers:?}");
        assert_eq!(answer["error"]["id"], "security.rights.forbidden");
    }
    let (status, _) =
        ask(&cluster, Request::post("/_plugin/cluster/reset").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "nobody is taken for local without an address");
}

#[tokio::test]
async fn with_a_token_it_is_required_from_everywhere() {
    let token: AdminToken = "secret".parse().unwrap();
    let cluster = member("a", &MemoryDirectory::default(), |builder| builder.admin_token(Some(token))).await;
    for headers in [vec![], vec![("authorization", "Bearer wrong")], vec![("authorization", "secret")]] {
        let (status, answer) = ask(&cluster, reset("127.0.0.1:999", &headers, "")).await;
        assert_eq!(
            (status, answer["error"]["id"].as_str()),
            (StatusCode::UNAUTHORIZED, Some("security.rights.unauthorized"))
        );
        assert!(!answer.to_string().contains("secret"), "the token leaks");
    }
    let headers = [("authorization", "Bearer secret"), ("x-forwarded-for", "10.0.0.1")];
    let (status, _) = ask(&cluster, reset("10.0.0.1:999", &headers, "")).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_no_wish_is_refused() {
    let cluster = member("a", &MemoryDirectory::default(), identity).await;
    for body in ["[", "[]", "[true]", "{\"blanc\":true}", "{\"blank\":1}"] {
        let (status, answer) = ask(&cluster, reset("127.0.0.1:999", &[], body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer["error"]["id"], "api.assert.invalid_argument");
        assert_eq!(answer["error"]["code"], 33_619_970);
    }
}
