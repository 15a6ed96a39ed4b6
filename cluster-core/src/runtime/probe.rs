//! How long a round trip to each member takes, and how far its wall clock is from ours.
//!
//! Both are shown to operators and decide nothing. A member is asked for its wall clock when its session begins and every
//! [`EVERY`] then; the answer is given by the task of its link, so it does not wait for its host.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::{Instant, NodeId, SessionId};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::activity::unix_ms;
use super::commands;
use super::inner::Inner;
use super::peers::Peer;

/// How often a member is asked.
const EVERY: Duration = Duration::from_secs(5);
/// How often it is looked who is to be asked.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(4);

/// What was measured last within a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// The round trip.
    pub(super) round_trip: Duration,
    /// The member's wall clock less ours, in milliseconds, give or take half the round trip.
    pub(super) skew_ms: i64,
}

#[derive(Debug)]
struct Probe {
    session: SessionId,
    asked: Instant,
    sample: Option<Sample>,
}

/// What was measured of each member.
#[derive(Debug, Default)]
pub(super) struct Probes(Mutex<BTreeMap<NodeId, Probe>>);

impl Probes {
    /// What was measured of a member within this session.
    pub(super) fn sample(&self, node: &NodeId, session: SessionId) -> Option<Sample> {
        self.lock().get(node).filter(|probe| probe.session == session).and_then(|probe| probe.sample)
    }

    /// Who is to be asked now, of the peers.
    fn due(&self, now: Instant, peers: Vec<Arc<Peer>>) -> Vec<Arc<Peer>> {
        let mut probes = self.lock();
        probes.retain(|node, _| peers.iter().any(|peer| peer.session.peer() == node));
        let mut due = peers;
        due.retain(|peer| {
            let (node, session) = (peer.session.peer(), peer.session.id());
            let known = probes.get(node).filter(|probe| probe.session == session);
            let sample = known.and_then(|probe| probe.sample);
            let is_due = known.is_none_or(|probe| now.since(probe.asked) >= EVERY);
            if is_due {
                probes.insert(node.clone(), Probe { session, asked: now, sample });
            }
            is_due
        });
        due
    }

    fn note(&self, node: &NodeId, session: SessionId, sample: Sample) {
        if let Some(probe) = self.lock().get_mut(node).filter(|probe| probe.session == session) {
            probe.sample = Some(sample);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<NodeId, Probe>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to a peer that asks for this node's wall clock.
pub(super) fn wall_clock() -> [u8; 8] {
    unix_ms(SystemTime::now()).to_be_bytes()
}

/// Asks the members until this one ends. Those that do not answer are as if they had not been asked.
pub(super) async fn run(inner: Arc<Inner>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = inner.stop().cancelled() => return,
            _ = looks.tick() => {}
        }
        while asked.try_join_next().is_some() {}
        for peer in inner.probes.due(inner.now(), inner.all_peers()) {
            let inner = Arc::clone(&inner);
            asked.spawn(async move { ask(&inner, &peer).await });
        }
    }
}

async fn ask(inner: &Inner, peer: &Peer) {
    let began = inner.now();
    let question = Payload::Copied(&[commands::WALL_CLOCK]);
    let Ok(answer) = peer.session.request(question, DEADLINE).await else { return };
    let round_trip = inner.now().since(began);
    let Ok(theirs) = <[u8; 8]>::try_from(&*answer) else { return };
    let ours = SystemTime::now().checked_sub(round_trip / 2).map_or(0, unix_ms);
    let skew_ms = i64::try_from(i128::from(u64::from_be_bytes(theirs)) - i128::from(ours));
    let sample = Sample { round_trip, skew_ms: skew_ms.unwrap_or(i64::MAX) };
    inner.probes.note(peer.session.peer(), peer.session.id(), sample);
}
