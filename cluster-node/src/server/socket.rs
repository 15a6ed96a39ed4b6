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
use crate::api::{ApiError, Incoming, Rejection, Response};
use crate::load::{Bound, Load};
use crate::node::{Connection, Node, PIECE, Room, TooSlow};

/// What each WebSocket takes for reading, all of it from the first read on. A longer message takes more while it is read.
const READ_BUFFER: usize = 4096;

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
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config(limits)));
    let (mut sink, mut stream) = socket.await.split();
    let connection = node.connect(limits.outgoing_bytes);
    let ending = tokio::select! {
        biased;
        () = stop.cancelled() => close(CloseCode::Error, "Connection closed by remote host"),
        () = moving.turn(connection.turn()) => close(CloseCode::Restart, "this node is draining: connect again"),
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

/// Nothing waits in the socket's own buffer, which keeps what it once took: that is a piece.
fn config(limits: ServerLimits) -> WebSocketConfig {
    let longest = Some(limits.request_bytes);
    let config = WebSocketConfig::default().max_message_size(longest).max_frame_size(longest);
    config.read_buffer_size(READ_BUFFER).write_buffer_size(0)
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

async fn write(sink: &mut (impl Sink<Message> + Unpin), connection: &Connection) -> Ending {
    loop {
        let text = connection.next().await;
        if send(sink, text).await.is_err() {
            return Ending::Client;
        }
    }
}

/// Sends a text, a long one piece by piece.
async fn send<S: Sink<Message> + Unpin>(sink: &mut S, text: Utf8Bytes) -> Result<(), S::Error> {
    if text.as_str().len() <= PIECE {
        return sink.send(Message::Text(text)).await;
    }
    let mut rest = Bytes::from(text);
    let mut kind = Data::Text;
    while !rest.is_empty() {
        let piece = rest.split_to(rest.len().min(PIECE));
        let frame = Frame::message(piece, OpCode::Data(kind), rest.is_empty());
        sink.feed(Message::Frame(frame)).await?;
        kind = Data::Continue;
    }
    sink.flush().await
}

async fn read(
    stream: &mut (impl Stream<Item = tungstenite::Result<Message>> + Unpin),
    connection: &Connection,
    idle: Duration,
) -> Ending {
    let mut waiting = FuturesUnordered::new();
    let mut silence = Silence::of(idle);
    loop {
        let may_ask = waiting.len() < connection.node().requests_at_a_time();
        let text = match turn(stream, &mut waiting, may_ask, || connection.room(), &mut silence).await {
            Turn::Answer(answer) => {
                push(connection, &answer);
                continue;
            }
            Turn::Silence => {
                connection.node().load().meets(Bound::Silence);
                return close(CloseCode::Error, "the client was silent for too long");
            }
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
mod tests {
    use std::cell::Cell;
    use std::future::{self, Ready};
    use std::pin::Pin;

    use futures_util::stream;
    use tokio::io::{AsyncReadExt as _, duplex};
    use tokio::time::sleep;

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);
    const NEARLY: Duration = Duration::from_secs(59);

    type Waiting = FuturesUnordered<Pin<Box<dyn Future<Output = &'static str>>>>;

    /// A client that asks after this time.
    fn asks_after(span: Duration) -> impl Stream<Item = &'static str> + Unpin {
        Box::pin(stream::once(async move {
            sleep(span).await;
            "question"
        }))
    }

    fn enough() -> Ready<Room> {
        future::ready(Room::Enough)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_silent_that_neither_asks_nor_reads_for_a_minute() {
        let mut silence = Silence::of(IDLE);
        let mut asks = asks_after(NEARLY);
        assert_eq!(
            turn(&mut asks, &mut Waiting::new(), true, enough, &mut silence).await,
            Turn::Message(Some("question"))
        );
        let began = Instant::now();
        let mut never = stream::pending::<&str>();
        assert_eq!(turn(&mut never, &mut Waiting::new(), true, enough, &mut silence).await, Turn::Silence);
        assert_eq!(began.elapsed(), IDLE);

        let (mut silence, began) = (Silence::of(IDLE), Instant::now());
        let mut asks = asks_after(Duration::ZERO);
        let reads_nothing = future::pending;
        assert_eq!(
            turn(&mut asks, &mut Waiting::new(), true, reads_nothing, &mut silence).await,
            Turn::Silence
        );
        assert_eq!(began.elapsed(), IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_held_back_and_reads_is_not_silent() {
        let (mut silence, began) = (Silence::of(IDLE), Instant::now());
        let unread = Cell::new(10_u32);
        let reads = || async {
            if unread.get() == 0 {
                return Room::Enough;
            }
            sleep(NEARLY).await;
            unread.set(unread.get() - 1);
            Room::More
        };
        let mut asks = asks_after(NEARLY);
        assert_eq!(
            turn(&mut asks, &mut Waiting::new(), true, reads, &mut silence).await,
            Turn::Message(Some("question"))
        );
        assert_eq!(began.elapsed(), NEARLY * 11);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_held_back_because_its_requests_wait_is_not_silent() {
        let mut silence = Silence::of(IDLE);
        let waiting = &mut Waiting::new();
        waiting.push(Box::pin(async {
            sleep(IDLE * 10).await;
            "answer"
        }));
        let mut asks = asks_after(NEARLY);
        assert_eq!(turn(&mut asks, waiting, false, enough, &mut silence).await, Turn::Answer("answer"));
        assert_eq!(
            turn(&mut asks, waiting, true, enough, &mut silence).await,
            Turn::Message(Some("question"))
        );
    }

    #[tokio::test]
    async fn a_long_text_is_written_piece_by_piece_and_comes_whole() {
        let text = Utf8Bytes::from("ä€𐍈".repeat(5_000));
        let served = async |text: &Utf8Bytes, end| {
            let config = config(ServerLimits::default());
            let mut socket = WebSocketStream::from_raw_socket(end, Role::Server, Some(config)).await;
            send(&mut socket, text.clone()).await.expect("sent");
        };
        let (end, mut other) = duplex(1 << 20);
        served(&text, end).await;
        let mut bytes = Vec::new();
        other.read_to_end(&mut bytes).await.expect("read");
        let (mut frames, mut rest) = (Vec::new(), &bytes[..]);
        // Each is longer than 125 bytes and shorter than 64 KiB.
        while let [kind, 126, high, low, more @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            frames.push((*kind, length));
            rest = &more[length..];
        }
        assert_eq!(frames, [(0x01, PIECE), (0x00, PIECE), (0x80, text.as_str().len() - 2 * PIECE)]);

        let (end, other) = duplex(1 << 20);
        served(&text, end).await;
        let mut client = WebSocketStream::from_raw_socket(other, Role::Client, None).await;
        let message = client.next().await.expect("a message").expect("a message");
        assert_eq!(message, Message::Text(text));
    }
}
