//! Senders that are quicker than their receivers: what waits loses nothing, and what gives way is announced to the last message.

use std::time::Duration;

use cluster_transport::endpoint::{SendFailure, SessionHandle};
use cluster_transport::proto::Lane;
use cluster_transport::proto::lanes::{LaneSettings, Payload, SendError};
use cluster_transport::proto::session::{Direction, Missed};

use crate::harness::{Carrier, GIVE_UP, Node, Pair, Quirk, Seen};

/// A ring of about a hundred messages.
const RING: usize = 128 * 1024;
const MESSAGE: usize = 1_200;

fn small_ring() -> LaneSettings {
    let mut lanes = LaneSettings::default();
    lanes.ring = RING;
    lanes.windows[Lane::Notifications] = 64 * 1024;
    lanes
}

fn message(number: u32) -> Vec<u8> {
    let mut message = vec![7; MESSAGE];
    message[..4].copy_from_slice(&number.to_be_bytes());
    message
}

fn number_of(message: &[u8]) -> u32 {
    u32::from_be_bytes(*message.first_chunk().unwrap())
}

async fn send_waiting(session: &SessionHandle, number: u32) -> u64 {
    let payload = message(number);
    let sent = session.send_waiting(Lane::Notifications, &[], Payload::Copied(&payload), GIVE_UP).await;
    sent.unwrap().shed
}

over_every_link!(
    nothing_is_lost_at_any_rate_by_those_who_wait,
    what_gives_way_is_announced_to_the_last_message,
);

async fn nothing_is_lost_at_any_rate_by_those_who_wait(carrier: Carrier) {
    let pair = Pair::connect_with(carrier, Quirk::None, small_ring()).await;
    let session = pair.a.session().await;
    for number in 0..5_000 {
        assert_eq!(send_waiting(&session, number).await, 0);
    }
    let got = pair.b.messages(Lane::Notifications, 5_000).await;
    assert!(got.iter().map(|message| number_of(message)).eq(0..5_000), "all of them, in their order");
    assert_eq!(announced(&pair.b), 0);
}

async fn what_gives_way_is_announced_to_the_last_message(carrier: Carrier) {
    let pair = Pair::connect_with(carrier, Quirk::Holds, small_ring()).await;
    let session = pair.a.session().await;
    let sent = 20_000;
    let mut shed = 0;
    for number in 0..sent {
        shed += session.send(Lane::Notifications, &[], Payload::Copied(&message(number))).unwrap().shed;
        if number == sent / 2 {
            pair.b.release();
        }
    }
    // The last one always stays.
    pair.b.wait_for(|seen| is_number(seen, sent - 1).then_some(())).await;
    let received = pair.b.count(|seen| matches!(seen, Seen::Message(Lane::Notifications, _))) as u64 + 1;
    assert!(shed > 0, "nothing gave way");
    assert_eq!(received + announced(&pair.b), u64::from(sent));
    assert_eq!(announced(&pair.b), shed);
}

fn is_number(seen: &Seen, number: u32) -> bool {
    matches!(seen, Seen::Message(Lane::Notifications, message) if number_of(message) == number)
}

/// How many messages a node was told are missing.
fn announced(node: &Node) -> u64 {
    node.sum(|seen| match seen {
        Seen::Lagged(Lane::Notifications, Direction::Inbound, Missed::Known(messages)) => *messages,
        _ => 0,
    })
}

#[tokio::test]
async fn one_who_waits_sheds_at_its_deadline_and_says_so() {
    let pair = Pair::connect_with(Carrier::Tcp, Quirk::Holds, small_ring()).await;
    let session = pair.a.session().await;
    let mut number = 0;
    while session
        .send_if_room(Lane::Notifications, &[], &Payload::Copied(&message(number)))
        .unwrap()
        .is_some()
    {
        number += 1;
    }
    let payload = message(number);
    let payload = Payload::Copied(&payload);
    let wait = Duration::from_millis(20);
    let late = session.send_waiting(Lane::Notifications, &[], payload, wait).await.unwrap();
    assert!(late.shed > 0);
    pair.b.release();
    pair.b.wait_for(|seen| is_number(seen, number).then_some(())).await;
    assert_eq!(announced(&pair.b), late.shed);
}

#[tokio::test]
async fn those_who_wait_in_many_tasks_lose_nothing_and_each_keeps_its_order() {
    let pair = Pair::connect_with(Carrier::Tcp, Quirk::None, small_ring()).await;
    let session = pair.a.session().await;
    let publish = |task: u32| {
        let session = session.clone();
        async move {
            for i in 0..500 {
                assert_eq!(send_waiting(&session, task * 1_000 + i).await, 0);
            }
        }
    };
    let tasks: Vec<_> = (0..8).map(|task| tokio::spawn(publish(task))).collect();
    let got = pair.b.messages(Lane::Notifications, 4_000).await;
    for task in tasks {
        task.await.unwrap();
    }
    for task in 0..8 {
        let of_task = got.iter().map(|message| number_of(message)).filter(|number| number / 1_000 == task);
        assert!(of_task.eq((0..500).map(|i| task * 1_000 + i)), "task {task}");
    }
}

#[tokio::test]
async fn a_wait_on_a_lane_that_ends_with_its_session_ends_with_it() {
    let pair = Pair::connect_with(Carrier::Tcp, Quirk::Holds, small_ring()).await;
    let session = pair.a.session().await;
    let large = vec![0; 1 << 20];
    let full = loop {
        match session.send(Lane::State, &[], Payload::Copied(&large)) {
            Ok(_) => {}
            Err(full) => break full,
        }
    };
    let is_full = matches!(full, SendFailure::Lane(SendError::Full { lane: Lane::State, .. }));
    assert!(is_full, "{full}");
    // Far more than the window lets out.
    let large = vec![0; 32 << 20];
    let waits = session.send_waiting(Lane::State, &[], Payload::Copied(&large), Duration::from_secs(3_600));
    let ends = async {
        pair.b.session().await;
        pair.b.endpoint.abort();
    };
    let (outcome, ()) = tokio::time::timeout(GIVE_UP, async { tokio::join!(waits, ends) }).await.unwrap();
    assert_eq!(outcome.unwrap_err(), SendFailure::Ended);
}
