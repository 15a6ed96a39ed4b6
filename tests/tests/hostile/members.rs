//! After authentication: members that break the protocol, or ask for too much.

use std::sync::atomic::Ordering;

use cluster_core::engine::wire::encode;
use cluster_tests::attacker::{Attacker, Verdict, raw, request};
use cluster_tests::{SLACK_MIB, Siege};
use cluster_transport::proto::Lane;
use cluster_transport::proto::frame::{Acknowledge, Fragment, Frame, kind};

/// Waits for Close with this code.
async fn closed(peer: Attacker, code: u16, words: &str) {
    let verdict = peer.verdict().await;
    let fits = matches!(&verdict, Verdict::Closed(got, text) if *got == code && text.contains(words));
    assert!(fits, "{verdict:?} in place of Close {code}: {words}");
}

#[tokio::test]
async fn lengths_that_cannot_be_end_the_session() {
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("lengths of 4 GiB, of 2 GiB and of 65,537 in a session", async |siege| {
            for (nth, length) in [u32::MAX, 1 << 31, 65_537].into_iter().enumerate() {
                let mut peer = siege.traitor(&format!("node-x{nth}")).await;
                peer.send(&[&length.to_be_bytes()[..], &[kind::SEGMENT; 1_000]].concat()).await;
                closed(peer, 1, "frame size too big").await;
            }
            siege.counts("/sessionsClosed/violation", 3).await;
            3
        })
        .await;
    aftermath.finish("Close 1, found at the length", SLACK_MIB).await;
}

#[tokio::test]
async fn a_million_tiny_frames_cost_time_and_nothing_else() {
    const TRIES: u64 = 1_000_000;
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("tiny frames of a kind that may be skipped", async |siege| {
            let mut peer = siege.traitor("node-x").await;
            let thousand = raw(0xc1, &[]).repeat(1_000);
            for _ in 0..TRIES / 1_000 {
                assert!(peer.send(&thousand).await, "the session ended");
            }
            siege.counts("/framesSkipped", TRIES).await;
            assert!(peer.is_open());
            peer.send(&raw(0x41, &[])).await;
            closed(peer, 2, "0x41").await;
            siege.counts("/sessionsClosed/unknown kind", 1).await;
            TRIES + 1
        })
        .await;
    aftermath.finish("skipped and counted; Close 2 for one that must be understood", SLACK_MIB).await;
}

#[tokio::test]
async fn tiny_messages_hold_on_to_no_more_than_their_window() {
    const TRIES: u64 = 100_000;
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("tiny notifications, each behind 1 KiB to be skipped", async |siege| {
            let mut peer = siege.traitor("node-x").await;
            // A document notification for no room, with an empty payload.
            let (tiny, filler) = ([1, 0, 0], raw(0xc1, &[0; 1_024]));
            for _ in 0..TRIES / 100 {
                let mut bytes = Vec::new();
                for _ in 0..100 {
                    bytes.extend_from_slice(&peer.message(Lane::Notifications, &tiny));
                    bytes.extend_from_slice(&filler);
                }
                assert!(peer.send(&bytes).await, "the session ended");
            }
            siege
                .shows("every notification", |status| {
                    status["notifications"]["received"].as_u64() >= Some(TRIES)
                })
                .await;
            TRIES
        })
        .await;
    aftermath.finish("all taken, within the window", SLACK_MIB).await;
}

#[tokio::test]
async fn fragments_without_end_are_refused_at_their_announced_size_or_wait_within_the_budget() {
    let fragment = |number: u64, total: u32, offset: u32, part: &'static [u8]| {
        let (lane, part) = (Lane::Notifications, bytes::Bytes::from_static(part));
        Frame::Fragment(Fragment { lane, number, message: 0, total, offset, part }).encode()
    };
    // One byte after the other of a message of 64 MiB, which never ends. Made before: the clients' thread is the attacker's too.
    let thousand = |start: u32| -> Vec<u8> {
        (start..start + 1_000).flat_map(|at| fragment(at.into(), 64 << 20, at, b"x")).collect()
    };
    let thousands: Vec<_> = (0..100_000).step_by(1_000).map(thousand).collect();
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("fragments without end", async |siege| {
            let mut peer = siege.traitor("node-x").await;
            peer.send(&fragment(0, 1 << 30, 0, b"x")).await;
            closed(peer, 1, "over the limit of 67108864").await;

            let mut peer = siege.traitor("node-y").await;
            let mut tries = 1;
            for some in &thousands {
                assert!(peer.send(some).await, "the session ended");
                tries += 1_000;
            }
            // Another message in the middle of it is none.
            peer.send(&fragment(100_000, 64 << 20, 5, b"x")).await;
            closed(peer, 1, "does not go on at 5").await;
            siege.counts("/sessionsClosed/violation", 2).await;
            tries + 1
        })
        .await;
    aftermath.finish("Close 1 at the announced size; parts of up to 64 MiB wait", SLACK_MIB).await;
}

#[tokio::test]
async fn a_flood_of_requests_is_refused_beyond_what_one_member_may_have_under_way() {
    const TRIES: u64 = 20_000;
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("commands to verify everything, with deadlines of 1 ms", async |siege| {
            let mut peer = siege.traitor("node-x").await;
            for hundred in 0..TRIES / 100 {
                let asked: Vec<_> = (0..100).map(|nth| request(hundred * 100 + nth, 1, &[4])).collect();
                let frame = peer.messages(Lane::Requests, asked.iter().map(Vec::as_slice));
                assert!(peer.send(&frame).await, "the session ended");
            }
            siege.counts("/requestsRefused", 1).await;
            assert!(peer.is_open());
            TRIES
        })
        .await;
    aftermath.finish("4 at a time are seen to, the others get failure 2", SLACK_MIB).await;
}

#[tokio::test]
async fn large_requests_wait_within_a_budget() {
    const TRIES: u64 = 400;
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("requests of the application of 60 KB each", async |siege| {
            let mut peer = siege.traitor("node-x").await;
            let payload = [&[1, 0, 1, b'x'][..], &[0; 60_000]].concat();
            for id in 0..TRIES {
                let asked = request(id, 60_000, &payload);
                assert!(peer.say(Lane::Requests, &asked).await, "the session ended");
            }
            let answered = || peer.heard.load(Ordering::Relaxed);
            siege.shows("answers", |_| answered() > 10).await;
            assert!(peer.is_open());
            TRIES
        })
        .await;
    aftermath.finish("answered; at most 64 MiB of one member wait for the host", SLACK_MIB).await;
}

#[tokio::test]
async fn replies_to_nobody_change_nothing() {
    const TRIES: u64 = 30_000;
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("replies, failures and cancellations of requests that nobody made", async |siege| {
            let mut peer = siege.traitor("node-x").await;
            for hundred in 0..TRIES / 300 {
                let answers: Vec<Vec<u8>> = (0..300_u64)
                    .map(|nth| {
                        let id = (hundred * 300 + nth).to_be_bytes();
                        let tail: &[u8] = if nth % 3 == 1 { &[0, 1, b'x'] } else { &[] };
                        [&[[2, 3, 4][usize::try_from(nth % 3).unwrap()]], &id[..], tail].concat()
                    })
                    .collect();
                let frame = peer.messages(Lane::Requests, answers.iter().map(Vec::as_slice));
                assert!(peer.send(&frame).await, "the session ended");
            }
            assert!(peer.is_open());
            peer.frame(Frame::Acknowledge(Acknowledge { lane: Lane::Events, next: 1_000 })).await;
            closed(peer, 1, "number 1000 on the events lane is acknowledged, and was not sent").await;
            siege.counts("/sessionsClosed/violation", 1).await;
            TRIES + 1
        })
        .await;
    aftermath.finish("ignored; Close 1 for an acknowledgement of what was not sent", SLACK_MIB).await;
}

#[tokio::test]
async fn messages_of_unknown_kinds_are_skipped_or_end_the_session() {
    const TRIES: u64 = 10_000;
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("unknown messages on the control and the state lane", async |siege| {
            let mut peer = siege.traitor("node-x").await;
            for _ in 0..TRIES / 200 {
                for lane in [Lane::Control, Lane::State] {
                    let frame = peer.messages(lane, std::iter::repeat_n(&[0xc1, 1, 2, 3][..], 100));
                    assert!(peer.send(&frame).await, "the session ended");
                }
            }
            assert!(peer.is_open());
            peer.say(Lane::Control, &[0x41]).await;
            closed(peer, 1, "unknown kind 65, which must be understood").await;
            let mut peer = siege.traitor("node-y").await;
            peer.say(Lane::Control, &[2, 0xff]).await;
            closed(peer, 1, "a malformed body in a message of kind 2").await;
            siege.counts("/sessionsClosed/violation", 2).await;
            assert!(siege.status().await["faults"].as_u64() >= Some(2));
            TRIES + 2
        })
        .await;
    aftermath.finish("skipped; Close 1 for one that must be understood", SLACK_MIB).await;
}

#[tokio::test]
async fn who_asks_and_does_not_listen_is_cut_off() {
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("pings whose answers are not acknowledged", async |siege| {
            let mut peer = siege.traitor("node-x").await;
            let mut tries = 0_u64;
            while peer.is_open() && tries < 2_000_000 {
                let pings: Vec<_> = (0..500).map(|nth| encode(4, &(tries + nth))).collect();
                let frame = peer.messages(Lane::Control, pings.iter().map(|ping| &ping[..]));
                if !peer.send(&frame).await {
                    break;
                }
                tries += 500;
            }
            // Which of the two lanes is full first depends on who gets the processor.
            siege
                .shows("the end of the session", |status| {
                    let closed = &status["defence"]["sessionsClosed"];
                    closed["stalled"] == 1 || closed["violation"] == 1
                })
                .await;
            tries
        })
        .await;
    aftermath.finish("Close 7 or 1 once 1 MiB waits on the control lane", SLACK_MIB).await;
}
