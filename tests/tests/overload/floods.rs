//! Ways to give a node too much to do. Each counts what its clients were told.

use std::ops::Add;
use std::time::Duration;

use cluster_node::client::Client;
use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async, connect_async};

use crate::watch::Node;
use crate::within;

/// How many clients publish or subscribe at once.
const CROWD: usize = 20;
/// How many clients do not read.
const MUTE: usize = 60;
/// What such a client's system takes in for it: as little as it may.
const MUTE_BUFFER: u32 = 8 * 1024;
/// How many subscriptions a client asks for at a time.
const AT_A_TIME: usize = 50;
/// How often a publisher that has nothing to wait for sends.
const TICK: Duration = Duration::from_millis(20);
/// How long the calibration takes.
const CALIBRATION: Duration = Duration::from_secs(1);
/// A message of this size soon fills what a socket takes in for a client that does not read.
const LARGE: usize = 64 * 1024;

/// What clients were told, by the names of the node's bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    clients: u64,
    plain: u64,
    requests: u64,
    rooms: u64,
    /// Closed with 1013 or 1011, or, where the client read too late even for that, with nothing.
    closed: u64,
    offered: u64,
    done: u64,
    seconds: u64,
}

impl Add<&Self> for Told {
    type Output = Self;

    fn add(self, other: &Self) -> Self {
        Self {
            clients: self.clients + other.clients,
            plain: self.plain + other.plain,
            requests: self.requests + other.requests,
            rooms: self.rooms + other.rooms,
            closed: self.closed + other.closed,
            offered: self.offered + other.offered,
            done: self.done + other.done,
            seconds: self.seconds + other.seconds,
        }
    }
}

impl Told {
    /// The node has counted what clients were told, neither more nor less, and something of each.
    pub(crate) fn assert_counted(&self, load: &Value) {
        let met = |bound: &str| load["bounds"][bound].as_u64().unwrap();
        for (bound, told) in [("clients", self.clients), ("requests", self.requests), ("rooms", self.rooms)] {
            assert!(told > 0, "nobody was told of {bound}: {load:#}");
            assert_eq!(met(bound), told, "{bound}: {load:#}");
        }
        // Of those that look at its health one may have been among the idle.
        assert!(met("plainConnections") >= self.plain && self.plain > 0, "{self:?}: {load:#}");
        assert!(self.closed > 0, "no slow client was closed: {load:#}");
        assert_eq!(met("outgoing") + met("outgoingTotal"), self.closed, "{load:#}");
        assert!(load["messagesShed"]["outgoingTotal"].as_u64().unwrap() > 0, "{load:#}");
    }

    /// Messages a second.
    pub(crate) fn rates(&self) -> String {
        format!("{} and {} a second", self.offered / self.seconds, self.done / self.seconds)
    }
}

fn publish(text: &str) -> Value {
    json!({
        "controller": "realtime", "action": "publish", "index": "sea", "collection": "waves",
        "body": { "wave": true, "text": text },
    })
}

fn subscribe(field: &str) -> Value {
    json!({
        "controller": "realtime", "action": "subscribe", "index": "sea", "collection": "waves",
        "body": { "exists": field }, "users": "none",
    })
}

/// How many messages a second a node takes of clients that wait for each answer.
pub(crate) async fn sustainable(node: &Node) -> u64 {
    let until = Instant::now() + CALIBRATION;
    let publishers = (0..CROWD).map(|_| async {
        let mut client = Client::connect(node.address).await.unwrap();
        let mut done = 0_u64;
        while Instant::now() < until {
            client.result_of(publish("calm")).await.unwrap();
            done += 1;
        }
        done
    });
    let done: u64 = within("the calibration", join_all(publishers)).await.into_iter().sum();
    done / CALIBRATION.as_secs()
}

/// Clients that listen and do not read, and one that publishes.
pub(crate) async fn readers(node: &Node, length: Duration) -> Told {
    let mut mute = Vec::new();
    for _ in 0..MUTE {
        mute.push(mute_client(node).await);
    }
    let mut publisher = Client::connect(node.address).await.unwrap();
    let (large, until) = ("x".repeat(LARGE), Instant::now() + length);
    let mut done = 0;
    let shedding = async {
        while Instant::now() < until || !is_shedding(node).await {
            publisher.result_of(publish(&large)).await.unwrap();
            done += 1;
        }
    };
    within_length("the large messages", length, shedding).await;
    let closed = join_all(mute.into_iter().map(is_closed)).await.into_iter().filter(|closed| *closed).count();
    Told { closed: closed as u64, offered: done, done, seconds: length.as_secs(), ..Told::default() }
}

/// Whether both bounds on what waits for clients have been met.
async fn is_shedding(node: &Node) -> bool {
    let met = |status: &Value, bound: &str| status["load"]["bounds"][bound].as_u64().unwrap_or(0) > 0;
    node.status().await.is_some_and(|status| met(&status, "outgoing") && met(&status, "outgoingTotal"))
}

async fn mute_client(node: &Node) -> WebSocketStream<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(MUTE_BUFFER).unwrap();
    let stream = socket.connect(node.address).await.unwrap();
    let (mut socket, _) = client_async(format!("ws://{}/", node.address), stream).await.unwrap();
    socket.send(Message::text(subscribe("wave").to_string())).await.unwrap();
    // The answer, and from then on nothing.
    within("a subscription", socket.next()).await.unwrap().unwrap();
    socket
}

/// Reads at last: whether the client is told to go, before the answer to what it asks now. One that was told long ago may find
/// the connection cut off instead.
async fn is_closed(mut socket: WebSocketStream<TcpStream>) -> bool {
    let now = json!({ "controller": "server", "action": "now", "requestId": "last" });
    let reading = async {
        if socket.send(Message::text(now.to_string())).await.is_err() {
            return true;
        }
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) if text.contains("\"requestId\":\"last\"") => return false,
                Some(Ok(Message::Close(Some(frame)))) => {
                    assert!([1011, 1013].contains(&u16::from(frame.code)), "{frame}");
                    return true;
                }
                None | Some(Err(_) | Ok(Message::Close(None))) => return true,
                Some(Ok(_)) => {}
            }
        }
    };
    within("an answer or an end", reading).await
}

/// Ten times as many clients as may be connected, and as many connections that say nothing.
pub(crate) async fn connections(node: &Node, limit: usize, length: Duration) -> Told {
    let until = Instant::now() + length;
    let each = (10 * limit).div_ceil(CROWD);
    let crowd = (0..CROWD).map(|_| async {
        let (mut connected, mut silent, mut refused, mut tried) = (Vec::new(), Vec::new(), 0_u64, 0_usize);
        let mut plain = 0_u64;
        while tried < each || Instant::now() < until {
            match connect_async(format!("ws://{}/", node.address)).await {
                Ok((socket, _)) => connected.push(socket),
                Err(tungstenite::Error::Http(answer)) if answer.status() == 503 => refused += 1,
                // Before its request was read it was an idle connection as the silent ones are, and gave way to another.
                Err(
                    tungstenite::Error::Protocol(ProtocolError::HandshakeIncomplete)
                    | tungstenite::Error::Io(_),
                ) => plain += 1,
                Err(other) => panic!("neither connected nor refused: {other}"),
            }
            if tried < each {
                silent.push(TcpStream::connect(node.address).await.unwrap());
            }
            tried += 1;
        }
        for stream in &mut silent {
            // Nothing comes to one that is still there.
            plain += u64::from(timeout(Duration::ZERO, stream.read(&mut [0; 1])).await.is_ok());
        }
        Told { clients: refused, plain, ..Told::default() }
    });
    let told = within_length("the clients", length, join_all(crowd)).await;
    told.iter().fold(Told::default(), |all, told| all + told)
}

/// Ten times as many rooms as may be. Who is refused because too many requests are under way asks again.
pub(crate) async fn subscriptions(node: &Node, limit: usize, length: Duration) -> Told {
    let each = (10 * limit).div_ceil(CROWD);
    let crowd = (0..CROWD).map(|client| async move {
        let mut socket = connected(node).await;
        let mut told = Told::default();
        let mut wanted: Vec<usize> = (0..each).collect();
        while !wanted.is_empty() {
            let batch: Vec<usize> = wanted.drain(..wanted.len().min(AT_A_TIME)).collect();
            for number in &batch {
                let mut request = subscribe(&format!("field-{client}-{number}"));
                request["requestId"] = json!(number.to_string());
                socket.feed(Message::text(request.to_string())).await.unwrap();
            }
            socket.flush().await.unwrap();
            for _ in &batch {
                let answer = answer(&mut socket).await;
                match (answer["status"].as_u64(), answer["error"]["id"].as_str()) {
                    (Some(200), None) => told.done += 1,
                    (Some(413), Some("core.realtime.too_many_rooms")) => told.rooms += 1,
                    (Some(503), Some("api.process.overloaded")) => {
                        told.requests += 1;
                        wanted.push(answer["requestId"].as_str().unwrap().parse().unwrap());
                    }
                    _ => panic!("{answer:#}"),
                }
            }
        }
        told
    });
    let told = within_length("the subscriptions", length, join_all(crowd)).await;
    let told = told.iter().fold(Told::default(), |all, told| all + told);
    Told { done: 0, ..told }
}

/// Clients that publish so many messages a second, without waiting for answers.
pub(crate) async fn publications(node: &Node, rate: u64, length: Duration) -> Told {
    let until = Instant::now() + length;
    let a_tick = (rate * u64::try_from(TICK.as_millis()).unwrap()).div_ceil(1_000 * CROWD as u64);
    let crowd = (0..CROWD).map(|_| async move {
        let (mut sink, mut stream) = connected(node).await.split();
        let message = Message::text(publish("storm").to_string());
        let sending = tokio::spawn(async move {
            let (mut sent, mut tick) = (0_u64, Instant::now());
            while tick < until {
                for _ in 0..a_tick {
                    sink.feed(message.clone()).await.unwrap();
                }
                // Where the node does not read, this waits, and what is behind its time is not made up for.
                sink.flush().await.unwrap();
                sent += a_tick;
                tick = (tick + TICK).max(Instant::now());
                sleep_until(tick).await;
            }
            let end = json!({ "controller": "server", "action": "now", "requestId": "last" });
            sink.send(Message::text(end.to_string())).await.unwrap();
            sent
        });
        let mut told = Told::default();
        loop {
            let Some(Ok(Message::Text(text))) = stream.next().await else {
                panic!("a publisher that reads was closed")
            };
            if text.contains("\"requestId\":\"last\"") {
                break;
            }
            match text.contains("\"status\":200") {
                true => told.done += u64::from(Instant::now() < until),
                false => told.requests += 1,
            }
        }
        Told { offered: sending.await.unwrap(), ..told }
    });
    let told = within_length("the publications", length, join_all(crowd)).await;
    let told = told.iter().fold(Told::default(), |all, told| all + told);
    Told { seconds: length.as_secs(), ..told }
}

/// A client, once there is room for it: those of the flood before may only just be going.
async fn connected(node: &Node) -> WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>> {
    let connecting = async {
        loop {
            if let Some(status) = node.status().await
                && status["load"]["clients"].as_u64().is_some_and(|clients| clients < 40)
            {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        connect_async(format!("ws://{}/", node.address)).await.unwrap().0
    };
    within("room for a client", connecting).await
}

async fn answer(socket: &mut WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>) -> Value {
    match within("an answer", socket.next()).await {
        Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
        other => panic!("no answer: {other:?}"),
    }
}

async fn within_length<T>(what: &str, length: Duration, done: impl Future<Output = T>) -> T {
    timeout(length + 2 * cluster_tests::GIVE_UP, done)
        .await
        .unwrap_or_else(|_| panic!("{what} have not ended"))
}
