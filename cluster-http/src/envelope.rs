//! The JSON envelope around every answer.

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

const NODE: HeaderName = HeaderName::from_static("x-kuzzle-node");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-kuzzle-request-id");
/// The longest request id that is taken from a caller.
const MAX_REQUEST_ID: usize = 128;

/// An error of Kuzzle's catalogue, or of this plugin.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) id: &'static str,
    /// Domain, subdomain and error in 8, 8 and 16 bits.
    pub(crate) code: u32,
    pub(crate) message: String,
    pub(crate) props: Vec<String>,
}

/// One request, and what its answer needs of it.
#[derive(Debug)]
pub(crate) struct Exchange {
    action: &'static str,
    node: String,
    request_id: String,
}

impl Exchange {
    /// The request's id is the one that the caller gives, if it is short and printable, else a fresh one.
    pub(crate) fn new(action: &'static str, node: &str, headers: &HeaderMap) -> Self {
        let given = headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok());
        let request_id = given.filter(|id| (1..=MAX_REQUEST_ID).contains(&id.len())).map(str::to_owned);
        let request_id = request_id.unwrap_or_else(|| Uuid::new_v4().to_string());
        Self { action, node: node.to_owned(), request_id }
    }

    pub(crate) fn answer(&self, outcome: Result<Value, Failure>) -> Response {
        match outcome {
            Ok(result) => self.answer_with(result, None),
            Err(failure) => self.answer_with(Value::Null, Some(failure)),
        }
    }

    /// An answer with a result even where it is a failure.
    pub(crate) fn answer_with(&self, result: Value, failure: Option<Failure>) -> Response {
        let status = failure.as_ref().map_or(StatusCode::OK, |failure| failure.status);
        let error = failure.map_or(Value::Null, |failure| failure.body());
        let body = json!({
            "action": self.action,
            "controller": "cluster",
            "error": error,
            "headers": {},
            "node": self.node,
            "requestId": self.request_id,
            "result": result,
            "status": status.as_u16(),
            "volatile": null,
        });
        let mut response = (status, Json(body)).into_response();
        for (name, value) in [(NODE, &self.node), (REQUEST_ID, &self.request_id)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

impl Failure {
    fn body(&self) -> Value {
        json!({
            "code": self.code,
            "id": self.id,
            "message": self.message,
            "props": self.props,
            "status": self.status.as_u16(),
        })
    }
}
