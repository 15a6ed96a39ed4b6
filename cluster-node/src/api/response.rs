//! What a client gets back.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{ApiError, Protocol, Rejection, Request};

/// An answer, written with its keys in alphabetical order.
///
/// Index and collection are left out where the request has none. Over WebSocket `room` is the request's id: by it the
/// SDK finds the request that is answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<String>,
    controller: Option<String>,
    error: Option<Value>,
    headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<String>,
    node: String,
    request_id: String,
    result: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
    status: u16,
    volatile: Option<Value>,
}

impl Response {
    /// The request was done by the node of this name.
    pub fn success(node: &str, request: &Request, result: Value) -> Self {
        Self::answer(node, request, 200, None, result)
    }

    /// The request failed.
    pub fn failure(node: &str, request: &Request, error: &ApiError) -> Self {
        Self::answer(node, request, error.status(), Some(error.to_json()), Value::Null)
    }

    /// A WebSocket message was no request. Without an id of the client's there is no `room`.
    pub fn rejection(node: &str, rejection: &Rejection) -> Self {
        Self {
            action: None,
            collection: None,
            controller: None,
            error: Some(rejection.error.to_json()),
            headers: Map::new(),
            index: None,
            node: node.to_owned(),
            request_id: rejection.request_id.clone().unwrap_or_else(super::request::fresh_id),
            result: Value::Null,
            room: rejection.request_id.clone(),
            status: rejection.error.status(),
            volatile: None,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The answer as a JSON text.
    pub fn to_json(&self) -> String {
        #[expect(clippy::expect_used, reason = "texts, numbers and JSON values always serialize")]
        serde_json::to_string(self).expect("an answer is JSON")
    }

    fn answer(node: &str, request: &Request, status: u16, error: Option<Value>, result: Value) -> Self {
        let text = |name| request.argument(name).and_then(Value::as_str).map(str::to_owned);
        let id = request.request_id().to_owned();
        Self {
            action: request.action().map(str::to_owned),
            collection: text("collection"),
            controller: request.controller().map(str::to_owned),
            error,
            headers: Map::new(),
            index: text("index"),
            node: node.to_owned(),
            request_id: id.clone(),
            result,
            room: (request.protocol() == Protocol::WebSocket).then_some(id),
            status,
            volatile: request.volatile().cloned(),
        }
    }
}
