//! The examples in docs/PROTOCOL.md are the bytes of version 1: what stands there decodes to these values and back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod examples;
mod golden;
mod requests;
mod tunnels;

use bytes::Bytes;
use cluster_transport::proto::body::{
    Close, CloseCode, Fingerprint, Go, Hello, Leave, Positions, Refuse, RefuseCode, VersionRange, Welcome,
};
use cluster_transport::proto::frame::{
    Acknowledge, Decoded, Fragment, Frame, FrameError, Lagged, LaneStart, PREFIX, Segment,
};
use cluster_transport::proto::wire::{Extension, Extensions, List, Text, WireError};
use cluster_transport::proto::{Incarnation, Lane, PerLane, SessionId};

use examples::examples;

const PROTOCOL: &str = include_str!("../../../docs/PROTOCOL.md");
const SESSION: SessionId = SessionId(0x0011_2233_4455_6677);

fn hello() -> Frame {
    let hello = Hello {
        versions: VersionRange { min: 1, max: 1 },
        cluster: "kuzzle".parse().unwrap(),
        node: "node-1".parse().unwrap(),
        incarnation: Incarnation { epoch: 1_700_000_000_000, nonce: 42 },
        features: 0,
        addresses: List::truncated(["tcp://10.0.0.1:7511".parse().unwrap()]),
        windows: windows(),
        settings: Fingerprint([0xab; 16]),
        replace: Some(SessionId(300)),
    };
    Frame::Hello(hello, Extensions::truncated([Extension { tag: 0x1234, value: List::truncated([1, 2]) }]))
}

fn windows() -> PerLane<u32> {
    let mut windows = PerLane::from_fn(|_| 1 << 20);
    windows[Lane::Requests] = 4 << 20;
    windows[Lane::Notifications] = 4 << 20;
    windows
}

fn handshake() -> Vec<(&'static str, Frame)> {
    let none = Extensions::default;
    let welcome = Welcome {
        version: 1,
        node: "node-2".parse().unwrap(),
        incarnation: Incarnation { epoch: 1_700_000_000_001, nonce: 7 },
        features: 0,
        addresses: List::truncated(["tcp://[::1]:7511".parse().unwrap()]),
        windows: windows(),
        session: SESSION,
        positions: Positions { events: Some(300), notifications: None },
    };
    let refuse = Refuse {
        code: RefuseCode::DUPLICATE_ID,
        session: None,
        epoch: Some(9),
        address: Some("tcp://10.0.0.3:7511".parse().unwrap()),
        node: Some("node-2".parse().unwrap()),
        text: Text::lossy("gone"),
    };
    let go = Go { session: SESSION, positions: Positions { events: None, notifications: Some(5) } };
    vec![
        ("Hello", hello()),
        ("Welcome", Frame::Welcome(welcome, none())),
        ("Refuse", Frame::Refuse(refuse, none())),
        ("Go", Frame::Go(go, none())),
    ]
}

fn open_session() -> Vec<(&'static str, Frame)> {
    let none = Extensions::default;
    let mut ends = PerLane::from_fn(|_| 0);
    (ends[Lane::Control], ends[Lane::Notifications]) = (300, 5);
    vec![
        ("LaneStart", Frame::LaneStart(LaneStart { session: SESSION, lane: Lane::State, first: 5 })),
        (
            "Segment",
            Frame::Segment(Segment {
                lane: Lane::Events,
                first: 5,
                count: 2,
                packed: Bytes::from_static(&[0, 1, b'a', 0, 2, b'b', b'c']),
            }),
        ),
        (
            "Fragment",
            Frame::Fragment(Fragment {
                lane: Lane::Notifications,
                number: 8,
                message: 7,
                total: 70_000,
                offset: 69_996,
                part: Bytes::from_static(b"tail"),
            }),
        ),
        ("Acknowledge", Frame::Acknowledge(Acknowledge { lane: Lane::Notifications, next: 9 })),
        ("Lagged", Frame::Lagged(Lagged { lane: Lane::Notifications, from: 9, to: 12, messages: 2 })),
        ("Leave", Frame::Leave(Leave { ends }, none())),
        ("Close", Frame::Close(Close { code: CloseCode::LEFT, text: Text::lossy("bye") }, none())),
    ]
}

/// A documented frame, without its length, which has been checked.
fn body(bytes: &[u8]) -> Bytes {
    let (length, frame) = bytes.split_first_chunk::<PREFIX>().unwrap();
    assert_eq!(u32::from_be_bytes(*length) as usize, frame.len());
    Bytes::copy_from_slice(frame)
}

#[test]
fn the_frames_are_those_of_the_document() {
    let documented = examples(PROTOCOL, "Frames");
    let frames: Vec<_> = handshake().into_iter().chain(open_session()).collect();
    for (name, frame) in &frames {
        let bytes = documented.get(*name).unwrap_or_else(|| panic!("{name} is not documented"));
        assert_eq!(Frame::decode(body(bytes)), Ok(Decoded::Known(frame.clone())), "{name}");
        assert_eq!(*frame.encode(), bytes[..], "{name}: {:02x?}", &frame.encode()[..]);
    }
    assert_eq!(documented.len(), frames.len(), "an example without a test: {:?}", documented.keys());
}

#[test]
fn what_is_not_known_is_skipped_or_refused_as_documented() {
    let documented = examples(PROTOCOL, "Frames that are not known");
    let decoded = |name: &str| Frame::decode(body(&documented[name]));
    assert_eq!(decoded("Skippable"), Ok(Decoded::Skipped(0x81)));
    assert_eq!(decoded("Required"), Err(FrameError::UnknownKind { kind: 0x41 }));
    let extension = WireError::Extension { what: "Close", tag: 0x8001 };
    assert_eq!(decoded("Required extension"), Err(FrameError::Body(extension)));
    assert_eq!(
        decoded("Trailing byte"),
        Err(FrameError::Body(WireError::Trailing { what: "Close", left: 1 }))
    );
    assert_eq!(documented.len(), 4);
}
