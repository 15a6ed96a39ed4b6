//! What goes first, and that a session goes on from wherever its link broke.

use super::*;
use crate::proto::tunnel::{TunnelFrame, TunnelId};

/// The frames of an output, in order.
pub(super) fn frames(out: impl IntoIterator<Item = Bytes>) -> Vec<Frame> {
    let mut bytes: BytesMut = out.into_iter().flatten().collect();
    let mut frames = Vec::new();
    while let Some(length) = bytes.first_chunk::<PREFIX>().map(|l| u32::from_be_bytes(*l) as usize) {
        bytes.advance(PREFIX);
        match Frame::decode(bytes.split_to(length).freeze()).unwrap() {
            Decoded::Known(frame) => frames.push(frame),
            Decoded::Skipped(kind) => panic!("{kind:#x}"),
        }
    }
    frames
}

/// The lane of a frame that carries messages.
fn lane_of(frame: &Frame) -> Option<Lane> {
    match frame {
        Frame::Segment(segment) => Some(segment.lane),
        Frame::Fragment(fragment) => Some(fragment.lane),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_heartbeat_is_behind_nothing_but_what_is_on_its_way_already(
        turns in prop::collection::vec((1..300_000_usize, any::<bool>()), 1..20),
    ) {
        let mut pair = Pair::new(&settings());
        pair.settle();
        for _ in 0..4 {
            for lane in [Lane::State, Lane::Events, Lane::Notifications] {
                pair.a.send(lane, &vec![7; 1 << 20]);
            }
        }
        for (budget, beats) in turns {
            if beats {
                pair.a.send(Lane::Control, b"heartbeat");
            }
            let out = pair.a.written(budget);
            let first = frames(out.iter().cloned()).iter().find_map(lane_of);
            prop_assert!(!beats || first == Some(Lane::Control), "{:?} goes first", first);
            out.iter().for_each(|piece| pair.b.wire.extend_from_slice(piece));
            pair.b.read(pair.now);
            let back = pair.b.written(usize::MAX);
            back.iter().for_each(|piece| pair.a.wire.extend_from_slice(piece));
            pair.a.read(pair.now);
        }
    }
}

#[test]
fn what_goes_through_a_tunnel_takes_turns_with_the_lanes() {
    let mut pair = Pair::new(&settings());
    pair.settle();
    let session = pair.a.session.as_mut().unwrap();
    for _ in 0..8 {
        session.send_tunnel(TunnelFrame::Data(TunnelId(1), Bytes::from(vec![1; 10_000])));
    }
    for _ in 0..8 {
        pair.a.send(Lane::Notifications, &[2; 60_000]);
    }
    pair.a.send(Lane::Control, b"heartbeat");
    let sent = frames(pair.a.written(usize::MAX));
    let is_tunnel: Vec<bool> = sent.iter().map(|frame| matches!(frame, Frame::Tunnel(_))).collect();
    assert_eq!(sent.first().and_then(lane_of), Some(Lane::Control));
    assert_eq!(is_tunnel[1..].iter().filter(|is_tunnel| **is_tunnel).count(), 8);
    assert!(is_tunnel[1..].windows(2).all(|two| two[0] != two[1]), "{is_tunnel:?}");
}

/// Two nodes that have messages for each other under way; how many bytes that is at most in one direction.
fn under_way() -> (Pair, usize) {
    let mut pair = Pair::new(&settings());
    pair.settle();
    for end in [&pair.a, &pair.b] {
        for i in 0..6_u8 {
            end.send(Lane::Notifications, &[i; 9]);
            end.send(Lane::Events, &[i; 5]);
        }
    }
    (pair, 300)
}

#[test]
fn a_link_that_breaks_at_any_byte_loses_nothing_and_repeats_nothing() {
    let (_, most) = under_way();
    for survives in 0..most {
        let (mut pair, _) = under_way();
        pair.cut(survives);
        pair.connect();
        // It breaks again while the rest is repeated.
        pair.cut(survives / 2);
        pair.connect();
        pair.settle();
        for end in [&pair.a, &pair.b] {
            for (lane, len) in [(Lane::Notifications, 9), (Lane::Events, 5)] {
                let got: Vec<_> = end.received.iter().filter(|(on, _)| *on == lane).collect();
                let expected: Vec<_> = (0..6_u8).map(|i| (lane, vec![i; len])).collect();
                assert!(got.iter().copied().eq(&expected), "cut after {survives} bytes: {got:?}");
            }
            assert_eq!(known_missed(end), 0, "cut after {survives} bytes");
        }
    }
}

#[test]
fn a_link_that_breaks_inside_a_message_in_parts_delivers_it_once() {
    let long: Vec<u8> = (0..150_000_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    for survives in (0..152_000).step_by(1_499) {
        let mut pair = Pair::new(&settings());
        pair.settle();
        pair.a.send(Lane::Notifications, b"before");
        pair.a.send(Lane::Notifications, &long);
        pair.a.send(Lane::Notifications, b"after");
        pair.cut(survives);
        pair.connect();
        pair.settle();
        let got: Vec<_> = pair.b.received.iter().map(|(_, message)| message.as_slice()).collect();
        assert!(got == [b"before", long.as_slice(), b"after"], "cut after {survives} bytes: {}", got.len());
    }
}
