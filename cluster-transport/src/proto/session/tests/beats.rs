//! What a pair costs that only beats.

use super::*;

/// Both ends have sent a beat, and b has not answered a's last one yet.
fn beating() -> Pair {
    let mut pair = Pair::new(&settings());
    pair.settle();
    for _ in 0..3 {
        pair.a.send(Lane::Control, b"beat of a");
        pair.settle();
        pair.b.send(Lane::Control, b"beat of b");
        pair.settle();
    }
    pair.a.send(Lane::Control, b"beat of a");
    pair.settle();
    pair
}

#[test]
fn a_beat_and_the_acknowledgement_of_the_peers_beat_are_one_piece() {
    let mut pair = beating();
    pair.b.send(Lane::Control, b"beat of b");
    let piece = {
        let mut pieces = pair.b.written(usize::MAX);
        assert_eq!(pieces.len(), 1, "{pieces:?}");
        pieces.pop_front().unwrap()
    };
    let packed = Bytes::from_static(b"\0\x09beat of b");
    let frames = [
        Frame::Segment(Segment { lane: Lane::Control, first: 3, count: 1, packed }),
        Frame::Acknowledge(Acknowledge { lane: Lane::Control, next: 4 }),
    ];
    assert_eq!(piece, frames.map(|frame| frame.encode()).concat());
    assert_eq!(pair.b.written(usize::MAX), [] as [Bytes; 0]);
}

#[test]
fn control_messages_of_one_turn_share_a_segment_whatever_their_lengths() {
    let mut pair = beating();
    for len in [0, 5, 700, 1_024, 30] {
        pair.b.send(Lane::Control, &vec![7; len]);
    }
    let pieces = pair.b.written(usize::MAX);
    assert_eq!(pieces.len(), 1, "{pieces:?}");
    pair.a.received.clear();
    pieces.iter().for_each(|piece| pair.a.wire.extend_from_slice(piece));
    pair.a.read(pair.now);
    let lengths: Vec<_> = pair.a.received.iter().map(|(_, message)| message.len()).collect();
    assert_eq!(lengths, [0, 5, 700, 1_024, 30]);
}

#[test]
fn a_beat_with_something_else_to_say_goes_before_it_and_is_acknowledged_behind_it() {
    let mut pair = beating();
    pair.b.send(Lane::Control, b"beat of b");
    pair.b.send(Lane::Events, b"event");
    let frames: Vec<u8> = pair.b.written(usize::MAX).iter().map(|piece| piece[PREFIX]).collect();
    assert_eq!(frames, [frame::kind::SEGMENT, frame::kind::SEGMENT, frame::kind::ACKNOWLEDGE]);
}

#[test]
fn a_pair_at_rest_keeps_no_memory_for_what_it_has_said() {
    let mut pair = beating();
    for lane in [Lane::State, Lane::Events, Lane::Notifications] {
        pair.a.send(lane, &[7; 3_000]);
        pair.a.send(lane, b"short");
    }
    pair.settle();
    let keep = |pair: &Pair| Lane::ALL.map(|lane| pair.a.lanes.outbound(lane).keeps_any());
    assert_eq!(keep(&pair), [false, true, true, false, true]);
    pair.a.lanes.tick(pair.now);
    assert_eq!(keep(&pair), [false; Lane::COUNT]);
    assert!(size_of::<PeerLanes>() < 1_500, "{}", size_of::<PeerLanes>());
    assert!(size_of::<Session>() <= 128, "{}", size_of::<Session>());
}

#[test]
fn what_was_sent_and_not_taken_is_held_though_nothing_is_kept_for_it() {
    let mut pair = beating();
    pair.b.takes = false;
    pair.a.send(Lane::State, b"not taken");
    pair.settle();
    pair.a.lanes.tick(pair.now);
    assert!(pair.a.lanes.held(Lane::State) > 0);
    pair.b.take();
    pair.settle();
    assert_eq!(pair.a.lanes.held(Lane::State), 0);
}
