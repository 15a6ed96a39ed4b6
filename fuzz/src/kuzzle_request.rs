//! Requests of clients: every message has an answer that is JSON, with a status, and with the client's own id where one could be
//! made out.

use cluster_node::api::{Incoming, Request, Response};
use serde_json::Value;

use crate::input::Input;

/// The property. The first byte says whether the rest came over WebSocket or as the body of an HTTP request.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let over_http = input.bool();
    let rest = input.rest();
    if over_http {
        match Request::query(rest) {
            Ok(request) => answered(&request, None),
            Err(error) => assert!((400..600).contains(&error.status()), "{error}"),
        }
        return;
    }
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let given = serde_json::from_str::<Value>(text).ok();
    // An empty id is none, and one is made up.
    let id = given.as_ref().and_then(|value| value.get("requestId")?.as_str()).filter(|id| !id.is_empty());
    match Incoming::parse(text) {
        Ok(Incoming::Ping) => {}
        Ok(Incoming::Request(request)) => answered(&request, id),
        Err(rejection) => {
            let answer = Response::rejection("node", &rejection);
            let answer = checked(&answer);
            assert_eq!(answer["error"]["id"], rejection.error.id());
            if let Some(id) = &rejection.request_id {
                assert_eq!(answer["requestId"], id.as_str());
            }
        }
    }
}

/// A request has one answer under its own id, whatever becomes of it.
fn answered(request: &Request, id: Option<&str>) {
    if let Some(id) = id {
        assert_eq!(request.request_id(), id);
    }
    let answer = match request.call() {
        Ok(_) => Response::success("node", request, Value::Null),
        Err(error) => {
            assert!((400..600).contains(&error.status()), "{error}");
            Response::failure("node", request, &error)
        }
    };
    assert_eq!(checked(&answer)["requestId"], request.request_id());
}

fn checked(answer: &Response) -> Value {
    let value: Value = serde_json::from_str(&answer.to_json()).expect("an answer is JSON");
    assert_eq!(value["status"], answer.status());
    assert_eq!(value["error"].is_null(), answer.status() == 200);
    value
}
