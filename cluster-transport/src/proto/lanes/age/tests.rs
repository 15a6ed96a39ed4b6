use super::*;
use crate::proto::lanes::{LaneSettings, Payload, PeerLanes};
use crate::proto::{Lane, SessionId};

const LANE: Lane = Lane::Notifications;
const SESSION: SessionId = SessionId(1);
const SECOND: Duration = Duration::from_secs(1);

/// Lanes on which messages may wait for 10 s, with a tick a second.
struct Ticking {
    lanes: PeerLanes,
    now: Instant,
}

impl Ticking {
    fn new() -> Self {
        let settings = LaneSettings { ring_age: SECOND * 10, ..LaneSettings::default() };
        Self { lanes: PeerLanes::new(&settings), now: Instant::ORIGIN }
    }

    fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.now += SECOND;
            self.lanes.tick(self.now);
        }
    }

    fn push(&self, message: &[u8]) {
        self.lanes.push(LANE, Payload::Copied(message)).unwrap();
    }
}

#[test]
fn what_has_waited_for_too_long_gives_way_and_is_told_once() {
    let mut ticking = Ticking::new();
    ticking.push(b"old");
    ticking.push(b"old too");
    ticking.pass(5);
    ticking.push(b"newer");
    ticking.pass(5);
    assert_eq!(ticking.lanes.take_untold(LANE), 0, "nothing is 10 s old by what the ticks saw");
    ticking.pass(1);
    assert_eq!(ticking.lanes.take_untold(LANE), 2);
    assert_eq!(ticking.lanes.take_untold(LANE), 0);
    assert_eq!(ticking.lanes.lag(LANE).unsent_messages, 3, "two in the mark, and the newer one");
    ticking.pass(5);
    assert_eq!(ticking.lanes.take_untold(LANE), 1);
    assert_eq!(ticking.lanes.lag(LANE).shed, 3);
}

#[test]
fn a_trickle_never_keeps_the_old_ones_alive() {
    let mut ticking = Ticking::new();
    let mut told = 0;
    for _ in 0..60 {
        ticking.push(b"one a second");
        ticking.pass(1);
        told += ticking.lanes.take_untold(LANE);
    }
    assert_eq!(told, 50);
}

#[test]
fn what_is_on_its_way_stays_while_the_session_does() {
    let mut ticking = Ticking::new();
    ticking.lanes.changing(LANE, |outbound| outbound.start(SESSION, 1 << 20, None));
    ticking.push(b"sent");
    assert!(ticking.lanes.outbound(LANE).poll(SESSION).is_some());
    ticking.pass(30);
    assert_eq!(ticking.lanes.take_untold(LANE), 0);
    ticking.lanes.session_ended(SESSION);
    ticking.pass(1);
    assert_eq!(ticking.lanes.take_untold(LANE), 1);
}

#[test]
fn the_age_of_the_oldest_is_known_to_a_second() {
    let mut ticking = Ticking::new();
    ticking.lanes.changing(LANE, |outbound| outbound.start(SESSION, 1 << 20, None));
    assert_eq!(ticking.lanes.lag(LANE).oldest_since, None);
    ticking.push(b"first");
    ticking.pass(1);
    assert!(ticking.lanes.outbound(LANE).poll(SESSION).is_some());
    ticking.pass(2);
    ticking.push(b"second");
    ticking.pass(3);
    assert_eq!(ticking.lanes.lag(LANE).oldest_since, Some(Instant::ORIGIN + SECOND));
    assert!(ticking.lanes.acknowledged(LANE, 1));
    assert_eq!(ticking.lanes.lag(LANE).oldest_since, Some(Instant::ORIGIN + SECOND * 4));
}

#[test]
fn what_is_given_up_goes_at_once_and_is_told_to_nobody() {
    let mut ticking = Ticking::new();
    ticking.push(b"owed to nobody");
    ticking.lanes.give_up();
    ticking.pass(1);
    let lag = ticking.lanes.lag(LANE);
    assert_eq!((lag.unsent_bytes, ticking.lanes.take_untold(LANE)), (0, 0));
}

#[test]
fn blocks_that_a_burst_has_filled_are_given_back_once_it_is_over() {
    const MESSAGES: u64 = 600;
    let mut ticking = Ticking::new();
    ticking.lanes.changing(LANE, |outbound| outbound.start(SESSION, 1 << 20, None));
    (0..MESSAGES).for_each(|_| ticking.push(&[7; 1_000]));
    while ticking.lanes.outbound(LANE).poll(SESSION).is_some() {}
    let kept = |ticking: &Ticking| ticking.lanes.outbound(LANE).kept_blocks();
    ticking.pass(1);
    assert!(ticking.lanes.acknowledged(LANE, MESSAGES));
    assert!(kept(&ticking) > 0, "for the next one");
    ticking.pass(1);
    assert_eq!(kept(&ticking), 0);
}
