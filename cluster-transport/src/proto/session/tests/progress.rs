//! What the application has taken, in whatever order it says so, and what the peer hears of it.

use super::*;

#[test]
fn a_late_completion_never_takes_progress_back() {
    let mut pair = Pair::new(&settings());
    pair.b.takes = false;
    for message in [b"first", b"other"] {
        pair.a.send(Lane::Events, message);
        pair.settle();
    }
    let ends: Vec<_> = pair.b.batches.iter().map(Batch::end).collect();
    assert_eq!(ends, [1, 2]);
    for end in [ends[1], ends[0]] {
        pair.b.lanes.done(Lane::Events, end);
    }
    pair.settle();
    assert_eq!(pair.a.lanes.lag(Lane::Events).unacknowledged_bytes, 0);
}

#[test]
fn what_was_taken_of_an_earlier_pairing_is_no_progress_beyond_what_has_come_since() {
    let mut pair = Pair::new(&settings());
    pair.b.takes = false;
    for _ in 0..10 {
        pair.a.send(Lane::State, b"old");
    }
    pair.settle();
    pair.cut(0);
    pair.a.lanes = Arc::new(PeerLanes::new(&settings()));
    pair.connect();
    pair.a.send(Lane::State, b"new");
    pair.settle();
    pair.b.take();
    pair.settle();
    assert_eq!((&pair.a.ended[1..], &pair.b.ended[1..]), (&[][..], &[][..]));
    assert_eq!(pair.a.lanes.held(Lane::State), 0);
}
