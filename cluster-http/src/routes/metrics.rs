//! The figures for a monitoring system.

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Shared;
use crate::metrics::Format;

pub(super) async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let format = Format::accepted(headers.get(ACCEPT));
    match shared.metrics.encode(format) {
        Ok(page) => ([(CONTENT_TYPE, format.content_type())], page).into_response(),
        Err(error) => {
            let text = format!("the metrics cannot be written: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}
