//! One WebSocket client: a task that reads requests, answers them, and writes what waits for the client.
//!
//! The first step of each request is made in the order of arrival, so that a publish never overtakes another; what has to
//! wait then (for other nodes to know of a subscription) waits beside the others. Reading stops while too many wait, or too
//! much that the client has not read.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite;
use tokio_util::sync::CancellationToken;

use super::limits::ServerLimits;
use super::moving::Moving;
use crate::api::{ApiError, Incoming, Rejection, Response};
use crate::load::{Bound, Load};
use crate::node::{Connection, Node, Room, TooSlow};

/// How many requests of a client may wait for other nodes.
const MAX_WAITING: usize = 256;

/// How long a client may take to read that it is told to go.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    /// The client went, or broke the protocol.
    Client,
    /// The client is told to go.
    Close { code: u16, reason: Utf8Bytes },
}

/// Serves a client until it goes or has to go.
pub(super) async fn serve(
    socket: WebSocket,
    node: Node,
    limits: ServerLimits,
    moving: Moving,
    stop: CancellationToken,
) {
    let (mut sink, mut stream) = socket.split();
    let connection = node.connect(limits.outgoing_bytes);
    let ending = tokio::select! {
        biased;
        () = stop.cancelled() => close(close_code::ERROR, "Connection closed by remote host"),
        () = moving.turn(connection.turn()) => close(close_code::RESTART, "this node is draining: connect again"),
        slow = connection.too_slow() => close(code(slow), &slow.to_string()),
        ending = read(&mut stream, &connection, limits.idle_timeout) => ending,
        ending = write(&mut sink, &connection) => ending,
    };
    // Its subscriptions end at once. Its place is taken until it has gone.
    let _present = connection.present();
    drop(connection);
    let farewell = async {
        if let Ending::Close { code, reason } = ending {
            // An error here is one more way of being gone.
            let _ = sink.send(Message::Close(Some(CloseFrame { code, reason }))).await;
        }
        let _ = sink.close().await;
    };
    let _ = timeout(CLOSE_WITHIN, farewell).await;
}

fn close(code: u16, reason: &str) -> Ending {
    Ending::Close { code, reason: reason.into() }
}

/// Who was too slow alone is to be looked at; who gave way to others may come back.
fn code(slow: TooSlow) -> u16 {
    match slow {
        TooSlow::Alone => close_code::ERROR,
        TooSlow::AmongOthers => close_code::AGAIN,
    }
}

async fn write(sink: &mut SplitSink<WebSocket, Message>, connection: &Connection) -> Ending {
    loop {
        let text = connection.next().await;
        if sink.send(Message::Text(text)).await.is_err() {
            return Ending::Client;
        }
    }
}

async fn read(stream: &mut SplitStream<WebSocket>, connection: &Connection, idle: Duration) -> Ending {
    let mut waiting = FuturesUnordered::new();
    let mut silent_until = Instant::now() + idle;
    loop {
        let message = tokio::select! {
            biased;
            Some(answer) = waiting.next() => {
                push(connection, &answer);
                continue;
            }
            message = next(stream, connection, idle, &mut silent_until), if waiting.len() < MAX_WAITING => message,
        };
        let text = match message {
            Err(_) => {
                connection.node().load().meets(Bound::Silence);
                return close(close_code::ERROR, "the client was silent for too long");
            }
            Ok(None | Some(Ok(Message::Close(_)))) => return Ending::Client,
            Ok(Some(Err(error))) => return refusal(error, connection.node().load()),
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => None,
            Ok(Some(Ok(message))) => Some(message.into_text()),
        };
        silent_until = Instant::now() + idle;
        // Many requests may be in what was read at once: the other clients get their turn in between.
        tokio::task::coop::consume_budget().await;
        match text.map(|text| text.map(|text| Incoming::parse(&text))) {
            None => {}
            Some(Ok(Ok(Incoming::Ping))) => connection.push(Utf8Bytes::from_static(Incoming::PONG)),
            Some(Ok(Ok(Incoming::Request(request)))) => {
                let mut answer = Box::pin(connection.answer(request));
                match answer.as_mut().now_or_never() {
                    Some(answer) => push(connection, &answer),
                    None => waiting.push(answer),
                }
            }
            Some(Ok(Err(rejection))) => push(connection, &rejected(connection, &rejection)),
            Some(Err(_)) => {
                let error = ApiError::WebSocket("a message must be UTF-8 text".to_owned());
                push(connection, &rejected(connection, &Rejection { request_id: None, error }));
            }
        }
    }
}

/// The next message of a client, which reads what it asked for before. As long as it does that it is not silent. Cancel safe.
async fn next(
    stream: &mut SplitStream<WebSocket>,
    connection: &Connection,
    idle: Duration,
    silent_until: &mut Instant,
) -> Result<Option<Result<Message, axum::Error>>, Elapsed> {
    while timeout_at(*silent_until, connection.room()).await? == Room::More {
        *silent_until = Instant::now() + idle;
    }
    timeout_at(*silent_until, stream.next()).await
}

fn rejected(connection: &Connection, rejection: &Rejection) -> Response {
    Response::rejection(connection.node().name(), rejection)
}

fn push(connection: &Connection, answer: &Response) {
    connection.push(answer.to_json());
}

/// What a client is told whose message cannot be taken in.
fn refusal(error: axum::Error, load: &Load) -> Ending {
    match error.into_inner().downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Capacity(error)) => {
            load.meets(Bound::Length);
            close(close_code::SIZE, &error.to_string())
        }
        _ => Ending::Client,
    }
}
