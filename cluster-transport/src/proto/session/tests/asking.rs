//! Requests of every size beside each other: each has one outcome, and the short ones do not wait for the long ones.

use std::collections::BTreeMap;

use super::priority::frames;
use super::*;
use crate::proto::requests::RequestId;

const LONG: usize = 8 << 20;

impl End {
    pub(super) fn ask(&self, now: Instant, timeout: Duration, question: &[u8]) -> RequestId {
        let Begun { id, head, .. } = self.lanes.requests().ask(now, timeout, None).unwrap();
        self.lanes.push_with_head(Lane::Requests, head.as_slice(), Payload::Copied(question)).unwrap();
        id
    }

    /// Answers, with the request's id before the rest; whether somebody still waits for it.
    fn answer(&self, id: RequestId, length: usize) -> bool {
        let head = self.lanes.requests().reply(id);
        let reply = [&id.0.to_be_bytes()[..], &vec![7; length]].concat();
        head.is_some_and(|head| {
            self.lanes.push_with_head(Lane::Requests, head.as_slice(), Payload::Shared(reply.into())).is_ok()
        })
    }

    pub(super) fn cancel(&self, id: RequestId) -> bool {
        let head = self.lanes.cancel(id);
        if let Some(head) = &head {
            self.lanes.push(Lane::Requests, Payload::Copied(head.as_slice())).unwrap();
        }
        head.is_some()
    }
}

#[test]
fn a_short_reply_waits_for_one_part_of_a_long_one_at_the_most() {
    let mut pair = Pair::new(&settings());
    let ids = [(); 4].map(|()| pair.a.ask(pair.now, Duration::from_secs(60), b"?"));
    pair.settle();
    assert!(pair.b.answer(ids[0], LONG) && pair.b.answer(ids[1], LONG));
    pair.exchange(200_000);
    for short in &ids[2..] {
        assert!(pair.b.answer(*short, 10));
        let out = pair.b.written(1 << 20);
        let fragments = frames(out.iter().cloned())
            .into_iter()
            .take_while(|frame| !matches!(frame, Frame::Segment(_)))
            .filter(|frame| matches!(frame, Frame::Fragment(_)))
            .count();
        assert!(fragments <= 1, "{fragments} parts went before a reply of 10 bytes");
        out.iter().for_each(|piece| pair.a.wire.extend_from_slice(piece));
        pair.a.read(pair.now);
    }
    pair.settle();
    let ended: Vec<_> = pair.a.requests.iter().map(ended).collect();
    assert_eq!(ended, [ids[2], ids[3], ids[0], ids[1]], "the long ones go one after the other");
    assert_eq!(pair.a.lanes.inbound().reassembling(), 0);
}

#[test]
fn a_leave_waits_for_a_long_reply() {
    let mut pair = Pair::new(&settings());
    let id = pair.a.ask(pair.now, Duration::from_secs(60), b"?");
    pair.settle();
    assert!(pair.b.answer(id, LONG));
    pair.b.session.as_mut().unwrap().leave(pair.now);
    pair.settle();
    assert_eq!(pair.a.requests.iter().map(ended).collect::<Vec<_>>(), [id]);
    assert_eq!(pair.a.ended, [SessionEnd::PeerLeft]);
}

#[test]
fn a_leave_does_not_wait_for_long_replies_whose_requests_are_cancelled_meanwhile() {
    let mut pair = Pair::new(&settings());
    let ids = [(); 3].map(|()| pair.a.ask(pair.now, Duration::from_secs(60), b"?"));
    pair.settle();
    ids.iter().for_each(|id| assert!(pair.b.answer(*id, LONG)));
    pair.exchange(BEGUN);
    pair.b.session.as_mut().unwrap().leave(pair.now);
    pair.exchange(BEGUN);
    // The first has begun, the last has not.
    assert!(pair.a.cancel(ids[0]) && pair.a.cancel(ids[2]));
    pair.settle();
    assert_eq!(pair.a.requests.iter().map(ended).collect::<Vec<_>>(), [ids[1]]);
    assert_eq!(
        (&pair.a.ended[..], &pair.b.ended[..]),
        (&[SessionEnd::PeerLeft][..], &[SessionEnd::WeLeft][..])
    );
    assert!(!is_told_of_a_loss(&pair.a), "whoever cancels misses nothing");
}

/// Of a long message, what a pair exchanges before it is given up.
const BEGUN: usize = 200_000;
/// A part, with acknowledgements and marks: more is not sent of what was given up.
const ONE_PART: usize = 70_000;

fn unsent(end: &End) -> usize {
    end.lanes.lag(Lane::Requests).unsent_bytes
}

fn is_told_of_a_loss(end: &End) -> bool {
    end.lagged.iter().any(|(lane, ..)| *lane == Lane::Requests)
}

#[test]
fn what_is_unsent_of_a_long_reply_is_not_sent_once_its_request_is_cancelled() {
    let mut pair = Pair::new(&settings());
    let ids = [(); 3].map(|()| pair.a.ask(pair.now, Duration::from_secs(60), b"?"));
    pair.settle();
    ids.iter().for_each(|id| assert!(pair.b.answer(*id, LONG)));
    pair.exchange(BEGUN);
    assert!(unsent(&pair.b) > 2 * LONG && pair.a.lanes.inbound().reassembling() > LONG);
    // The second has not begun; the first has.
    assert!(pair.a.cancel(ids[1]) && pair.a.cancel(ids[0]));
    pair.exchange(ONE_PART);
    assert!(unsent(&pair.b) < LONG + ONE_PART, "{} bytes wait", unsent(&pair.b));
    pair.settle();
    assert_eq!(pair.a.requests.iter().map(ended).collect::<Vec<_>>(), [ids[2]]);
    assert_eq!(pair.a.ended, []);
    assert!(!is_told_of_a_loss(&pair.a), "whoever cancels misses nothing");
    assert_eq!(pair.a.lanes.inbound().reassembling(), 0);
    assert_eq!(pair.b.lanes.lag(Lane::Requests).unacknowledged_bytes, 0);
}

#[test]
fn what_is_unsent_of_a_long_request_is_not_sent_once_it_is_cancelled() {
    let mut pair = Pair::new(&settings());
    pair.settle();
    let id = pair.a.ask(pair.now, Duration::from_secs(60), &vec![7; LONG]);
    pair.exchange(BEGUN);
    assert!(pair.b.lanes.inbound().reassembling() > LONG);
    assert!(pair.a.cancel(id));
    assert!(unsent(&pair.a) < ONE_PART, "{} bytes wait", unsent(&pair.a));
    pair.settle();
    assert_eq!(pair.b.requests, []);
    assert!(!is_told_of_a_loss(&pair.b), "nobody there knew of it");
    assert_eq!(pair.b.lanes.inbound().reassembling(), 0);
}

#[test]
fn a_cancelled_reply_leaves_room_for_one_as_long_as_all_that_may_be_in_reassembly() {
    let most = LONG + 64;
    let mut pair = Pair::new(&LaneSettings { reassembly: most, ..settings() });
    let ids = [(); 2].map(|()| pair.a.ask(pair.now, Duration::from_secs(60), b"?"));
    pair.settle();
    assert!(pair.b.answer(ids[0], LONG));
    for exchanged in [BEGUN, ONE_PART] {
        pair.exchange(exchanged);
    }
    assert!(pair.a.cancel(ids[0]) && pair.b.answer(ids[1], LONG));
    pair.settle();
    assert_eq!(pair.a.requests.iter().map(ended).collect::<Vec<_>>(), [ids[1]]);
    assert_eq!(pair.a.ended, []);
}

/// Which request ended. A reply has to be that of its request.
fn ended(event: &RequestEvent) -> RequestId {
    match event {
        RequestEvent::Ended { id, outcome: Outcome::Reply(reply), .. } => {
            assert_eq!(reply[..8], id.0.to_be_bytes());
            *id
        }
        RequestEvent::Ended { id, .. } => *id,
        other => panic!("{other:?}"),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask { timeout: u64, length: usize },
    Answer { which: usize, length: usize },
    Cancel(usize),
    Exchange(usize),
    Pass(u64),
    Cut(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = || prop_oneof![4 => 0..3_000_usize, 1 => 60_000..300_000_usize];
    let step = prop_oneof![
        6 => (1..2_000_u64, length()).prop_map(|(timeout, length)| Step::Ask { timeout, length }),
        5 => (0..8_usize, length()).prop_map(|(which, length)| Step::Answer { which, length }),
        2 => (0..8_usize).prop_map(Step::Cancel),
        6 => (1..150_000_usize).prop_map(Step::Exchange),
        2 => (1..800_u64).prop_map(Step::Pass),
        1 => (0..150_000_usize).prop_map(Step::Cut),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever is cancelled, late or cut at whichever byte.
    #[test]
    fn each_request_has_one_outcome_and_nothing_is_left_of_it(steps in steps(), settles in any::<bool>()) {
        let mut pair = Pair::new(&settings());
        pair.settle();
        let mut outcomes: BTreeMap<RequestId, u32> = BTreeMap::new();
        let mut open = Vec::new();
        for step in steps {
            match step {
                Step::Ask { timeout, length } => {
                    let timeout = Duration::from_millis(timeout);
                    outcomes.insert(pair.a.ask(pair.now, timeout, &vec![1; length]), 0);
                }
                Step::Answer { which, length } if which < open.len() => {
                    pair.b.answer(open.remove(which), length);
                }
                Step::Cancel(which) => {
                    let id = outcomes.keys().rev().nth(which).copied();
                    if let Some(id) = id.filter(|id| pair.a.cancel(*id)) {
                        *outcomes.get_mut(&id).unwrap() += 1;
                    }
                }
                Step::Exchange(bytes) => pair.exchange(bytes),
                Step::Pass(millis) => pair.pass(Duration::from_millis(millis)),
                Step::Cut(survives) => {
                    pair.cut(survives);
                    pair.connect();
                }
                Step::Answer { .. } => {}
            }
            for event in pair.b.requests.drain(..) {
                match event {
                    RequestEvent::Asked { id, .. } => open.push(id),
                    RequestEvent::Cancelled(id) => open.retain(|asked| *asked != id),
                    other => prop_assert!(false, "b asks nothing, but {:?}", other),
                }
            }
        }
        if settles {
            pair.settle();
            let (at_a, at_b) = (pair.a.lanes.inbound().reassembling(), pair.b.lanes.inbound().reassembling());
            prop_assert_eq!((at_a, at_b), (0, 0));
        }
        let is_closed = |end: &SessionEnd| !matches!(end, SessionEnd::LinkLost(_));
        prop_assert!(!pair.a.ended.iter().chain(&pair.b.ended).any(is_closed), "{:?} {:?}", pair.a.ended, pair.b.ended);
        pair.cut(0);
        for event in &pair.a.requests {
            *outcomes.get_mut(&ended(event)).unwrap() += 1;
        }
        prop_assert!(outcomes.values().all(|count| *count == 1), "{:?}", outcomes);
        let (at_a, at_b) = (pair.a.lanes.inbound().reassembling(), pair.b.lanes.inbound().reassembling());
        prop_assert_eq!((at_a, at_b), (0, 0));
        prop_assert_eq!(pair.a.lanes.requests().under_way(), (0, 0));
        prop_assert_eq!(pair.b.lanes.requests().under_way(), (0, 0));
    }
}
