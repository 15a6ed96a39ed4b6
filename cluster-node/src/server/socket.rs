//! One WebSocket client: a task that reads requests, answers them, and writes what waits for the client.
//!
//! The first step of each request is made in the order of arrival, so that a publish never overtakes another; what has to
//! wait then (for other nodes to know of a subscription) waits beside the others. Reading stops while too many wait, or too
//! much that the client has not read; neither is the client's silence.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, frame::Frame};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::limits::ServerLimits;
use super::moving::Moving;
use super::taking::{Taking, Watched};
use crate::api::{ApiError, Incoming, Rejection, Response};
use crate::load::{Bound, Load};
use crate::node::{Connection, Node, PIECE, Room, TooSlow};

/// What each WebSocket takes for reading, all of it from the first read on. A longer message takes more while it is read.
const READ_BUFFER: usize = 4096;

/// The most that waits in a WebSocket's own buffer: a piece, or pongs. Of those that do not fit the last one waits beside it.
const WRITE_BUFFER: usize = PIECE + 1024;

/// How long a client may take to read that it is told to go.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    /// The client went, or broke the protocol.
    Client,
    /// The client is told to go.
    Close { code: CloseCode, reason: Utf8Bytes },
}

/// Serves a client until it goes or has to go.
pub(super) async fn serve(
    upgraded: Upgraded,
    node: Node,
    limits: ServerLimits,
    moving: Moving,
    stop: CancellationToken,
) {
    let (stream, taking) = Watched::new(TokioIo::new(upgraded));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config(limits)));
    let (mut sink, mut stream) = socket.await.split();
    let connection = node.connect(limits.outgoing_bytes);
    let ending = tokio::select! {
        biased;
        () = stop.cancelled() => close(CloseCode::Error, "Connection closed by remote host"),
        () = moving.turn(connection.turn()) => close(CloseCode::Restart, "this node is draining: connect again"),
        slow = connection.too_slow() => close(code(slow), &slow.to_string()),
        () = taking.stalls(limits.idle_timeout) => silent(&connection, "the client has read nothing for too long"),
        ending = read(&mut stream, &connection, &taking, limits.idle_timeout) => ending,
        ending = write(&mut sink, &connection, &taking) => ending,
    };
    // Its subscriptions end at once. Its place is taken until it has gone.
    let _present = connection.present();
    drop(connection);
    let farewell = async {
        if let Ending::Close { code, reason } = ending {
            // Behind pongs it might not fit, and would be lost. An error here is one more way of being gone.
            let _ = sink.flush().await;
            let _ = sink.send(Message::Close(Some(CloseFrame { code, reason }))).await;
        }
        let _ = sink.close().await;
    };
    let _ = timeout(CLOSE_WITHIN, farewell).await;
}

/// The socket writes at once. What is not taken waits in a buffer, which keeps what it once took, up to twice [`WRITE_BUFFER`].
fn config(limits: ServerLimits) -> WebSocketConfig {
    let longest = Some(limits.request_bytes);
    let config = WebSocketConfig::default().max_message_size(longest).max_frame_size(longest);
    config.read_buffer_size(READ_BUFFER).write_buffer_size(0).max_write_buffer_size(WRITE_BUFFER)
}

fn close(code: CloseCode, reason: &str) -> Ending {
    Ending::Close { code, reason: reason.into() }
}

/// Who was too slow alone is to be looked at; who gave way to others may come back.
fn code(slow: TooSlow) -> CloseCode {
    match slow {
        TooSlow::Alone => CloseCode::Error,
        TooSlow::AmongOthers => CloseCode::Again,
    }
}

fn silent(connection: &Connection, reason: &str) -> Ending {
    connection.node().load().meets(Bound::Silence);
    close(CloseCode::Error, reason)
}

async fn write(
    sink: &mut (impl Sink<Message, Error = tungstenite::Error> + Unpin),
    connection: &Connection,
    taking: &Taking,
) -> Ending {
    loop {
        let written = tokio::select! {
            biased;
            text = connection.next() => send(sink, text).await,
            // Pongs are stuck, and who is held back is not read from, which would write them.
            () = taking.sticks() => sink.flush().await,
        };
        if written.is_err() {
            return Ending::Client;
        }
    }
}

/// Sends a text, a long one piece by piece.
async fn send<S>(sink: &mut S, text: Utf8Bytes) -> tungstenite::Result<()>
where
    S: Sink<Message, Error = tungstenite::Error> + Unpin,
{
    if text.as_str().len() <= PIECE {
        return send_frame(sink, Message::Text(text)).await;
    }
    let mut rest = Bytes::from(text);
    let mut kind = Data::Text;
    while !rest.is_empty() {
        let piece = rest.split_to(rest.len().min(PIECE));
        let frame = Frame::message(piece, OpCode::Data(kind), rest.is_empty());
        send_frame(sink, Message::Frame(frame)).await?;
        kind = Data::Continue;
    }
    Ok(())
}

/// Sends what fits into the socket's buffer, unless pongs are in it: then once they are written.
async fn send_frame<S>(sink: &mut S, frame: Message) -> tungstenite::Result<()>
where
    S: Sink<Message, Error = tungstenite::Error> + Unpin,
{
    match sink.send(frame).await {
        Err(tungstenite::Error::WriteBufferFull(frame)) => {
            sink.flush().await?;
            // Nothing was read since, so that there is no pong again.
            sink.send(*frame).await
        }
        sent => sent,
    }
}

async fn read(
    stream: &mut (impl Stream<Item = tungstenite::Result<Message>> + Unpin),
    connection: &Connection,
    taking: &Taking,
    idle: Duration,
) -> Ending {
    let mut waiting = FuturesUnordered::new();
    let mut silence = Silence::of(idle);
    loop {
        let may_ask = waiting.len() < connection.node().requests_at_a_time();
        let text = match turn(stream, &mut waiting, may_ask, || room(connection, taking), &mut silence).await
        {
            Turn::Answer(answer) => {
                push(connection, &answer);
                continue;
            }
            Turn::Silence => return silent(connection, "the client was silent for too long"),
            Turn::Message(None | Some(Ok(Message::Close(_)))) => return Ending::Client,
            Turn::Message(Some(Err(error))) => return refusal(&error, connection.node().load()),
            Turn::Message(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => None,
            Turn::Message(Some(Ok(message))) => Some(message.into_text()),
        };
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

/// Whether the client may ask, or has read something, be it but a part of a long text. Cancel safe.
async fn room(connection: &Connection, taking: &Taking) -> Room {
    tokio::select! {
        biased;
        room = connection.room() => room,
        () = taking.goes_on() => Room::More,
    }
}

/// What comes next: an answer to what waits, or a message of the client, if it may ask. Cancel safe.
async fn turn<S: Stream + Unpin, A: Future, R: Future<Output = Room>>(
    stream: &mut S,
    waiting: &mut FuturesUnordered<A>,
    may_ask: bool,
    room: impl Fn() -> R,
    silence: &mut Silence,
) -> Turn<A::Output, S::Item> {
    tokio::select! {
        biased;
        Some(answer) = waiting.next() => {
            // While it waited the client may not have been read from.
            silence.is_broken();
            Turn::Answer(answer)
        }
        message = next(stream, room, silence), if may_ask => message.map_or(Turn::Silence, |message| {
            silence.is_broken();
            Turn::Message(message)
        }),
    }
}

/// The next message of a client, which reads what it asked for before. As long as it does that it is not silent. Cancel safe.
async fn next<S: Stream + Unpin, R: Future<Output = Room>>(
    stream: &mut S,
    room: impl Fn() -> R,
    silence: &mut Silence,
) -> Result<Option<S::Item>, Elapsed> {
    while timeout_at(silence.ends, room()).await? == Room::More {
        silence.is_broken();
    }
    timeout_at(silence.ends, stream.next()).await
}

/// What a client's task does next.
#[derive(Debug, PartialEq, Eq)]
enum Turn<A, M> {
    Answer(A),
    Message(Option<M>),
    Silence,
}

/// For how long a client may still be silent.
#[derive(Debug)]
struct Silence {
    span: Duration,
    ends: Instant,
}

impl Silence {
    fn of(span: Duration) -> Self {
        Self { span, ends: Instant::now() + span }
    }

    fn is_broken(&mut self) {
        self.ends = Instant::now() + self.span;
    }
}

fn rejected(connection: &Connection, rejection: &Rejection) -> Response {
    Response::rejection(connection.node().name(), rejection)
}

fn push(connection: &Connection, answer: &Response) {
    connection.push(answer.to_json());
}

/// What a client is told whose message cannot be taken in.
fn refusal(error: &tungstenite::Error, load: &Load) -> Ending {
    match error {
        tungstenite::Error::Capacity(error) => {
            load.meets(Bound::Length);
            close(CloseCode::Size, &error.to_string())
        }
        _ => Ending::Client,
    }
}

#[cfg(test)]
mod tests;
