//! What does not change while the process runs: the page, and the description of the routes.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::response::{IntoResponse, Redirect};

/// Nothing but this origin's own files and events; no frames, no forms, no inline scripts.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("../../assets/dashboard.html");
const STYLE: &str = include_str!("../../assets/dashboard.css");
const SCRIPT: &str = include_str!("../../assets/dashboard.js");
const MODEL: &str = include_str!("../../assets/model.js");
const OPENAPI: &str = include_str!("../../assets/openapi.json");

pub(super) async fn redirect() -> Redirect {
    Redirect::permanent("/_plugin/cluster/")
}

pub(super) async fn page() -> impl IntoResponse {
    file("text/html; charset=utf-8", PAGE)
}

pub(super) async fn style() -> impl IntoResponse {
    file("text/css; charset=utf-8", STYLE)
}

pub(super) async fn script() -> impl IntoResponse {
    file("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn model() -> impl IntoResponse {
    file("text/javascript; charset=utf-8", MODEL)
}

pub(super) async fn openapi() -> impl IntoResponse {
    file("application/json", OPENAPI)
}

fn file(kind: &'static str, text: &'static str) -> ([(HeaderName, &'static str); 6], &'static str) {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        // A node that was replaced by another version shows its own page at once.
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text)
}
