//! How sessions and requests end, what a peer may not do, and what any history of cuts keeps.

use super::*;

#[test]
fn a_leave_takes_effect_when_the_last_messages_have_arrived() {
    let mut pair = Pair::new(&settings());
    pair.a.send(Lane::Notifications, b"last words");
    pair.a.session.as_mut().unwrap().leave(pair.now);
    pair.settle();
    assert_eq!(pair.b.received, [(Lane::Notifications, b"last words".to_vec())]);
    assert_eq!(pair.b.ended, [SessionEnd::PeerLeft]);
    assert_eq!(pair.a.ended, [SessionEnd::WeLeft]);
}

#[test]
fn a_leave_whose_messages_never_come_takes_effect_after_two_seconds() {
    let mut pair = Pair::new(&settings());
    pair.settle();
    let leave = Leave { ends: PerLane::from_fn(|_| 5) };
    let frame = Frame::Leave(leave, Extensions::default()).encode().slice(PREFIX..);
    pair.b.session.as_mut().unwrap().handle_frame(pair.now, frame);
    assert_eq!(pair.b.session.as_ref().unwrap().poll_timeout(), Some(pair.now + LEAVE_WAIT));
    pair.pass(Duration::from_millis(1_999));
    assert_eq!(pair.b.ended, []);
    pair.pass(Duration::from_millis(1));
    assert_eq!(pair.b.ended, [SessionEnd::PeerLeft]);
}

#[test]
fn every_request_has_exactly_one_outcome() {
    let mut pair = Pair::new(&settings());
    let ask = |pair: &Pair, timeout| {
        let asked = pair.a.lanes.requests().ask(pair.now, Duration::from_secs(timeout), Some(timeout));
        let Begun { id, head, .. } = asked.unwrap();
        pair.a.lanes.push_with_head(Lane::Requests, head.as_slice(), Payload::Copied(b"?")).unwrap();
        id
    };
    let timeouts = [5, 5, 1, 5];
    let ids = timeouts.map(|timeout| ask(&pair, timeout));
    pair.settle();
    let asked: Vec<_> = std::mem::take(&mut pair.b.requests);
    assert_eq!(asked.len(), 4);
    let reply = pair.b.lanes.requests().reply(ids[0]).unwrap();
    pair.b.lanes.push_with_head(Lane::Requests, reply.as_slice(), Payload::Copied(b"!")).unwrap();
    let failure = pair.b.lanes.requests().fail(ids[1], FailureCode::APPLICATION).unwrap();
    pair.b.lanes.push_with_head(Lane::Requests, failure.as_slice(), Payload::Copied(b"no")).unwrap();
    pair.settle();
    pair.pass(Duration::from_secs(1));
    assert!(pair.b.lanes.requests().reply(ids[2]).is_none(), "nobody waits for it any more");
    pair.cut(0);
    let failed = Outcome::Failed { code: FailureCode::APPLICATION, text: "no".into() };
    let outcomes =
        [Outcome::Reply(Bytes::from_static(b"!")), failed, Outcome::DeadlinePassed, Outcome::LinkLost];
    let ended = |((id, token), outcome)| RequestEvent::Ended { id, token: Some(token), outcome };
    let expected: Vec<_> = ids.into_iter().zip(timeouts).zip(outcomes).map(ended).collect();
    assert_eq!(pair.a.requests, expected);
    assert_eq!(pair.a.lanes.requests().under_way(), (0, 0));
}

#[test]
fn a_cancelled_request_is_told_to_the_other_side() {
    let mut pair = Pair::new(&settings());
    let asked = pair.a.lanes.requests().ask(pair.now, Duration::from_secs(1), None);
    let Begun { id, head, .. } = asked.unwrap();
    pair.a.lanes.push_with_head(Lane::Requests, head.as_slice(), Payload::Copied(b"?")).unwrap();
    pair.settle();
    let cancel = pair.a.lanes.cancel(id).unwrap();
    pair.a.lanes.push(Lane::Requests, Payload::Copied(cancel.as_slice())).unwrap();
    pair.settle();
    assert_eq!(pair.b.requests[1..], [RequestEvent::Cancelled(id)]);
    assert_eq!(pair.b.lanes.requests().under_way(), (0, 0));
}

#[test]
fn faults_close_the_session_with_a_code_and_words() {
    let unknown = vec![0x7f];
    let hello =
        Frame::Go(Go { session: SessionId(1), positions: Positions::default() }, Extensions::default());
    let jump = Frame::Lagged(Lagged { lane: Lane::Events, from: 7, to: 9, messages: 1 });
    let ahead = Frame::Acknowledge(Acknowledge { lane: Lane::Events, next: 1 });
    let cases = [
        (unknown, CloseCode::UNKNOWN_KIND, "frames of kind 0x7f must be understood and are not known here"),
        (strip(&hello), CloseCode::VIOLATION, "a handshake frame in an open session"),
        (strip(&jump), CloseCode::VIOLATION, "the events lane jumps to number 7, 0 was expected"),
        (
            strip(&ahead),
            CloseCode::VIOLATION,
            "number 1 on the events lane is acknowledged, and was not sent",
        ),
    ];
    for (frame, code, text) in cases {
        let mut pair = Pair::new(&settings());
        pair.settle();
        let session = pair.b.session.as_mut().unwrap();
        session.handle_frame(pair.now, frame.into());
        pair.settle();
        let close = Close { code, text: Text::lossy(text) };
        assert_eq!(pair.b.ended, [SessionEnd::ClosedByUs(close.clone())]);
        assert_eq!(pair.a.ended, [SessionEnd::ClosedByPeer(close)]);
    }
}

#[test]
fn a_go_that_was_turned_down_ends_the_session_of_the_dialler() {
    let mut pair = Pair::new(&settings());
    let text = Text::lossy("a newer session is there");
    let (session, epoch, address, node) = (None, None, None, None);
    let refuse =
        Refuse { code: RefuseCode::ALREADY_CONNECTED, session, epoch, address, node, text: text.clone() };
    let frame = Frame::Refuse(refuse, Extensions::default()).encode().slice(PREFIX..);
    pair.a.session.as_mut().unwrap().handle_frame(pair.now, frame);
    pair.a.read(pair.now);
    assert_eq!(pair.a.ended, [SessionEnd::ClosedByPeer(Close { code: CloseCode::REFUSED, text })]);
}

fn strip(frame: &Frame) -> Vec<u8> {
    frame.encode()[PREFIX..].to_vec()
}

#[test]
fn unknown_skippable_frames_are_counted() {
    let mut pair = Pair::new(&settings());
    let session = pair.b.session.as_mut().unwrap();
    session.handle_frame(pair.now, Bytes::from_static(&[SKIPPABLE | 0x7f, 1, 2]));
    assert_eq!((session.skipped_frames(), session.is_ended()), (1, false));
}

#[test]
fn a_flood_over_the_window_is_a_fault() {
    let mut settings = settings();
    settings.windows = PerLane::from_fn(|_| 10_000);
    let mut pair = Pair::new(&settings);
    pair.settle();
    pair.b.takes = false;
    for i in 0..20_u64 {
        let packed = [&2_000_u16.to_be_bytes()[..], &[0; 2_000]].concat().into();
        let segment = crate::proto::frame::Segment { lane: Lane::Events, first: i, count: 1, packed };
        let frame = Frame::Segment(segment).encode().slice(PREFIX..);
        pair.b.session.as_mut().unwrap().handle_frame(pair.now, frame);
    }
    pair.b.read(pair.now);
    let [SessionEnd::ClosedByUs(close)] = &pair.b.ended[..] else { panic!("{:?}", pair.b.ended) };
    let text = "the events lane carries 10010 unacknowledged bytes, the window is 10000";
    assert_eq!(close.text.as_str(), text);
}

#[derive(Clone, Debug)]
enum Step {
    Send { from_a: bool, events: bool, len: usize },
    Exchange(usize),
    Cut(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = prop_oneof![4 => 4..2_000_usize, 1 => 60_000..200_000_usize];
    let step = prop_oneof![
        8 => (any::<bool>(), any::<bool>(), len).prop_map(|(from_a, events, len)| Step::Send { from_a, events, len }),
        3 => (1..100_000_usize).prop_map(Step::Exchange),
        2 => (0..150_000_usize).prop_map(Step::Cut),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever is cut at whichever byte: received or announced, once, in order.
    #[test]
    fn nothing_is_lost_in_silence_over_any_cuts(steps in steps(), ring in prop_oneof![Just(512 << 10), Just(16 << 20)]) {
        let settings = LaneSettings { ring, ..settings() };
        let mut pair = Pair::new(&settings);
        pair.settle();
        let mut sent = 0_u32;
        for step in steps {
            match step {
                Step::Send { from_a, events, len } => {
                    let lane = if events { Lane::Events } else { Lane::Notifications };
                    let message = [&sent.to_be_bytes()[..], &vec![0; len]].concat();
                    let end = if from_a { &pair.a } else { &pair.b };
                    end.lanes.push(lane, Payload::Shared(message.into())).unwrap();
                    sent += 1;
                }
                Step::Exchange(bytes) => pair.exchange(bytes),
                Step::Cut(survives) => {
                    pair.cut(survives);
                    pair.connect();
                }
            }
        }
        pair.settle();
        for (from, to) in [(&pair.a, &pair.b), (&pair.b, &pair.a)] {
            for lane in [Lane::Events, Lane::Notifications] {
                let lag = from.lanes.lag(lane);
                prop_assert_eq!((lag.unsent_bytes, lag.unacknowledged_bytes), (0, 0));
                let received: Vec<u32> = to.received.iter().filter(|(l, _)| *l == lane)
                    .map(|(_, message)| u32::from_be_bytes(*message.first_chunk().unwrap())).collect();
                prop_assert!(received.is_sorted_by(|a, b| a < b), "{:?}", received);
                let announced: u64 = to.lagged.iter().filter(|(l, _, _)| *l == lane).map(|(_, _, missed)| match missed {
                    Missed::Known(n) => *n,
                    Missed::Unknown => 0,
                }).sum();
                prop_assert_eq!(received.len() as u64 + announced, lag.pushed);
                prop_assert_eq!(announced, lag.shed);
            }
            prop_assert!(to.lagged.iter().filter(|(_, _, missed)| *missed == Missed::Unknown).count() <= 2);
            prop_assert_eq!(to.ended.iter().filter(|end| !matches!(end, SessionEnd::LinkLost(_))).count(), 0);
        }
    }
}
