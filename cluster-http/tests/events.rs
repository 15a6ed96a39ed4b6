//! Server-sent events of real members, read without a socket.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod setup;

use std::convert::identity;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use cluster_core::discovery::MemoryDirectory;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::time::timeout;
use tower::ServiceExt as _;

use setup::member;

/// What has not come by then never will.
const GIVE_UP: Duration = Duration::from_secs(20);

/// A reader of events.
struct Reader {
    body: Body,
    text: String,
}

#[derive(Debug)]
struct Event {
    kind: String,
    id: Option<u64>,
    data: Value,
}

impl Reader {
    async fn open(router: &Router, last: Option<u64>) -> Result<Self, StatusCode> {
        let mut request = Request::get("/_plugin/cluster/events");
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Ok(Self { body: response.into_body(), text: String::new() })
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = parse(event);
                self.text = rest.to_owned();
                return Some(event);
            }
            let frame = timeout(GIVE_UP, self.body.frame()).await.unwrap()?.unwrap();
            self.text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    }

    async fn until(&mut self, fits: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.next().await.unwrap();
            if fits(&event) {
                return event;
            }
        }
    }
}

fn parse(text: &str) -> Event {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Event {
        kind: field("event:").unwrap().to_owned(),
        id: field("id:").map(|id| id.parse().unwrap()),
        data: serde_json::from_str(field("data:").unwrap()).unwrap(),
    }
}

#[tokio::test]
async fn a_reader_gets_the_status_at_once_and_each_change_as_it_happens() {
    let directory = MemoryDirectory::default();
    let a = member("a", &directory, identity).await;
    a.wait_ready().await;
    let router = cluster_http::router(a.clone());
    let mut reader = Reader::open(&router, None).await.unwrap();
    let first = reader.next().await.unwrap();
    assert_eq!((first.kind.as_str(), &first.data["current"]["id"]), ("status", &Value::from("a")));
    let b = member("b", &directory, identity).await;
    let joined = reader.until(|event| event.kind == "change" && event.data["event"] == "joined").await;
    assert_eq!((joined.id, &joined.data["node"]), (joined.data["number"].as_u64(), &Value::from("b")));
    reader.until(|event| event.kind == "status" && event.data["count"] == 2).await;
    reader.until(|event| event.kind == "matrix" && event.data["nodes"].as_array().unwrap().len() == 2).await;
    b.abort();
    reader.until(|event| event.kind == "change" && event.data["event"] == "removed").await;
    reader.until(|event| event.kind == "status" && event.data["count"] == 1).await;
}

#[tokio::test]
async fn a_reader_that_comes_back_gets_the_changes_that_it_missed_once() {
    let directory = MemoryDirectory::default();
    let a = member("a", &directory, identity).await;
    a.wait_ready().await;
    let router = cluster_http::router(a.clone());
    let seen = a.activity_after(0).last().unwrap().number;
    let b = member("b", &directory, identity).await;
    timeout(GIVE_UP, a.wait_activity(seen)).await.unwrap();
    let mut reader = Reader::open(&router, Some(seen)).await.unwrap();
    let missed = reader.next().await.unwrap();
    assert_eq!((missed.kind.as_str(), missed.id), ("change", Some(seen + 1)));
    drop(b);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_is_sent_away_and_told_so() {
    let router = cluster_http::router(member("a", &MemoryDirectory::default(), identity).await);
    let mut idle = Reader::open(&router, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let shed = idle.until(|event| event.kind == "shed").await;
    assert!(shed.data["missed"].as_u64().unwrap() > 100, "{shed:?}");
    assert!(idle.next().await.is_none(), "the stream goes on");
}

#[tokio::test]
async fn the_readers_are_bounded_and_one_that_goes_makes_room() {
    let router = cluster_http::router(member("a", &MemoryDirectory::default(), identity).await);
    let mut readers = Vec::new();
    let refused = loop {
        match Reader::open(&router, None).await {
            Ok(reader) => readers.push(reader),
            Err(status) => break status,
        }
        assert!(readers.len() <= 64, "there is no bound");
    };
    assert_eq!((refused, readers.len()), (StatusCode::SERVICE_UNAVAILABLE, 64));
    readers.pop();
    assert!(Reader::open(&router, None).await.is_ok());
}
