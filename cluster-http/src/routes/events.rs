//! Server-sent events: what a dashboard is drawn from.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::Shared;
use crate::envelope::Failure;
use crate::hub::{Frame, Listener, MAX_LISTENERS};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx not to hold events back.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");
/// How soon a browser comes back when its stream has ended.
const RETRY: Duration = Duration::from_millis(500);

pub(super) async fn events(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let after = headers.get(&LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    let Some(listener) = shared.hub.listen(after) else {
        return shared.exchange("events", &headers).answer(Err(Failure {
            status: StatusCode::SERVICE_UNAVAILABLE,
            id: "api.process.overloaded",
            code: 0x0202_0002,
            message: format!("{MAX_LISTENERS} readers get events already: close one, or ask for the status."),
            props: Vec::new(),
        }));
    };
    let events = stream::unfold(listener, |mut listener: Listener| async move {
        let frame = listener.next().await?;
        Some((Ok::<_, Infallible>(event(&frame)), listener))
    });
    ([(CACHE_CONTROL, "no-store"), (UNBUFFERED, "no")], Sse::new(events)).into_response()
}

fn event(frame: &Frame) -> Event {
    let event = Event::default().event(frame.kind).retry(RETRY).data(&*frame.data);
    match frame.id {
        Some(id) => event.id(id.to_string()),
        None => event,
    }
}
