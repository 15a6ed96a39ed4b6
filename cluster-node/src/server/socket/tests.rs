//! Silence, long texts and pongs, without a server.

use std::cell::Cell;
use std::future::{self, Ready};
use std::pin::Pin;

use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
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
    assert_eq!(turn(&mut asks, &mut Waiting::new(), true, reads_nothing, &mut silence).await, Turn::Silence);
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
    assert_eq!(turn(&mut asks, waiting, true, enough, &mut silence).await, Turn::Message(Some("question")));
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

/// A ping with the longest payload.
const PING: [u8; 2 + 4 + 125] = {
    let mut ping = [0; 2 + 4 + 125];
    ping[0] = 0x89;
    ping[1] = 0x80 | 125;
    ping
};

const PONG: usize = 2 + 125;

#[tokio::test]
async fn pongs_that_are_not_read_are_bounded_and_a_text_behind_them_comes_whole() {
    const PINGS: usize = 1_000;
    let (end, mut client) = duplex(PONG);
    let config = config(ServerLimits::default());
    let socket = WebSocketStream::from_raw_socket(end, Role::Server, Some(config)).await;
    let (mut sink, mut stream) = socket.split();
    for _ in 0..PINGS {
        let read = async { stream.next().await.expect("a message").expect("a message") };
        let (written, message) = tokio::join!(client.write_all(&PING), read);
        written.expect("written");
        assert_eq!(message, Message::Ping(Bytes::from_static(&[0; 125])));
    }
    let text = Utf8Bytes::from("x".repeat(PIECE * 3));
    let served = async {
        send(&mut sink, text.clone()).await.expect("sent");
        sink.send(Message::Close(None)).await.expect("sent");
        drop((sink, stream));
    };
    let mut bytes = Vec::new();
    let ((), read) = tokio::join!(served, client.read_to_end(&mut bytes));
    read.expect("read");
    let pongs = bytes.windows(2).filter(|pair| *pair == [0x8a, 125]).count();
    assert!(pongs > 0 && pongs <= WRITE_BUFFER / PONG + 2, "{pongs} of {PINGS}");
    assert_eq!(bytes.iter().filter(|byte| **byte == b'x').count(), text.as_str().len());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_held_back_and_reads_a_long_text_slowly_is_not_silent() {
    const STEP: usize = 1_000;
    let (end, mut client) = duplex(STEP);
    let (end, taking) = Watched::new(end);
    let config = config(ServerLimits::default());
    let mut socket = WebSocketStream::from_raw_socket(end, Role::Server, Some(config)).await;
    let written = Cell::new(false);
    let writes = async {
        send(&mut socket, "x".repeat(STEP * 10).into()).await.expect("sent");
        written.set(true);
    };
    let reads = async {
        let mut bytes = vec![0; STEP];
        while !written.get() {
            sleep(NEARLY).await;
            assert!(client.read(&mut bytes).await.expect("bytes") > 0);
        }
    };
    let room = || async {
        if written.get() {
            return Room::Enough;
        }
        taking.goes_on().await;
        Room::More
    };
    let mut silence = Silence::of(IDLE);
    let mut asks = asks_after(NEARLY);
    let mut waiting = Waiting::new();
    let turn = turn(&mut asks, &mut waiting, true, room, &mut silence);
    assert_eq!(tokio::join!(turn, writes, reads).0, Turn::Message(Some("question")));
}
