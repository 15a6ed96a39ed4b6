//! Receivers whose application is slow: what waits is bounded, and nobody else waits.

use std::time::Duration;

use cluster_transport::proto::Lane;
use cluster_transport::proto::lanes::{LaneSettings, Payload};

use crate::harness::{Carrier, GIVE_UP, Pair, Quirk, Seen};

over_every_link!(
    a_full_lane_holds_up_no_other_and_costs_a_bounded_memory,
    many_small_requests_pass_a_flood_of_notifications,
);

const MESSAGE: [u8; 1_000] = [7; 1_000];

async fn a_full_lane_holds_up_no_other_and_costs_a_bounded_memory(carrier: Carrier) {
    let lanes = LaneSettings::default();
    let (window, ring) = (lanes.windows[Lane::Notifications] as usize, lanes.ring);
    let pair = Pair::connect_with(carrier, Quirk::Holds, lanes).await;
    let session = pair.a.session().await;
    let flood = 3 * ring / MESSAGE.len();
    for _ in 0..flood {
        session.send(Lane::Notifications, &[], Payload::Copied(&MESSAGE)).unwrap();
    }
    // Everything else goes on, though nothing of it is acknowledged either.
    for number in 0..200_u8 {
        for lane in [Lane::Control, Lane::State, Lane::Events] {
            session.send(lane, &[], Payload::Copied(&[number])).unwrap();
        }
    }
    let echo = session.request(Payload::Copied(b"echo"), GIVE_UP).await.unwrap();
    assert_eq!(echo, b"echo"[..]);
    for lane in [Lane::Control, Lane::State, Lane::Events] {
        let expected: Vec<_> = (0..200_u8).map(|number| vec![number]).collect();
        assert_eq!(pair.b.messages(lane, 200).await, expected, "{lane}");
    }
    let lag = session.lag(Lane::Notifications);
    assert!(lag.shed > 0 && lag.unsent_bytes + lag.unacknowledged_bytes <= ring, "{lag:?}");
    let received = pair.b.count(|seen| matches!(seen, Seen::Message(Lane::Notifications, _)));
    let bytes = received * MESSAGE.len();
    // A frame may go out while the window is not quite full.
    assert!(bytes <= window + 64 * 1024, "{bytes} bytes came through a window of {window}");
    pair.b.release();
    // It goes on without a reconnect.
    session.send(Lane::Notifications, &[], Payload::Copied(b"the last one")).unwrap();
    let last =
        |seen: &Seen| matches!(seen, Seen::Message(_, message) if message == b"the last one").then_some(());
    pair.b.wait_for(last).await;
    assert_eq!(pair.a.session_count(), 0, "the session is the first one");
}

async fn many_small_requests_pass_a_flood_of_notifications(carrier: Carrier) {
    let pair = Pair::connect(carrier).await;
    let session = pair.a.session().await;
    let flood = async {
        for _ in 0..20_000 {
            let payload = Payload::Copied(&MESSAGE);
            session.send_waiting(Lane::Notifications, &[], payload, GIVE_UP).await.unwrap();
        }
    };
    let requests = async {
        for number in 0..100_u8 {
            let asked = [b"echo", &[number][..]].concat();
            let reply = session.request(Payload::Copied(&asked), Duration::from_secs(20)).await;
            assert_eq!(reply.unwrap(), asked);
        }
    };
    tokio::join!(flood, requests);
    assert_eq!(pair.b.messages(Lane::Notifications, 20_000).await.len(), 20_000);
}
