//! One session of a pair takes the place of another: what the one before may still do.

use super::*;

/// Where the next session would be offered: from then on only its input counts.
fn offer(end: &End) {
    end.lanes.fence(SessionId(99));
}

#[test]
fn what_is_handed_over_is_told_by_the_session_before_until_the_next_one_begins() {
    let mut pair = Pair::new(&settings());
    pair.settle();
    pair.b.takes = false;
    pair.a.send(Lane::Events, b"event");
    pair.settle();
    offer(&pair.b);
    pair.b.take();
    pair.settle();
    assert_eq!(pair.a.lanes.lag(Lane::Events).unacknowledged_bytes, 0);
}

#[test]
fn what_is_handed_over_is_not_told_by_a_session_that_was_replaced() {
    let mut pair = Pair::new(&settings());
    pair.settle();
    let mut old = pair.b.session.take().unwrap();
    pair.connect();
    pair.b.takes = false;
    pair.a.send(Lane::Events, b"event");
    pair.settle();
    pair.b.take();
    let mut out = VecDeque::new();
    old.poll_transmit(&mut out, usize::MAX);
    assert_eq!(out, VecDeque::<Bytes>::new());
    pair.settle();
    assert_eq!(pair.a.lanes.lag(Lane::Events).unacknowledged_bytes, 0, "the new one tells it");
}

#[test]
fn a_leave_does_not_wait_for_a_session_that_is_only_offered() {
    let mut pair = Pair::new(&settings());
    pair.settle();
    pair.a.session.as_mut().unwrap().leave(pair.now);
    offer(&pair.b);
    pair.settle();
    assert_eq!(pair.b.ended, [SessionEnd::PeerLeft]);
}

#[test]
fn a_session_does_not_repeat_as_an_acknowledgement_what_the_position_it_began_with_has_said() {
    let mut pair = Pair::new(&settings());
    pair.settle();
    pair.a.send(Lane::Events, b"event");
    let event = pair.a.written(usize::MAX);
    event.iter().for_each(|piece| pair.b.wire.extend_from_slice(piece));
    pair.b.read(pair.now);
    assert_eq!(pair.b.received, [(Lane::Events, b"event".to_vec())]);
    pair.connect();
    let kinds: Vec<_> = pair.b.written(usize::MAX).iter().map(|frame| frame[PREFIX]).collect();
    assert_eq!(kinds, [frame::kind::LANE_START; Lane::COUNT]);
}
