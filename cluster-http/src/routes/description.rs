//! The description of the routes, for machines.

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

const OPENAPI: &str = include_str!("../../assets/openapi.json");

pub(super) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI)
}
