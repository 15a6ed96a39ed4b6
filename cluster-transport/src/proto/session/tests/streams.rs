//! Lanes with streams of their own: each keeps its order, and any may overtake any other.

use super::*;

/// What waits on the stream of each lane, from one end to the other.
#[derive(Default)]
struct Streams(PerLane<BytesMut>);

impl Outbox for Streams {
    fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, stream)| stream.is_empty())
    }

    fn takes(&self, _: Lane) -> bool {
        true
    }

    fn put(&mut self, lane: Lane, piece: Bytes) {
        self.0[lane].extend_from_slice(&piece);
    }
}

impl Streams {
    fn next_frame(&mut self, lane: Lane) -> Option<Bytes> {
        let stream = &mut self.0[lane];
        let length = u32::from_be_bytes(*stream.first_chunk::<PREFIX>()?) as usize;
        stream.advance(PREFIX);
        Some(stream.split_to(length).freeze())
    }
}

/// Carries everything there is to say, a frame at a time, from the lanes that the picks name.
fn settle(pair: &mut Pair, mut picks: impl Iterator<Item = usize>) {
    let (mut from_a, mut from_b) = (Streams::default(), Streams::default());
    loop {
        for (end, streams) in [(&mut pair.a, &mut from_a), (&mut pair.b, &mut from_b)] {
            end.session.as_mut().unwrap().poll_transmit_into(streams);
        }
        if from_a.is_empty() && from_b.is_empty() {
            return;
        }
        let first = picks.next().unwrap_or_default();
        for (streams, end) in [(&mut from_a, &mut pair.b), (&mut from_b, &mut pair.a)] {
            let lanes = Lane::ALL.into_iter().cycle().skip(first).take(Lane::COUNT);
            let frame = lanes.map(|lane| streams.next_frame(lane)).find_map(|frame| frame);
            if let Some(frame) = frame {
                end.session.as_mut().unwrap().handle_frame(pair.now, frame);
            }
            end.read(pair.now);
        }
    }
}

#[test]
fn a_leave_that_overtakes_its_lanes_waits_for_them() {
    let mut pair = Pair::new(&settings());
    pair.a.send(Lane::State, b"the last state");
    pair.a.send(Lane::Notifications, b"the last words");
    pair.a.session.as_mut().unwrap().leave(pair.now);
    // The control lane is always the first to be read.
    settle(&mut pair, std::iter::repeat(0));
    let expected =
        [(Lane::State, b"the last state".to_vec()), (Lane::Notifications, b"the last words".to_vec())];
    assert_eq!(pair.b.received, expected);
    assert_eq!(
        (&pair.a.ended[..], &pair.b.ended[..]),
        (&[SessionEnd::WeLeft][..], &[SessionEnd::PeerLeft][..])
    );
}

#[test]
fn a_frame_goes_on_the_stream_of_its_lane() {
    let mut pair = Pair::new(&settings());
    for lane in Lane::ALL.into_iter().filter(|lane| *lane != Lane::Requests) {
        pair.a.send(lane, b"message");
    }
    let mut streams = Streams::default();
    pair.a.session.as_mut().unwrap().poll_transmit_into(&mut streams);
    for lane in Lane::ALL {
        let start = streams.next_frame(lane).unwrap();
        assert_eq!(frame::carried_on(&start), frame::Carried::Start(lane));
        let others: Vec<_> = std::iter::from_fn(|| streams.next_frame(lane)).collect();
        assert!(others.iter().all(|other| frame::carried_on(other) == frame::Carried::On(lane)), "{lane}");
        assert_eq!(others.len(), usize::from(lane != Lane::Requests), "{lane}");
    }
}

proptest! {
    #[test]
    fn whichever_lane_is_faster_each_keeps_its_messages_in_order(
        sent in proptest::collection::vec((0..5_usize, 0..3_000_usize), 0..60),
        picks in proptest::collection::vec(0..5_usize, 0..400),
    ) {
        let mut pair = Pair::new(&settings());
        let sent: Vec<_> = sent
            .into_iter()
            .map(|(lane, length)| (Lane::ALL[lane], vec![7; length]))
            .filter(|(lane, _)| *lane != Lane::Requests)
            .collect();
        for (lane, message) in &sent {
            pair.a.send(*lane, message);
            pair.b.send(*lane, message);
        }
        pair.a.session.as_mut().unwrap().leave(pair.now);
        settle(&mut pair, picks.into_iter().cycle().take(100_000));
        for lane in Lane::ALL {
            let on = |all: &[(Lane, Vec<u8>)]| all.iter().filter(|(l, _)| *l == lane).cloned().collect::<Vec<_>>();
            prop_assert_eq!(on(&pair.b.received), on(&sent));
        }
        prop_assert_eq!(&pair.b.ended, &[SessionEnd::PeerLeft]);
        prop_assert_eq!(&pair.a.ended, &[SessionEnd::WeLeft]);
    }
}
