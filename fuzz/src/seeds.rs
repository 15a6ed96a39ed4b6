//! What the corpora start from: well-formed input of every target, and random operations from a fixed seed.

use std::fs;
use std::io;
use std::path::Path;

use cluster_core::engine::{
    ClusterEvent, ConnectionId, IndexEntry, NotificationKind, RoomId, RoomInfo, State,
};
use cluster_core::engine::{notification, state::StateLimits};
use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::{Incarnation, Lane};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::pair::{Pair, settings};
use crate::trace;

/// How many random inputs a target of operations starts with.
const RANDOM: u64 = 12;
/// The longest of them, in bytes.
const LONGEST: usize = 1_500;

/// Writes the seeds of all targets below a folder, one file each: `corpus/target/seed-number`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(corpus: &Path) -> io::Result<()> {
    for (target, _) in crate::TARGETS {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        for (number, seed) in of(target).into_iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:02}")), seed)?;
        }
    }
    Ok(())
}

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "binding" => texts(&BINDINGS),
        "config" => configurations(),
        "filter" => prefixed(0, &FILTERS),
        "frame" => frames(),
        "kuzzle_request" => [prefixed(0, &REQUESTS), prefixed(1, &REQUESTS)].concat(),
        "message" => messages(),
        "trace" => traces(),
        target => operations(target),
    }
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn prefixed(first: u8, texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| [&[first], text.as_bytes()].concat()).collect()
}

/// A node's trace as a file, and parts of its records.
fn traces() -> Vec<Vec<u8>> {
    let (_, records) = trace::real();
    [vec![trace::whole()], records.chunks(100).map(trace::input_of).collect()].concat()
}

/// Random bytes, others for each target and the same every time.
fn operations(target: &str) -> Vec<Vec<u8>> {
    let salt = target.bytes().fold(0_u64, |salt, byte| salt.wrapping_mul(31).wrapping_add(byte.into()));
    let input = |number| {
        let mut rng = ChaCha8Rng::seed_from_u64(salt.wrapping_add(number));
        let mut bytes = vec![0; rng.random_range(50..LONGEST)];
        rng.fill(&mut bytes[..]);
        bytes
    };
    (0..RANDOM).map(input).collect()
}

/// What a pair really writes: the starts of the lanes, messages, one in parts, acknowledgements, a leave.
fn frames() -> Vec<Vec<u8>> {
    let mut pair = Pair::new(&settings());
    let mut streams = vec![pair.ends[0].written(usize::MAX)];
    for (lane, length) in [(Lane::Control, 9), (Lane::Events, 300), (Lane::Notifications, 9_000)] {
        pair.ends[0].lanes.push(lane, Payload::Shared(vec![1; length].into())).unwrap();
        streams.push(pair.ends[0].written(usize::MAX));
    }
    pair.ends[1].ask(pair.now, std::time::Duration::from_secs(1), b"question");
    streams.push(pair.ends[1].written(usize::MAX));
    if let Some(session) = &mut pair.ends[0].session {
        session.leave(pair.now);
    }
    streams.push(pair.ends[0].written(usize::MAX));
    let head = [0, 1, 2, 3, 250, 5, 6, 7, 8];
    streams.into_iter().map(|stream| [&head[..], &stream].concat()).collect()
}

/// One of each kind, behind the number of its lane.
fn messages() -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = CONTROL.iter().map(|message| [&[0], *message].concat()).collect();
    messages.extend(states().into_iter().map(|message| [vec![1], message].concat()));
    let entry = IndexEntry { index: "i".into(), collection: Some("c".into()), scope: "public".into() };
    let events = [
        ClusterEvent::IndexCacheAdded(entry),
        ClusterEvent::ProfileInvalidated { id: "admin".into() },
        ClusterEvent::ValidatorsChanged,
        ClusterEvent::Custom { name: "mine".into(), payload: vec![0, 255] },
    ];
    messages.extend(events.iter().map(|event| [&[2], &event.encode()[..]].concat()));
    let head = notification::head(NotificationKind::Document, &[RoomId::new([3; 32])]);
    messages.push([&[3], &head[..], b"payload"].concat());
    messages
}

/// What an owner sends a member that has nothing.
fn states() -> Vec<Vec<u8>> {
    let incarnation = Incarnation { epoch: 1, nonce: 1 };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut owner = State::new("owner".parse().unwrap(), incarnation, StateLimits::default(), &mut rng);
    for number in 0..3 {
        let id = RoomId::new([number; 32]);
        let room = RoomInfo::new(id, "index", "collection", format!("{{\"n\":{number}}}")).unwrap();
        owner.subscribe(ConnectionId(number.into()), &room).unwrap();
    }
    let member = "member".parse().unwrap();
    owner.handle_peer_up(&member, incarnation);
    owner.handle_position(&member, owner.position_of(&member));
    std::iter::from_fn(|| owner.poll_state(&member, 4_096)).map(|message| message.to_vec()).collect()
}

fn configurations() -> Vec<Vec<u8>> {
    let files = [
        include_str!("../../docs/config.sample.jsonc"),
        include_str!("../../cluster-core/src/config/tests/kuzzlerc.json"),
        r#"{"plugins":{"cluster":{"minimumNodes":2,"seeds":["tcp://b:7511"],"timers":{"heartbeat":500}}}}"#,
    ];
    let assignments = [
        "plugins.cluster.minimumNodes=3\nplugins.cluster.bind=tcp://127.0.0.1:0",
        "plugins.cluster.nodeId=node-a\nserver.port=7512\nplugins.cluster.adminToken=secret",
        "plugins.cluster.timers.joinAttemptIntervall=2000",
    ];
    [prefixed(1, &files), prefixed(0, &assignments)].concat()
}

const BINDINGS: [&str; 12] = [
    "tcp://[_site_:ipv4]:7511",
    "tcp://[eth0:ipv6]:7510",
    "tcp://[0.0.0.0]:7511",
    "tcp://[fe80::1%eth0]:1",
    "quic://[::1:ipv6]:0",
    "tcp://node-b.example:7511",
    "127.0.0.1:65535",
    "*:7511",
    "_site_",
    "quic://10.0.0.1:7511",
    "tcp://[::1]:7511",
    "node",
];

const CONTROL: [&[u8]; 10] = [
    &[1, 1, 2, 3, 1, 0],
    &[1, 1, 2, 3, 0, 1, 4, 5, 6],
    &[2, 1, 2, 3, 1],
    &[3, 200, 1],
    &[4, 7],
    &[5, 7, 9],
    &[6, 3, 1, b'b', 1, 1],
    &[7, 3, 1, b'b', 1, 1, 1, 44],
    &[8, 1, 1, b'b', 1, 9, b't', b'c', b'p', b':', b'/', b'/', b'b', b':', b'1'],
    &[10, 1, 1, b'b', 1, 1, 5, 6],
];

const FILTERS: [&str; 8] = [
    r#"[{},{"a":1}]"#,
    r#"[{"equals":{"a":1}},{"a":1},{"a":2},{}]"#,
    r#"[{"in":{"a.b":["x","y"]}},{"a":{"b":"x"}},{"a.b":"y"}]"#,
    r#"[{"range":{"a":{"gte":1,"lt":2.5}}},{"a":1},{"a":2.5},{"a":"1"}]"#,
    r#"[{"not":{"exists":"a"}},{"a":null},{}]"#,
    r#"[{"and":[{"exists":{"field":"tags[\"x\"]"}},{"missing":"b"}]},{"tags":["x"]}]"#,
    r#"[{"or":[{"ids":{"values":["id"]}},{"equals":{"a":true}}]},{"a":true},{}]"#,
    r#"[{"and":[{"or":[{"equals":{"a":1}},{"equals":{"b":2}}]},{"not":{"equals":{"c":3}}}]},{"a":1,"c":3}]"#,
];

const REQUESTS: [&str; 8] = [
    r#"{"p":1}"#,
    r#"{"controller":"server","action":"now","requestId":"1"}"#,
    r#"{"controller":"auth","action":"checkToken","body":{"token":null},"requestId":"2"}"#,
    r#"{"controller":"realtime","action":"subscribe","index":"i","collection":"c","body":{"equals":{"a":1}},"scope":"in","users":"all","state":"done","requestId":"3","volatile":{"a":1}}"#,
    r#"{"controller":"realtime","action":"publish","index":"i","collection":"c","body":{"a":1},"requestId":"4"}"#,
    r#"{"controller":"realtime","action":"count","body":{"roomId":"00"},"requestId":"5"}"#,
    r#"{"controller":"realtime","action":"list","requestId":"6"}"#,
    r#"{"controller":5,"requestId":"7"}"#,
];
