use std::collections::VecDeque;

use bytes::{Buf, BytesMut};
use proptest::prelude::*;

use super::super::body::{Go, Refuse, RefuseCode};
use super::super::frame::{self, PREFIX, SKIPPABLE};
use super::super::lanes::{LaneSettings, Pushed};
use super::super::requests::{Begun, FailureCode, Outcome, RequestEvent};
use super::*;

mod asking;
mod beats;
mod endings;
mod handover;
mod marks;
mod priority;
mod progress;
mod streams;

/// One node's end of a pair, whose lanes outlive its sessions.
struct End {
    lanes: Arc<PeerLanes>,
    session: Option<Session>,
    wire: BytesMut,
    batches: Vec<Batch>,
    received: Vec<(Lane, Vec<u8>)>,
    lagged: Vec<(Lane, Direction, Missed)>,
    requests: Vec<RequestEvent>,
    ended: Vec<SessionEnd>,
    /// Whether batches are taken as they come.
    takes: bool,
}

impl End {
    fn new(settings: &LaneSettings) -> Self {
        Self {
            lanes: Arc::new(PeerLanes::new(settings)),
            session: None,
            wire: BytesMut::new(),
            batches: Vec::new(),
            received: Vec::new(),
            lagged: Vec::new(),
            requests: Vec::new(),
            ended: Vec::new(),
            takes: true,
        }
    }

    fn send(&self, lane: Lane, message: &[u8]) -> Pushed {
        self.lanes.push(lane, Payload::Copied(message)).unwrap()
    }

    /// Reads what has arrived in whole frames, and does with it what an application does.
    fn read(&mut self, now: Instant) {
        let Some(session) = &mut self.session else { return };
        while let Some(length) = self.wire.first_chunk::<PREFIX>().map(|l| u32::from_be_bytes(*l) as usize) {
            if self.wire.len() < PREFIX + length {
                break;
            }
            self.wire.advance(PREFIX);
            session.handle_frame(now, self.wire.split_to(length).freeze());
        }
        while let Some(event) = session.poll_event() {
            match event {
                SessionEvent::Batch(batch) => self.batches.push(batch),
                SessionEvent::Lagged { lane, direction, missed } => {
                    self.lagged.push((lane, direction, missed))
                }
                SessionEvent::Request(event) => self.requests.push(event),
                SessionEvent::Tunnel(frame) => panic!("nobody asked for {frame:?}"),
                SessionEvent::Ended(end) => self.ended.push(end),
            }
        }
        if self.takes {
            self.take();
        }
    }

    fn take(&mut self) {
        for batch in self.batches.drain(..) {
            self.received.extend(batch.iter().map(|message| (batch.lane(), message.to_vec())));
            self.lanes.done(batch.lane(), batch.end());
        }
    }

    fn written(&mut self, budget: usize) -> VecDeque<Bytes> {
        let mut out = VecDeque::new();
        if let Some(session) = &mut self.session {
            session.poll_transmit(&mut out, budget);
        }
        out
    }
}

struct Pair {
    now: Instant,
    a: End,
    b: End,
    sessions: u64,
}

impl Pair {
    fn new(settings: &LaneSettings) -> Self {
        let mut pair =
            Self { now: Instant::ORIGIN, a: End::new(settings), b: End::new(settings), sessions: 0 };
        pair.connect();
        pair
    }

    /// Does what a handshake does: both sides state their positions, then both begin.
    fn connect(&mut self) {
        self.sessions += 1;
        let session = SessionId(self.sessions);
        let (at_a, at_b) = (self.a.lanes.positions(), self.b.lanes.positions());
        for (end, peer, peer_positions, we_dialled) in
            [(&mut self.a, "b", at_b, true), (&mut self.b, "a", at_a, false)]
        {
            end.wire.clear();
            end.session = Some(Session::new(SessionStart {
                session,
                peer: peer.parse().unwrap(),
                incarnation: Incarnation { epoch: 1, nonce: 1 },
                version: 1,
                we_dialled,
                peer_windows: end.lanes.settings().windows,
                peer_positions,
                lanes: Arc::clone(&end.lanes),
            }));
        }
    }

    /// The link breaks after `survives` of the bytes that are on their way in each direction.
    fn cut(&mut self, survives: usize) {
        let joined = |end: &mut End| {
            let mut bytes = end.written(usize::MAX).into_iter().flatten().collect::<BytesMut>();
            bytes.truncate(survives);
            bytes
        };
        let (from_a, from_b) = (joined(&mut self.a), joined(&mut self.b));
        self.b.wire.extend_from_slice(&from_a);
        self.a.wire.extend_from_slice(&from_b);
        for end in [&mut self.a, &mut self.b] {
            end.read(self.now);
            if let Some(session) = &mut end.session {
                session.handle_link_lost("cut");
            }
            end.read(self.now);
            end.session = None;
        }
    }

    /// Carries about so many bytes in each direction.
    fn exchange(&mut self, bytes: usize) {
        let (from_a, from_b) = (self.a.written(bytes), self.b.written(bytes));
        from_a.iter().for_each(|chunk| self.b.wire.extend_from_slice(chunk));
        from_b.iter().for_each(|chunk| self.a.wire.extend_from_slice(chunk));
        self.a.read(self.now);
        self.b.read(self.now);
    }

    fn settle(&mut self) {
        for _ in 0..100_000 {
            let (from_a, from_b) = (self.a.written(1 << 16), self.b.written(1 << 16));
            if from_a.is_empty() && from_b.is_empty() {
                return;
            }
            from_a.iter().for_each(|chunk| self.b.wire.extend_from_slice(chunk));
            from_b.iter().for_each(|chunk| self.a.wire.extend_from_slice(chunk));
            self.a.read(self.now);
            self.b.read(self.now);
        }
        panic!("the pair never falls silent");
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        for end in [&mut self.a, &mut self.b] {
            if let Some(session) = &mut end.session {
                session.handle_timeout(self.now);
            }
            end.read(self.now);
        }
    }
}

fn first_contact() -> Vec<(Lane, Direction, Missed)> {
    [Lane::Events, Lane::Notifications].map(|lane| (lane, Direction::Inbound, Missed::Unknown)).to_vec()
}

fn settings() -> LaneSettings {
    LaneSettings::default()
}

/// Something of the first one's control lane is not acknowledged.
fn pair_with_a_small_control_window() -> Pair {
    let mut settings = LaneSettings::default();
    settings.windows[Lane::Control] = 4_000;
    let mut pair = Pair::new(&settings);
    pair.settle();
    pair.a.send(Lane::Control, &[1; 100]);
    pair.settle();
    pair
}

#[test]
fn an_idle_pair_says_nothing_to_acknowledge_the_control_lane_before_it_has_something_else_to_say() {
    let mut pair = pair_with_a_small_control_window();
    assert!(pair.a.lanes.lag(Lane::Control).unacknowledged_bytes > 100);
    assert_eq!(pair.b.written(usize::MAX), [] as [Bytes; 0]);
    pair.b.send(Lane::Control, &[2; 100]);
    pair.settle();
    assert_eq!(pair.a.lanes.lag(Lane::Control).unacknowledged_bytes, 0, "it came with b's message");
    for _ in 0..100 {
        pair.a.send(Lane::Control, &[1; 200]);
        pair.settle();
        let lag = pair.a.lanes.lag(Lane::Control);
        assert!(lag.unacknowledged_bytes < 1_500 && lag.unsent_bytes == 0, "{lag:?}");
    }
}

#[test]
fn many_small_control_messages_of_one_turn_get_through_a_small_window() {
    let mut pair = pair_with_a_small_control_window();
    for _ in 0..60 {
        pair.a.send(Lane::Control, &[2; 100]);
    }
    pair.settle();
    assert_eq!(pair.a.lanes.lag(Lane::Control).unsent_bytes, 0, "nothing is said by the other side");
}

#[test]
fn messages_arrive_once_and_in_order_on_every_lane() {
    let mut pair = Pair::new(&settings());
    let sent: Vec<_> =
        (0..500_u16).map(|i| (Lane::ALL[usize::from(i % 5)], i.to_be_bytes().to_vec())).collect();
    let sent: Vec<_> = sent.into_iter().filter(|(lane, _)| *lane != Lane::Requests).collect();
    for (lane, message) in &sent {
        pair.a.send(*lane, message);
    }
    pair.settle();
    for lane in Lane::ALL {
        let on =
            |all: &[(Lane, Vec<u8>)]| all.iter().filter(|(l, _)| *l == lane).cloned().collect::<Vec<_>>();
        assert_eq!(on(&pair.b.received), on(&sent), "{lane}");
    }
    assert_eq!(pair.b.lagged, first_contact());
}

#[test]
fn a_push_asks_for_a_wake_only_when_the_link_was_idle() {
    let mut pair = Pair::new(&settings());
    pair.settle();
    assert!(pair.a.send(Lane::Events, b"1").wake);
    assert!(!pair.a.send(Lane::Events, b"2").wake);
    pair.settle();
    assert!(pair.a.send(Lane::Events, b"3").wake);
}

#[test]
fn a_message_longer_than_the_window_arrives_in_parts() {
    let mut pair = Pair::new(&settings());
    let long: Vec<u8> = (0..5_u32 << 20).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let before = pair.a.send(Lane::Notifications, b"before");
    pair.a.lanes.push(Lane::Notifications, Payload::Shared(long.clone().into())).unwrap();
    pair.a.send(Lane::Notifications, b"after");
    pair.settle();
    assert_eq!(before.shed, 0);
    let received: Vec<_> = pair.b.received.iter().map(|(_, message)| message.as_slice()).collect();
    assert_eq!(received, [b"before".as_slice(), &long, b"after"]);
}

#[test]
fn messages_of_every_length_around_the_limits_arrive() {
    let mut pair = Pair::new(&settings());
    let lengths = [0, 1, 1023, 1024, 1025, 65_000, 65_519, 65_520, 65_521, 65_535, 65_536, 131_072];
    for length in lengths {
        pair.a.lanes.push(Lane::Events, Payload::Shared(vec![7; length].into())).unwrap();
    }
    pair.settle();
    let received: Vec<_> = pair.b.received.iter().map(|(_, message)| message.len()).collect();
    assert_eq!(received, lengths);
    assert_eq!(pair.b.ended, []);
}

#[test]
fn the_sender_stops_at_the_window_and_goes_on_when_batches_are_taken() {
    let mut pair = Pair::new(&settings());
    pair.b.takes = false;
    for _ in 0..3_000 {
        pair.a.send(Lane::Notifications, &[1; 1000]);
    }
    for _ in 0..3_000 {
        pair.a.send(Lane::Notifications, &[2; 1000]);
    }
    pair.settle();
    let held: usize = pair.b.batches.iter().map(Batch::bytes).sum();
    let lag = pair.a.lanes.lag(Lane::Notifications);
    assert!(held <= 4 << 20, "{held} bytes were sent into a window of 4 MiB");
    assert!(lag.unacknowledged_bytes <= 4 << 20 && lag.unsent_bytes > 1 << 20, "{lag:?}");
    pair.b.takes = true;
    pair.b.take();
    pair.settle();
    assert_eq!(pair.b.received.len(), 6_000);
    assert_eq!(pair.a.lanes.lag(Lane::Notifications).unacknowledged_bytes, 0);
}

#[test]
fn what_the_ring_cannot_hold_is_announced_in_its_place_and_counted_at_both_ends() {
    let mut settings = settings();
    settings.ring = 256 << 10;
    settings.windows = PerLane::from_fn(|_| 64 << 10);
    let mut pair = Pair::new(&settings);
    pair.b.takes = false;
    let mut shed = 0;
    for i in 0..2_000_u32 {
        shed += pair.a.send(Lane::Events, &[&i.to_be_bytes()[..], &[0; 996]].concat()).shed;
        if i == 10 {
            pair.settle();
        }
    }
    pair.b.takes = true;
    pair.settle();
    assert!(shed > 0);
    assert_eq!(pair.a.lanes.lag(Lane::Events).shed, shed);
    let announced: u64 = known_missed(&pair.b);
    assert_eq!(announced, shed);
    assert_eq!(pair.b.received.len() as u64 + announced, 2_000);
    let last = &pair.b.received.last().unwrap().1;
    assert_eq!(last[..4], 1_999_u32.to_be_bytes(), "the newest message is never what gives way");
}

fn known_missed(end: &End) -> u64 {
    let known = end.lagged.iter().filter_map(|(_, _, missed)| match missed {
        Missed::Known(n) => Some(*n),
        Missed::Unknown => None,
    });
    known.sum()
}

#[test]
fn what_gives_way_again_and_again_is_announced_every_time() {
    let mut settings = settings();
    settings.ring = 256 << 10;
    settings.windows = PerLane::from_fn(|_| 64 << 10);
    let mut pair = Pair::new(&settings);
    pair.settle();
    let mut shed = 0;
    for i in 0..20_000_u32 {
        shed += pair.a.send(Lane::Events, &[&i.to_be_bytes()[..], &[0; 96]].concat()).shed;
        if i % 997 == 0 {
            pair.exchange(32 << 10);
        }
    }
    pair.settle();
    assert!(shed > 1_000, "{shed}");
    assert_eq!(known_missed(&pair.b), shed);
    assert_eq!(pair.b.received.len() as u64 + shed, 20_000);
}

#[test]
fn a_message_in_parts_gives_way_as_a_whole() {
    let mut settings = settings();
    settings.ring = 1 << 20;
    let mut pair = Pair::new(&settings);
    pair.b.takes = false;
    for _ in 0..8 {
        pair.a.lanes.push(Lane::Events, Payload::Shared(vec![9; 300 << 10].into())).unwrap();
    }
    pair.b.takes = true;
    pair.settle();
    assert_eq!(pair.b.ended, []);
    assert_eq!(pair.b.received.len() as u64 + known_missed(&pair.b), 8);
    assert!(pair.b.received.iter().all(|(_, message)| message.len() == 300 << 10));
}

#[test]
fn a_lane_that_does_not_shed_refuses() {
    let mut settings = settings();
    settings.max_message = 100_000;
    let pair = Pair::new(&settings);
    let push = |len: usize| pair.a.lanes.push(Lane::State, Payload::Shared(vec![0; len].into()));
    assert_eq!(
        push(100_001).unwrap_err().to_string(),
        "a message of 100001 bytes is over the limit of 100000 on the state lane"
    );
    assert!(push(60_000).is_ok());
    assert_eq!(
        push(60_000).unwrap_err().to_string(),
        "the state lane holds 60020 unsent bytes, the limit is 100000: try again when the peer has caught up"
    );
}

#[test]
fn a_session_of_the_same_pair_goes_on_where_the_last_one_ended() {
    let mut pair = Pair::new(&settings());
    pair.settle();
    pair.b.lagged.clear();
    for i in 0..100_u8 {
        pair.a.send(Lane::Notifications, &[i; 2_000]);
    }
    pair.cut(70_000);
    assert!(!pair.b.received.is_empty() && pair.b.received.len() < 100);
    pair.a.send(Lane::Notifications, &[100; 2_000]);
    pair.connect();
    pair.settle();
    let received: Vec<u8> = pair.b.received.iter().map(|(_, message)| message[0]).collect();
    assert_eq!(received, (0..=100).collect::<Vec<u8>>());
    assert_eq!(pair.b.lagged, [], "a resumed lane raises nothing");
}

#[test]
fn a_peer_that_was_given_up_is_told_of_the_gap_even_if_nothing_was_held_for_it() {
    let mut pair = Pair::new(&settings());
    pair.a.send(Lane::Events, b"before");
    pair.settle();
    pair.cut(0);
    pair.b.lagged.clear();
    pair.a.lanes.give_up();
    pair.connect();
    pair.a.send(Lane::Events, b"after");
    pair.settle();
    assert_eq!(
        pair.b.received,
        [b"before".to_vec(), b"after".to_vec()].map(|message| (Lane::Events, message))
    );
    assert_eq!(pair.b.lagged, first_contact());
    assert!(pair.a.lagged.contains(&(Lane::Events, Direction::Outbound, Missed::Unknown)));
    assert_eq!((&pair.a.ended[1..], &pair.b.ended[1..]), (&[][..], &[][..]));
}

#[test]
fn a_peer_without_memory_gets_the_head_and_both_ends_are_told() {
    let mut pair = Pair::new(&settings());
    pair.a.send(Lane::Notifications, b"old");
    pair.settle();
    pair.cut(0);
    pair.a.send(Lane::Notifications, b"lost");
    pair.b = End::new(&settings());
    pair.connect();
    pair.a.send(Lane::Notifications, b"new");
    pair.settle();
    assert_eq!(pair.b.received, [(Lane::Notifications, b"new".to_vec())]);
    assert_eq!(pair.b.lagged, first_contact());
    assert!(pair.a.lagged.contains(&(Lane::Notifications, Direction::Outbound, Missed::Unknown)));
    assert_eq!(pair.a.lanes.lag(Lane::Notifications).shed, 1);
}

#[test]
fn a_sender_without_memory_begins_above_what_its_peer_has_had() {
    let mut pair = Pair::new(&settings());
    for _ in 0..5 {
        pair.a.send(Lane::Notifications, b"before");
    }
    pair.settle();
    pair.cut(0);
    pair.a.lanes = Arc::new(PeerLanes::new(&settings()));
    (pair.b.received, pair.b.lagged) = Default::default();
    pair.connect();
    pair.a.send(Lane::Notifications, b"after");
    pair.settle();
    assert_eq!(pair.b.received, [(Lane::Notifications, b"after".to_vec())]);
    let unknown = (Lane::Notifications, Direction::Inbound, Missed::Unknown);
    assert!(pair.b.lagged.contains(&unknown), "{:?}", pair.b.lagged);
}

#[test]
fn a_replaced_session_says_nothing_that_counts() {
    let mut pair = Pair::new(&settings());
    pair.settle();
    pair.a.send(Lane::Events, b"once");
    let late = pair.a.written(usize::MAX);
    let mut old = pair.b.session.take().unwrap();
    pair.a.session = None;
    pair.connect();
    for frame in late {
        old.handle_frame(pair.now, frame.slice(PREFIX..));
    }
    pair.settle();
    assert_eq!(pair.b.received, [(Lane::Events, b"once".to_vec())]);
    assert_eq!(pair.b.lanes.stale_frames(), 1);
}

#[test]
fn a_replaced_session_takes_nothing_out_of_the_lanes() {
    let mut pair = Pair::new(&settings());
    pair.settle();
    let mut old = pair.a.session.take().unwrap();
    pair.connect();
    pair.a.send(Lane::Notifications, b"for the new one");
    let mut out = VecDeque::new();
    old.poll_transmit(&mut out, usize::MAX);
    assert_eq!(out, VecDeque::<Bytes>::new());
    pair.settle();
    assert_eq!(pair.b.received, [(Lane::Notifications, b"for the new one".to_vec())]);
}
