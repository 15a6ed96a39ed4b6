//! A process that has a certificate of the cluster, or none, and speaks the wire by hand: whatever no member would say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use cluster_core::config::Config;
use cluster_core::engine::wire::encode;
use cluster_transport::link::tcp::connect;
use cluster_transport::link::{Link, LinkReader, LinkWriter};
use cluster_transport::proto::body::{Fingerprint, Go, Hello, Positions, VersionRange};
use cluster_transport::proto::frame::{Decoded, Frame, LaneStart, Segment};
use cluster_transport::proto::wire::{Extensions, List};
use cluster_transport::proto::{Address, Incarnation, Lane, NodeId, PerLane, SessionId};
use cluster_transport::tls::Tls;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use crate::GIVE_UP;

/// How often a member shows that it is there.
const ALIVE: Duration = Duration::from_millis(300);

/// The last frame that a node said of its own accord: why it ended the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Close, with its code and text.
    Closed(u16, String),
    /// Refuse, with its code and text.
    Refused(u16, String),
    /// The link ended without such a word.
    Cut,
}

/// A link to a node on which anything may be said.
pub struct Attacker {
    writer: Arc<Mutex<LinkWriter>>,
    reading: JoinHandle<Verdict>,
    /// A frame that may be skipped, now and then: who is silent is removed.
    _alive: Option<AbortOnDropHandle<()>>,
    session: Option<SessionId>,
    next: PerLane<u64>,
    /// How many frames came.
    pub heard: Arc<AtomicU64>,
}

/// An opening that a node with the default filter seed takes.
pub fn hello(cluster: &str, node: &str) -> Hello {
    let mut fingerprint = [0; 16];
    let seed = Config::builder().build().unwrap().filter_seed();
    fingerprint.iter_mut().zip(Sha256::digest(seed.as_bytes())).for_each(|(to, from)| *to = from);
    Hello {
        versions: VersionRange::OURS,
        cluster: cluster.parse().unwrap(),
        node: node.parse().unwrap(),
        incarnation: Incarnation { epoch: 1, nonce: 1 },
        features: 0,
        addresses: List::truncated([]),
        windows: PerLane::from_fn(|_| 1 << 20),
        settings: Fingerprint(fingerprint),
        replace: None,
    }
}

/// A frame of any kind and body.
pub fn raw(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len() + 1).unwrap().to_be_bytes().to_vec();
    frame.push(kind);
    frame.extend_from_slice(body);
    frame
}

impl Attacker {
    /// Dials, and says nothing yet.
    pub async fn dial(address: &Address, tls: Option<&Tls>) -> Self {
        let link = connect(address, tls, tokio::time::Instant::now() + GIVE_UP).await.unwrap();
        Self::on(link, None)
    }

    fn on(link: Link, session: Option<SessionId>) -> Self {
        let heard = Arc::<AtomicU64>::default();
        let reading = tokio::spawn(read(link.reader, Arc::clone(&heard)));
        let writer = Arc::new(Mutex::new(link.writer));
        let alive = session.map(|_| AbortOnDropHandle::new(tokio::spawn(stay_alive(Arc::clone(&writer)))));
        Self { writer, reading, _alive: alive, session, next: PerLane::default(), heard }
    }

    /// Dials and comes into session as the node of a Hello; each lane begins with number 0, and a greeting was said.
    pub async fn join(address: &Address, tls: Option<&Tls>, hello: Hello) -> Self {
        let mut link = connect(address, tls, tokio::time::Instant::now() + GIVE_UP).await.unwrap();
        link.writer.write_all(&Frame::Hello(hello, Extensions::default()).encode()).await.unwrap();
        link.writer.flush().await.unwrap();
        let welcome = tokio::time::timeout(GIVE_UP, frame(&mut link.reader)).await.unwrap();
        let Some(Frame::Welcome(welcome, _)) = welcome else { panic!("{welcome:?} in place of a Welcome") };
        let mut attacker = Self::on(link, Some(welcome.session));
        let go = Go { session: welcome.session, positions: Positions::default() };
        attacker.frame(Frame::Go(go, Extensions::default())).await;
        for lane in Lane::ALL {
            attacker.frame(Frame::LaneStart(LaneStart { session: welcome.session, lane, first: 0 })).await;
        }
        attacker.say(Lane::Control, &greeting(0)).await;
        attacker
    }

    /// The session that it is in.
    pub fn session(&self) -> SessionId {
        self.session.expect("a session")
    }

    /// Sends these bytes as they are. False if the node does not listen any more.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = async {
            let mut writer = self.writer.lock().await;
            writer.write_all(bytes).await?;
            writer.flush().await
        };
        matches!(tokio::time::timeout(GIVE_UP, sent).await, Ok(Ok(())))
    }

    /// Sends a frame.
    pub async fn frame(&mut self, frame: Frame) -> bool {
        self.send(&frame.encode()).await
    }

    /// The next message of a lane, as a segment of its own.
    pub fn message(&mut self, lane: Lane, message: &[u8]) -> Bytes {
        self.messages(lane, [message])
    }

    /// The next messages of a lane, in one segment.
    pub fn messages<'a>(&mut self, lane: Lane, messages: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
        let (mut packed, mut count) = (BytesMut::new(), 0);
        for message in messages {
            packed.put_u16(u16::try_from(message.len()).unwrap());
            packed.put_slice(message);
            count += 1;
        }
        let first = self.next[lane];
        self.next[lane] += u64::from(count);
        Frame::Segment(Segment { lane, first, count, packed: packed.freeze() }).encode()
    }

    /// Sends a message on a lane. False if the node does not listen any more.
    pub async fn say(&mut self, lane: Lane, message: &[u8]) -> bool {
        let frame = self.message(lane, message);
        self.send(&frame).await
    }

    /// Waits for the node's last word.
    pub async fn verdict(self) -> Verdict {
        // Half of the link stays open: the node must not need our help to end it.
        let _writer = self.writer;
        tokio::time::timeout(GIVE_UP, self.reading).await.expect("the node ends the link").unwrap()
    }

    /// Whether the node still keeps the link.
    pub fn is_open(&self) -> bool {
        !self.reading.is_finished()
    }
}

impl std::fmt::Debug for Attacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attacker").field("session", &self.session).finish_non_exhaustive()
    }
}

async fn stay_alive(writer: Arc<Mutex<LinkWriter>>) {
    loop {
        tokio::time::sleep(ALIVE).await;
        let mut writer = writer.lock().await;
        if writer.write_all(&raw(0xc0, &[])).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}

async fn frame(reader: &mut LinkReader) -> Option<Frame> {
    loop {
        let length = reader.read_u32().await.ok()?;
        let mut frame = vec![0; usize::try_from(length).ok()?];
        reader.read_exact(&mut frame).await.ok()?;
        if let Decoded::Known(frame) = Frame::decode(frame.into()).ok()? {
            return Some(frame);
        }
    }
}

async fn read(mut reader: LinkReader, heard: Arc<AtomicU64>) -> Verdict {
    loop {
        match frame(&mut reader).await {
            Some(Frame::Close(close, _)) => {
                return Verdict::Closed(close.code.0, close.text.as_str().to_owned());
            }
            Some(Frame::Refuse(refuse, _)) => {
                return Verdict::Refused(refuse.code.0, refuse.text.as_str().to_owned());
            }
            Some(_) => heard.fetch_add(1, Ordering::Relaxed),
            None => return Verdict::Cut,
        };
    }
}

/// The first message on the control lane, of a node whose own state is at this version and empty.
pub fn greeting(version: u64) -> Bytes {
    encode(1, &(claims(version, 0), 0_u8))
}

/// What a heartbeat says.
pub fn heartbeat(version: u64, hash: u128) -> Bytes {
    encode(2, &claims(version, hash))
}

fn claims(version: u64, hash: u128) -> (u64, u128, u128, bool) {
    (version, hash, 7, true)
}

/// Members and where they are said to be.
pub fn hints<'a>(hints: impl IntoIterator<Item = (&'a NodeId, String)>) -> Bytes {
    let hints: Vec<_> = hints.into_iter().map(|(node, address)| (node, vec![address])).collect();
    encode(8, &hints)
}

/// The beginning of a pass over the sender's own rooms: what it does not mention is gone.
pub fn begin(start: u64) -> Bytes {
    encode(1, &start)
}

/// A change of the sender's own rooms: numbers of rooms, and how many clients are in each.
pub fn delta(
    (from, to): (u64, u64),
    hash: Option<u128>,
    rooms: impl IntoIterator<Item = (u64, u32)>,
) -> Bytes {
    let entries: Vec<_> =
        rooms.into_iter().map(|(room, count)| (room_id(room), 0_u16, count, b"{}".to_vec())).collect();
    let none: Vec<Vec<u8>> = Vec::new();
    encode(2, &(from, to, hash, vec![("index", "collection")], entries, none))
}

fn room_id(number: u64) -> Vec<u8> {
    [[0xa5; 24].as_slice(), &number.to_be_bytes()].concat()
}

/// A request of the engine, with its deadline.
pub fn request(id: u64, deadline_ms: u32, payload: &[u8]) -> Vec<u8> {
    [&[1], &id.to_be_bytes()[..], &deadline_ms.to_be_bytes(), payload].concat()
}
