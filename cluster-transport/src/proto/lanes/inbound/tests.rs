use bytes::Bytes;

use super::*;

const LANE: Lane = Lane::Events;
/// The bytes of each message, its length included.
const EACH: usize = 5;

fn begun() -> Inbound {
    let mut inbound = Inbound::new(&LaneSettings::default());
    inbound.begin(SessionId(1));
    inbound.start(LaneStart { session: SessionId(1), lane: LANE, first: 0 }).unwrap();
    inbound
}

/// Messages come that have the numbers from `first` to below `end`.
fn segment(inbound: &mut Inbound, first: u64, end: u64) {
    let count = u32::try_from(end - first).unwrap();
    let packed = Bytes::from(b"\0\x03abc".repeat(count as usize));
    let taken = inbound.segment(Segment { lane: LANE, first, count, packed }).unwrap();
    assert!(matches!(taken, Taken::Batch(batch) if batch.end() == end));
}

fn lagged(inbound: &mut Inbound, from: u64, to: u64) {
    let lagged = Lagged { lane: LANE, from, to, messages: to - from };
    assert_eq!(inbound.lagged(&lagged), Ok(Some(to - from)));
}

#[test]
fn a_segment_before_numbers_that_never_come_leaves_the_window_once_it_was_taken() {
    let mut inbound = begun();
    segment(&mut inbound, 0, 2);
    lagged(&mut inbound, 2, 5);
    segment(&mut inbound, 5, 6);
    // One gap is remembered: the first one counts from here on with the segment after it.
    lagged(&mut inbound, 6, 8);
    inbound.done(LANE, 2);
    assert_eq!(inbound.lane_mut(LANE).settle(), Some((2, false)));
    assert_eq!(inbound.lane(LANE).unacknowledged.bytes(), EACH);
    inbound.done(LANE, 6);
    assert_eq!(inbound.lane_mut(LANE).settle(), Some((8, false)));
    assert_eq!(inbound.lane(LANE).unacknowledged.bytes(), 0);
}
