//! A flood of state and notifications beside heartbeats: what is urgent waits for what is on its way already, and for no more.

use cluster_transport::endpoint::SessionHandle;
use cluster_transport::proto::Lane;
use cluster_transport::proto::lanes::Payload;

use crate::harness::{Carrier, GIVE_UP, Pair, Seen};

/// How long a message of the flood is.
const CHUNK: usize = 32 << 10;
/// How many bytes wait in each of both lanes, as long as there are more to come.
const DEPTH: usize = 8 << 20;
/// How many bytes of the flood the link may take before a heartbeat that it could have taken: what is cut in one turn, with what
/// the receiver reads from the other streams beside it.
const AHEAD: usize = 1 << 20;

over_every_link!(a_heartbeat_waits_for_nothing_but_the_bytes_on_their_way);

async fn a_heartbeat_waits_for_nothing_but_the_bytes_on_their_way(carrier: Carrier) {
    let mebibytes = std::env::var("CLUSTER_FLOOD_MIB").map_or(24, |size| size.parse().unwrap());
    let chunks = (mebibytes << 20) / CHUNK / 2;
    let pair = Pair::connect(carrier).await;
    let session = pair.a.session().await;
    let (mut pushed, mut beats) = (0, Vec::new());
    while pushed < chunks {
        while pushed < chunks && unsent(&session) < 2 * DEPTH {
            for lane in [Lane::State, Lane::Notifications] {
                session.send_waiting(lane, &[], Payload::Copied(&[7; CHUNK]), GIVE_UP).await.unwrap();
            }
            pushed += 1;
        }
        session.send(Lane::Control, &[], Payload::Copied(b"heartbeat")).unwrap();
        // Read afterwards: what left meanwhile can only make more of what was on its way.
        let waiting = unsent(&session);
        beats.push((2 * pushed * CHUNK - waiting.min(2 * pushed * CHUNK), waiting));
        pair.b.has(Lane::Control, beats.len()).await;
    }
    for lane in [Lane::State, Lane::Notifications] {
        pair.b.has(lane, chunks).await;
    }
    let ahead = received_before_each_beat(&pair)
        .into_iter()
        .zip(&beats)
        .map(|(received, (left, _))| received.saturating_sub(*left));
    let ahead: Vec<usize> = ahead.collect();
    assert_eq!(ahead.len(), beats.len());
    let most = ahead.iter().copied().max().unwrap_or_default();
    assert!(most <= AHEAD, "{most} bytes that were still waiting arrived before a heartbeat: {ahead:?}");
    let deepest = beats.iter().map(|(_, waiting)| *waiting).max().unwrap_or_default();
    assert!(
        deepest >= 4 * AHEAD,
        "only {deepest} bytes waited: a heartbeat in their queue would have passed too"
    );
    assert_eq!(session.lag(Lane::Notifications).shed, 0);
}

/// Bytes of the flood that the link has not taken.
fn unsent(session: &SessionHandle) -> usize {
    session.lag(Lane::State).unsent_bytes + session.lag(Lane::Notifications).unsent_bytes
}

/// How many bytes of the flood came before each heartbeat.
fn received_before_each_beat(pair: &Pair) -> Vec<usize> {
    let (mut received, mut before) = (0, Vec::new());
    for seen in pair.b.recorder.seen.lock().unwrap().iter() {
        match seen {
            Seen::Message(Lane::Control, _) => before.push(received),
            Seen::Message(_, message) => received += message.len(),
            _ => {}
        }
    }
    before
}
