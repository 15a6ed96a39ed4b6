//! The routes of the client API.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request as HttpRequest, State as Shared};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response as HttpResponse;
use axum::routing::{any, get, post};
use serde::Deserialize;
use serde_json::Value;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use super::query::{bare, with_headers};
use super::{State, socket};
use crate::api::{ApiError, Request};
use crate::load::Bound;

/// The routes of the client API and those that somebody else serves, and one answer for all that is neither.
pub(super) fn router(state: State, more: Router) -> Router {
    Router::new()
        .merge(more.with_state(()))
        .route("/", any(upgrade))
        .route("/_query", post(query))
        .route("/_listSubscriptions", get(list))
        .route("/{index}/{collection}/_publish", post(publish))
        .route("/_healthcheck", get(StatusCode::OK))
        .route("/_ready", get(ready))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .with_state(state)
}

async fn upgrade(Shared(state): Shared<State>, mut request: HttpRequest) -> HttpResponse {
    let Ok(answer) = create_response_with_body(&request, Body::empty) else {
        let (head, _) = request.into_parts();
        return unknown(Shared(state), head.uri, head.headers).await;
    };
    if state.moving.has_begun() || state.node.is_draining() {
        return bare(&ApiError::ShuttingDown);
    }
    let Ok(slot) = state.slots.clone().try_acquire_owned() else {
        state.node.load().meets(Bound::Clients);
        return bare(&ApiError::Overloaded { limit: state.limits.connections });
    };
    let upgraded = hyper::upgrade::on(&mut request);
    // Tracked from here on, so that a server that stops waits for clients that are only just coming.
    let token = state.clients.token();
    tokio::spawn(async move {
        // An error is one more way of being gone.
        if let Ok(upgraded) = upgraded.await {
            socket::serve(upgraded, state.node, state.limits, state.moving, state.stop).await;
        }
        drop((slot, token));
    });
    answer
}

async fn query(Shared(state): Shared<State>, headers: HeaderMap, body: Body) -> HttpResponse {
    let request = state.body(&headers, body).await.and_then(|body| Request::query(&body));
    match request.and_then(|request| with_headers(request, &headers)) {
        Ok(request) => state.respond(request).await,
        Err(error) => bare(&error),
    }
}

async fn list(Shared(state): Shared<State>, headers: HeaderMap) -> HttpResponse {
    match with_headers(Request::http("realtime", "list"), &headers) {
        Ok(request) => state.respond(request).await,
        Err(error) => bare(&error),
    }
}

#[derive(Deserialize)]
struct PublishArguments {
    _id: Option<String>,
}

async fn publish(
    Shared(state): Shared<State>,
    Path((index, collection)): Path<(String, String)>,
    Query(arguments): Query<PublishArguments>,
    headers: HeaderMap,
    body: Body,
) -> HttpResponse {
    let request = Request::http("realtime", "publish");
    let request = request.with_argument("index", &index).with_argument("collection", &collection);
    let request = match arguments._id {
        Some(id) => request.with_argument("_id", &id),
        None => request,
    };
    let read = state.body(&headers, body).await.and_then(|body| match &*body {
        [] => Ok(request),
        text => serde_json::from_slice::<Value>(text)
            .map(|body| request.with_body(body))
            .map_err(|error| ApiError::BodyParseFailed(error.to_string())),
    });
    match read.and_then(|request| with_headers(request, &headers)) {
        Ok(request) => state.respond(request).await,
        Err(error) => bare(&error),
    }
}

async fn ready(Shared(state): Shared<State>) -> StatusCode {
    let serves = !state.stop.is_cancelled() && state.node.cluster().readiness().ready;
    if serves { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn unknown(Shared(state): Shared<State>, uri: Uri, headers: HeaderMap) -> HttpResponse {
    match with_headers(Request::unrouted(), &headers) {
        Ok(request) => state.refuse(&request, &ApiError::UrlNotFound(uri.to_string())),
        Err(error) => bare(&error),
    }
}
