//! HTTP requests as requests of the API, and answers as HTTP responses.

use std::time::Duration;

use axum::body::{self, Body};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response as HttpResponse};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::State;
use crate::api::{ApiError, Request, Response};

const NODE: &str = "x-kuzzle-node";
const REQUEST_ID: &str = "x-kuzzle-request-id";
const VOLATILE: &str = "x-kuzzle-volatile";

/// How long the body of a request may take. Its connection gives way to others only while none is idle.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// The longest request id that is taken from a header.
const MAX_ID: usize = 128;

impl State {
    /// Does what a request asks for.
    pub(super) async fn respond(&self, request: Request) -> HttpResponse {
        if self.stop.is_cancelled() {
            return self.refuse(&request, &ApiError::ShuttingDown);
        }
        let id = request.request_id().to_owned();
        let response = self.node.answer(request).await;
        self.dressed(&id, &response)
    }

    /// Tells that a request is not done.
    pub(super) fn refuse(&self, request: &Request, error: &ApiError) -> HttpResponse {
        self.dressed(request.request_id(), &Response::failure(self.node.name(), request, error))
    }

    fn dressed(&self, id: &str, response: &Response) -> HttpResponse {
        let mut http = json(response.status(), response.to_json());
        for (name, value) in [(NODE, self.node.name()), (REQUEST_ID, id)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                http.headers_mut().insert(name, value);
            }
        }
        http
    }

    /// The whole body of a request.
    pub(super) async fn body(&self, headers: &HeaderMap, body: Body) -> Result<body::Bytes, ApiError> {
        if let Some(kind) = headers.get(CONTENT_TYPE) {
            let kind = String::from_utf8_lossy(kind.as_bytes());
            let essence = kind.split(';').next().unwrap_or_default().trim();
            if !essence.eq_ignore_ascii_case("application/json") {
                return Err(ApiError::UnsupportedContent(essence.to_owned()));
            }
        }
        whole(body, self.limits.request_bytes).await
    }
}

async fn whole(body: Body, limit: usize) -> Result<body::Bytes, ApiError> {
    let within = BODY_WITHIN.as_secs();
    timeout(BODY_WITHIN, body::to_bytes(body, limit))
        .await
        .map_err(|_| ApiError::RequestTooSlow { within })?
        .map_err(|_| ApiError::RequestTooLarge)
}

/// An error where no request could be made out: the bare error object.
pub(super) fn bare(error: &ApiError) -> HttpResponse {
    json(error.status(), error.to_json().to_string())
}

/// Gives a request what its headers say.
pub(super) fn with_headers(request: Request, headers: &HeaderMap) -> Result<Request, ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let request = match text(REQUEST_ID) {
        Some(id) if !id.is_empty() && id.len() <= MAX_ID => request.with_request_id(id),
        _ => request,
    };
    match headers.get(VOLATILE) {
        None => Ok(request),
        Some(volatile) => serde_json::from_slice::<Map<String, Value>>(volatile.as_bytes())
            .map(|volatile| request.with_volatile(volatile))
            .map_err(|error| ApiError::VolatileParseFailed(error.to_string())),
    }
}

fn json(status: u16, text: String) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, "application/json")], text).into_response()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt, stream};
    use tokio::time::{Instant, sleep};

    use super::*;

    /// A body that comes in pieces, one each second.
    fn dripping(pieces: usize) -> Body {
        Body::from_stream(stream::iter(0..pieces).then(async |_| {
            sleep(Duration::from_secs(1)).await;
            Ok::<_, Infallible>("x")
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_in_time_is_answered_with_408() {
        let began = Instant::now();
        let refused = whole(dripping(1_000), 1_000).await.expect_err("too slow");
        assert_eq!(began.elapsed(), BODY_WITHIN);
        assert_eq!(bare(&refused).status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(whole(dripping(9), 1_000).await.expect("in time").len(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_too_long_is_answered_with_413_at_once() {
        let began = Instant::now();
        let refused = whole(dripping(1_000), 3).await.expect_err("too long");
        assert!(began.elapsed() < BODY_WITHIN);
        assert_eq!(bare(&refused).status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
