use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use proptest::prelude::*;

use super::*;
use crate::proto::lanes::LaneSettings;
use crate::proto::{Instant, SessionId};

const RING: usize = 4_096;
const LANE: Lane = Lane::Notifications;
const SESSION: SessionId = SessionId(1);

#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A publisher that waits, and is polled only when it was woken.
#[derive(Debug)]
struct Publisher {
    id: u32,
    len: usize,
    room: RoomFor,
    woken: Arc<Flag>,
}

/// A lane in session, and its publishers.
struct Bench {
    lanes: Arc<PeerLanes>,
    waiting: Vec<Publisher>,
    /// Who got its message in, in order.
    served: Vec<u32>,
    shed: u64,
    next: u32,
}

fn lanes() -> Arc<PeerLanes> {
    let lanes = PeerLanes::new(&LaneSettings { ring: RING, ..LaneSettings::default() });
    lanes.changing(LANE, |outbound| outbound.start(SESSION, 1_024, None));
    Arc::new(lanes)
}

impl Bench {
    fn new() -> Self {
        Self { lanes: lanes(), waiting: Vec::new(), served: Vec::new(), shed: 0, next: 0 }
    }

    /// A publisher comes that waits if it must.
    fn publish(&mut self, len: usize) -> u32 {
        self.next += 1;
        let (id, room) = (self.next, self.lanes.room_for(LANE, len));
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        self.waiting.push(Publisher { id, len, room, woken });
        self.run();
        id
    }

    /// Polls those who were woken, until nobody is.
    fn run(&mut self) {
        while let Some(at) =
            self.waiting.iter().position(|publisher| publisher.woken.0.load(Ordering::Relaxed))
        {
            let publisher = &mut self.waiting[at];
            publisher.woken.0.store(false, Ordering::Relaxed);
            let waker = Waker::from(Arc::clone(&publisher.woken));
            if Pin::new(&mut publisher.room).poll(&mut Context::from_waker(&waker)).is_pending() {
                continue;
            }
            let message = vec![0; publisher.len];
            match publisher.room.push(&[], &Payload::Copied(&message)).unwrap() {
                Some(pushed) => {
                    self.shed += pushed.shed;
                    self.served.push(publisher.id);
                    self.waiting.remove(at);
                }
                None => publisher.woken.0.store(true, Ordering::Relaxed),
            }
        }
    }

    /// The link takes what the window lets out.
    fn send(&self) {
        while self.lanes.outbound(LANE).poll(SESSION).is_some() {}
    }

    /// The peer has taken everything that was sent.
    fn acknowledge(&mut self) {
        let next = self.lanes.outbound(LANE).sent_end();
        assert!(self.lanes.acknowledged(LANE, next));
    }

    /// Nobody is left to wait while there is room for the first one, unless one that was woken has not looked yet.
    fn assert_nobody_sleeps_beside_room(&self) {
        let outbound = self.lanes.outbound(LANE);
        let Some((_, first)) = outbound.rare.as_ref().and_then(|rare| rare.waiters.queue.first_key_value())
        else {
            return;
        };
        let needed = Outbound::cost(first.len).max(RING / WAKE_AT);
        let any_woken = self.waiting.iter().any(|publisher| publisher.woken.0.load(Ordering::Relaxed));
        assert!(
            any_woken || (outbound.held() > 0 && needed > outbound.free()),
            "needed {needed}, free {}",
            outbound.free()
        );
    }
}

#[test]
fn whoever_finds_room_does_not_wait() {
    let mut bench = Bench::new();
    bench.publish(100);
    assert_eq!(bench.served, [1]);
}

#[test]
fn a_lane_that_was_waited_on_keeps_nothing_once_nobody_holds_a_ticket() {
    let mut bench = Bench::new();
    let last = [3_000, 3_000].map(|len| bench.publish(len))[1];
    let tick = |bench: &Bench| bench.lanes.tick(Instant::ORIGIN);
    bench.send();
    bench.acknowledge();
    tick(&bench);
    assert!(bench.lanes.outbound(LANE).keeps_any(), "one that was woken holds a ticket");
    bench.run();
    assert_eq!(bench.served.last(), Some(&last));
    bench.send();
    bench.acknowledge();
    tick(&bench);
    assert!(!bench.lanes.outbound(LANE).keeps_any());
}

#[test]
fn those_who_wait_are_served_in_their_order_and_nobody_new_overtakes_them() {
    let mut bench = Bench::new();
    bench.publish(3_000);
    let (large, small) = (bench.publish(3_000), bench.publish(10));
    assert_eq!(bench.served, [1], "the small one would fit, and stands behind the large one");
    assert_eq!(bench.lanes.push_if_room(LANE, &[], &Payload::Copied(b"new")).unwrap(), None);
    bench.send();
    bench.acknowledge();
    bench.run();
    assert_eq!(bench.served, [1, large, small]);
    assert_eq!(bench.shed, 0);
}

#[test]
fn one_that_goes_away_after_its_wake_gives_the_room_to_the_next() {
    let mut bench = Bench::new();
    bench.publish(4_000);
    let (_, second) = (bench.publish(3_000), bench.publish(3_000));
    bench.send();
    bench.acknowledge();
    assert!(bench.waiting[0].woken.0.load(Ordering::Relaxed), "the first was woken");
    assert!(!bench.waiting[1].woken.0.load(Ordering::Relaxed), "there is no room for both");
    bench.waiting.remove(0);
    bench.run();
    assert_eq!(bench.served, [1, second]);
}

#[test]
fn a_message_longer_than_the_lane_takes_is_refused_without_a_wait() {
    let lanes = lanes();
    lanes.push(LANE, Payload::Copied(&[0; 4_000])).unwrap();
    let long = vec![0; RING + 1];
    assert!(lanes.push_if_room(LANE, &[], &Payload::Copied(&long)).is_err());
    let mut room = lanes.room_for(LANE, long.len());
    assert!(Pin::new(&mut room).poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert!(room.push(&[], &Payload::Copied(&long)).is_err());
}

#[test]
fn a_lane_that_is_given_up_keeps_nobody_waiting() {
    let mut bench = Bench::new();
    bench.publish(4_000);
    let waits = bench.publish(4_000);
    bench.lanes.give_up();
    bench.run();
    assert_eq!(bench.served, [1, waits]);
}

#[test]
fn a_full_lane_that_does_not_shed_has_room_again_when_it_was_sent() {
    let lanes = lanes();
    lanes.changing(Lane::Requests, |outbound| outbound.start(SESSION, u32::MAX, None));
    let large = vec![0; 40 << 20];
    lanes.push(Lane::Requests, Payload::Copied(&large)).unwrap();
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut room = lanes.room_for(Lane::Requests, large.len());
    assert!(Pin::new(&mut room).poll(&mut Context::from_waker(&waker)).is_pending());
    while lanes.changing(Lane::Requests, |outbound| outbound.poll(SESSION)).is_some() {}
    assert!(flag.0.load(Ordering::Relaxed));
    assert!(room.push(&[], &Payload::Copied(&large)).unwrap().is_some());
}

#[test]
fn a_ring_smaller_than_the_window_bounds_what_is_sent() {
    let lanes = lanes();
    lanes.changing(LANE, |outbound| outbound.start(SESSION, 1 << 20, None));
    for _ in 0..100 {
        lanes.push(LANE, Payload::Copied(&[0; 1_000])).unwrap();
        while lanes.outbound(LANE).poll(SESSION).is_some() {}
        let lag = lanes.lag(LANE);
        assert!(lag.unacknowledged_bytes + lag.unsent_bytes <= RING + Outbound::cost(1_000), "{lag:?}");
    }
    assert!(lanes.lag(LANE).shed > 90);
}

#[derive(Clone, Debug)]
enum Step {
    Publish(usize),
    /// A message that does not wait.
    Push(usize),
    Send,
    Acknowledge,
    /// A publisher gives up, woken or not.
    Drop(prop::sample::Index),
    /// Those who were woken look.
    Run,
    /// A new session begins where the peer is.
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![0..200_usize, 500..RING];
    prop_oneof![
        6 => len.clone().prop_map(Step::Publish),
        1 => len.prop_map(Step::Push),
        3 => Just(Step::Send),
        3 => Just(Step::Acknowledge),
        1 => any::<prop::sample::Index>().prop_map(Step::Drop),
        2 => Just(Step::Run),
        1 => Just(Step::Reconnect),
    ]
}

proptest! {
    #[test]
    fn no_wake_is_lost_and_nobody_who_waits_costs_a_message(steps in prop::collection::vec(step(), 0..100)) {
        let mut bench = Bench::new();
        let mut dropped = Vec::new();
        for step in steps {
            match step {
                Step::Publish(len) => {
                    bench.publish(len);
                }
                Step::Push(len) => {
                    bench.lanes.push(LANE, Payload::Copied(&vec![0; len])).unwrap();
                }
                Step::Send => bench.send(),
                Step::Acknowledge => bench.acknowledge(),
                Step::Drop(index) if !bench.waiting.is_empty() => {
                    let at = index.index(bench.waiting.len());
                    dropped.push(bench.waiting.remove(at).id);
                }
                Step::Drop(_) => {}
                Step::Run => bench.run(),
                Step::Reconnect => {
                    let at = bench.lanes.outbound(LANE).sent_end();
                    bench.lanes.changing(LANE, |outbound| outbound.start(SESSION, 1_024, Some(at)));
                }
            }
            bench.assert_nobody_sleeps_beside_room();
        }
        // Every round takes at least one frame off the lane.
        for _ in 0..1_000 {
            bench.send();
            bench.acknowledge();
            bench.run();
        }
        prop_assert!(bench.waiting.is_empty(), "{} wait for ever", bench.waiting.len());
        prop_assert_eq!(bench.shed, 0);
        let mut all: Vec<_> = bench.served.iter().chain(&dropped).copied().collect();
        all.sort_unstable();
        prop_assert!(all.iter().copied().eq(1..=bench.next), "{:?} of {}", all, bench.next);
    }
}
