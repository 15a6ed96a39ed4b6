use proptest::prelude::*;

use super::super::body::{CloseCode, Fingerprint, Positions, RefuseCode, VersionRange};
use super::super::wire::{Extension, List, Text};
use super::super::{Incarnation, PerLane};
use super::*;

fn known(frame: &Frame) -> Frame {
    let bytes = frame.encode();
    let length = u32::from_be_bytes(*bytes.first_chunk().unwrap());
    assert_eq!(length as usize, bytes.len() - PREFIX);
    match Frame::decode(bytes.slice(PREFIX..)) {
        Ok(Decoded::Known(frame)) => frame,
        other => panic!("{frame:?} came back as {other:?}"),
    }
}

/// One frame of each kind.
pub(super) fn samples() -> Vec<Frame> {
    let incarnation = Incarnation { epoch: 1_700_000_000_000, nonce: 0x0102_0304_0506_0708 };
    let none = Extensions::default;
    vec![
        Frame::Hello(
            Hello {
                versions: VersionRange::OURS,
                cluster: "kuzzle".parse().unwrap(),
                node: "node-1".parse().unwrap(),
                incarnation,
                features: 0,
                addresses: List::truncated(["tcp://10.0.0.1:7511".parse().unwrap()]),
                windows: PerLane::from_fn(|_| 1 << 20),
                settings: Fingerprint([7; 16]),
                replace: None,
            },
            Extensions::truncated([Extension { tag: 0x1234, value: List::truncated([1, 2]) }]),
        ),
        Frame::Welcome(
            Welcome {
                version: 1,
                node: "node-2".parse().unwrap(),
                incarnation,
                features: 0,
                addresses: List::default(),
                windows: PerLane::from_fn(|_| 1 << 20),
                session: SessionId(9),
                positions: Positions { events: Some(3), notifications: None },
            },
            none(),
        ),
        Frame::Refuse(
            Refuse {
                code: RefuseCode::WRONG_CLUSTER,
                session: None,
                epoch: None,
                address: None,
                node: None,
                text: Text::lossy("this is a"),
            },
            none(),
        ),
        Frame::Go(Go { session: SessionId(9), positions: Positions::default() }, none()),
        Frame::LaneStart(LaneStart { session: SessionId(9), lane: Lane::State, first: 5 }),
        Frame::Segment(Segment {
            lane: Lane::Events,
            first: 5,
            count: 2,
            packed: Bytes::from_static(&[0, 1, b'a', 0, 2, b'b', b'c']),
        }),
        Frame::Fragment(Fragment {
            lane: Lane::Notifications,
            number: 8,
            message: 7,
            total: 9,
            offset: 5,
            part: Bytes::from_static(b"tail"),
        }),
        Frame::Acknowledge(Acknowledge { lane: Lane::Requests, next: 6 }),
        Frame::Lagged(Lagged { lane: Lane::Notifications, from: 1, to: 4, messages: 2 }),
        Frame::Leave(Leave { ends: PerLane::from_fn(|lane| u64::from(lane.number())) }, none()),
        Frame::Close(Close { code: CloseCode::LEFT, text: Text::lossy("bye") }, none()),
    ]
}

#[test]
fn every_kind_of_frame_survives_the_wire() {
    for frame in samples() {
        assert_eq!(known(&frame), frame);
    }
}

#[test]
fn frames_of_a_fixed_length_are_written_into_just_as_much() {
    let fixed = |frame: &Frame| matches!(frame.kind(), kind::LANE_START | kind::ACKNOWLEDGE | kind::LAGGED);
    let lengths: Vec<_> = samples()
        .iter()
        .filter(|frame| fixed(frame))
        .map(|frame| (frame.room(), frame.encode().len()))
        .collect();
    assert_eq!(lengths, [(22, 22), (14, 14), (30, 30)]);
}

#[test]
fn a_segment_hands_out_its_messages_in_order() {
    let Frame::Segment(segment) = samples().remove(5) else { panic!("the sample moved") };
    let messages: Vec<Bytes> = segment.messages().collect();
    assert_eq!(messages, [Bytes::from_static(b"a"), Bytes::from_static(b"bc")]);
}

#[test]
fn an_unknown_kind_is_skipped_only_if_it_says_so() {
    assert_eq!(Frame::decode(Bytes::from_static(&[0xff, 1])), Ok(Decoded::Skipped(0xff)));
    assert_eq!(Frame::decode(Bytes::from_static(&[0x7f, 1])), Err(FrameError::UnknownKind { kind: 0x7f }));
    assert_eq!(Frame::decode(Bytes::new()), Err(FrameError::Empty));
}

#[test]
fn frames_that_do_not_add_up_say_why() {
    let head = segment_head(Lane::Events, 0, 2);
    let miscounted = [&head[..], &[0, 1, b'a']].concat();
    assert_eq!(Frame::decode(miscounted.into()).unwrap_err().to_string(), "a segment of 2 messages holds 1");
    let cut = [&head[..], &[0, 1, b'a', 0, 9, b'b']].concat();
    assert_eq!(
        Frame::decode(cut.into()).unwrap_err().to_string(),
        "the last message of a segment is cut short: 1 more bytes expected, 3 left"
    );
    let none = segment_head(Lane::Events, 0, 0);
    assert!(Frame::decode(Bytes::copy_from_slice(&none)).is_err());
    let lane = Bytes::from_static(&[kind::ACKNOWLEDGE, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(Frame::decode(lane), Err(FrameError::UnknownLane { number: 5 }));
    let beyond = Fragment {
        lane: Lane::Events,
        number: 0,
        message: 0,
        total: 3,
        offset: 0,
        part: Bytes::from_static(b"four"),
    };
    assert_eq!(
        Frame::decode(Frame::Fragment(beyond).encode().slice(PREFIX..)),
        Err(FrameError::Beyond { offset: 0, len: 4, total: 3 })
    );
}

proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused_and_what_decodes_comes_back_equal(bytes: Vec<u8>) {
        if let Ok(Decoded::Known(frame)) = Frame::decode(bytes.into()) {
            prop_assert_eq!(known(&frame), frame);
        }
    }

    #[test]
    fn a_sample_with_one_byte_changed_decodes_equal_or_is_refused(
        which in 0..11_usize, at: prop::sample::Index, byte: u8,
    ) {
        let mut bytes = samples()[which].encode().slice(PREFIX..).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(Decoded::Known(frame)) = Frame::decode(bytes.into()) {
            prop_assert_eq!(known(&frame), frame);
        }
    }
}
