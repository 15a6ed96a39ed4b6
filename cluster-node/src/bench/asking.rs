//! The asking side of requests: each answer is followed by the next request, until the time is over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cluster_transport::endpoint::SessionHandle;
use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::requests::Outcome;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Plan;
use super::latency::Latencies;
use super::sending::{PATIENCE, Sent};
use super::stamp;

/// Asks from within the handler, so that the answers of one read lead to requests of one write.
#[derive(Debug)]
pub(super) struct Asker {
    payload: Bytes,
    /// By the clock of the stamps.
    until: u64,
    tally: Mutex<Tally>,
    over: Notify,
}

#[derive(Debug, Default)]
struct Tally {
    under_way: usize,
    sent: Sent,
    latencies: Latencies,
}

impl Asker {
    /// Will ask as planned, from now on.
    pub(super) fn new(plan: &Plan) -> Self {
        let span = u64::try_from(plan.duration.as_nanos()).unwrap_or(u64::MAX);
        Self {
            payload: vec![7; plan.size].into(),
            until: stamp::nanos().saturating_add(span),
            tally: Mutex::default(),
            over: Notify::new(),
        }
    }

    /// Has so many requests under way with each peer until the time is over; what became of them.
    pub(super) async fn run(&self, in_flight: u16, sessions: &[Arc<SessionHandle>]) -> Sent {
        for session in sessions {
            for _ in 0..in_flight {
                self.ask(session, &mut self.tally(), stamp::nanos());
            }
        }
        while self.tally().under_way > 0 {
            self.over.notified().await;
        }
        let mut tally = self.tally();
        let mut sent = std::mem::take(&mut tally.sent);
        sent.latency = tally.latencies.percentiles();
        sent
    }

    /// A request that was begun at `begin` has ended.
    pub(super) fn answered(&self, session: &SessionHandle, begin: u64, outcome: &Outcome) {
        let now = stamp::nanos();
        let mut tally = self.tally();
        tally.under_way -= 1;
        match outcome {
            Outcome::Reply(reply) if *reply == self.payload => {
                tally.latencies.record(now.saturating_sub(begin))
            }
            Outcome::Reply(reply) => tally.sent.fail(format!("{} other bytes came back", reply.len())),
            other => tally.sent.fail(format!("{other:?}")),
        }
        if now < self.until {
            self.ask(session, &mut tally, now);
        }
        if tally.under_way == 0 {
            self.over.notify_one();
        }
    }

    fn ask(&self, session: &SessionHandle, tally: &mut Tally, now: u64) {
        tally.sent.messages += 1;
        match session.ask(payload(&self.payload), PATIENCE, now) {
            Ok(_) => tally.under_way += 1,
            Err(error) => tally.sent.fail(error.to_string()),
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }
}

/// The same with a task for each request under way, which awaits its answer.
pub(super) async fn run_awaiting(plan: &Plan, in_flight: u16, sessions: &[Arc<SessionHandle>]) -> Sent {
    let bytes = Bytes::from(vec![7; plan.size]);
    let until = Instant::now() + plan.duration;
    // One for all: so many of them would not stay in the cache, and cost more than what they count.
    let latencies = Arc::new(Mutex::new(Latencies::default()));
    let mut askers = JoinSet::new();
    for session in sessions {
        for _ in 0..in_flight {
            askers.spawn(await_on(Arc::clone(session), bytes.clone(), until, Arc::clone(&latencies)));
        }
    }
    let mut sent = Sent::default();
    for asked in askers.join_all().await {
        sent.messages += asked.messages;
        sent.failed += asked.failed;
        sent.failure = sent.failure.or(asked.failure);
    }
    sent.latency = lock(&latencies).percentiles();
    sent
}

/// One request after the other.
async fn await_on(
    session: Arc<SessionHandle>,
    bytes: Bytes,
    until: Instant,
    latencies: Arc<Mutex<Latencies>>,
) -> Sent {
    let mut sent = Sent::default();
    let mut begin = Instant::now();
    while begin < until {
        let answer = session.request(payload(&bytes), PATIENCE).await;
        let end = Instant::now();
        sent.messages += 1;
        match answer {
            Ok(reply) if reply == bytes => lock(&latencies).record(nanos(end - begin)),
            Ok(reply) => sent.fail(format!("{} other bytes came back", reply.len())),
            Err(error) => sent.fail(error.to_string()),
        }
        begin = end;
    }
    sent
}

/// What is copied anyway need not be counted by reference.
pub(super) fn payload(bytes: &Bytes) -> Payload<'_> {
    match bytes.len() {
        0..=1024 => Payload::Copied(bytes),
        _ => Payload::Shared(bytes.clone()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
