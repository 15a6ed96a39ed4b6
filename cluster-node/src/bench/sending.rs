//! The sending side: publishes or asks as its orders say, and reports what became of it.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cluster_transport::endpoint::{Event, Handler, Incoming, SendFailure, SessionHandle};
use cluster_transport::proto::Lane;
use cluster_transport::proto::lanes::{Payload, Pushed};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::latency::{Latencies, Percentiles};
use super::node::{self, Identity, Maker, Neighbours, setup};
use super::usage::Usage;
use super::{BenchError, Plan, Work, stamp};

/// How long all sessions may take to begin.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a subscriber may take nothing, or a request go without an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether everything was acknowledged.
const LOOK: Duration = Duration::from_millis(2);
/// The clock is read once for so many messages.
const STRIDE: u64 = 64;

/// What the sending side is to do.
#[derive(Serialize, Deserialize)]
pub(super) struct Orders {
    pub(super) plan: Plan,
    pub(super) addresses: Vec<String>,
    pub(super) identity: Option<Identity>,
}

/// What became of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sent {
    /// Messages, each to every receiver; or requests.
    pub(super) messages: u64,
    /// Of each receiver: its name, and how many messages to it gave way.
    pub(super) shed: Vec<(String, u64)>,
    /// Requests that had no reply, and why the last of them had none.
    pub(super) failed: u64,
    pub(super) failure: Option<String>,
    /// For how long was sent, in seconds.
    pub(super) seconds: f64,
    /// From a request to its reply.
    pub(super) latency: Option<Percentiles>,
    pub(super) usage: Usage,
}

/// Reads orders from standard input, follows them, and writes what became of it to standard output.
///
/// # Errors
/// When the orders are none, or cannot be followed.
pub async fn serve() -> Result<(), BenchError> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let sent = follow(&serde_json::from_str(&line)?, Neighbours::default()).await?;
    writeln!(io::stdout(), "{}", serde_json::to_string(&sent)?)?;
    Ok(())
}

/// Does what the orders say.
pub(super) async fn follow(orders: &Orders, neighbours: Neighbours) -> Result<Sent, BenchError> {
    let Orders { plan, addresses, identity } = orders;
    let sessions = Arc::new(Sessions::default());
    let handler = Arc::clone(&sessions) as Arc<dyn Handler>;
    let endpoint = Maker { plan, neighbours }.dialler(&node::sender()?, identity.as_ref(), handler)?;
    for address in addresses {
        endpoint.add_target(address.parse().map_err(setup)?).map_err(setup)?;
    }
    let sessions = sessions.all(addresses.len()).await?;
    let (begin, before) = (Instant::now(), Usage::now());
    let mut sent = match plan.work {
        Work::Publish { waiting } => publish(plan, waiting, &sessions).await?,
        Work::Request { in_flight } => ask(plan, in_flight, &sessions).await,
    };
    sent.seconds = begin.elapsed().as_secs_f64();
    acknowledged(&sessions).await?;
    sent.usage = Usage::now().since(before);
    endpoint.shutdown().await;
    Ok(sent)
}

/// Publishes until the time is over.
async fn publish(plan: &Plan, waiting: bool, sessions: &[Arc<SessionHandle>]) -> Result<Sent, BenchError> {
    let payload = Bytes::from(vec![7; plan.size - stamp::HEAD]);
    let mut shed = vec![0; sessions.len()];
    let until = Instant::now() + plan.duration;
    let mut number = 0;
    while Instant::now() < until {
        for _ in 0..STRIDE {
            let head = stamp::head(number);
            for (session, shed) in sessions.iter().zip(&mut shed) {
                let pushed = push(session, waiting, &head, &payload).await;
                *shed += pushed.map_err(|error| BenchError::Refused(error.to_string()))?.shed;
            }
            number += 1;
        }
    }
    let names = sessions.iter().map(|session| session.peer().to_string());
    Ok(Sent { messages: number, shed: names.zip(shed).collect(), ..Sent::default() })
}

async fn push(
    session: &SessionHandle,
    waiting: bool,
    head: &[u8],
    payload: &Bytes,
) -> Result<Pushed, SendFailure> {
    // What is copied anyway need not be counted by reference.
    let payload = match payload.len() {
        0..=1024 => Payload::Copied(payload),
        _ => Payload::Shared(payload.clone()),
    };
    match waiting {
        true => session.send_waiting(Lane::Notifications, head, payload, PATIENCE).await,
        false => session.send(Lane::Notifications, head, payload),
    }
}

/// Asks until the time is over.
async fn ask(plan: &Plan, in_flight: u16, sessions: &[Arc<SessionHandle>]) -> Sent {
    let payload = Bytes::from(vec![7; plan.size]);
    let until = Instant::now() + plan.duration;
    let mut askers = JoinSet::new();
    for session in sessions {
        for _ in 0..in_flight {
            askers.spawn(ask_on(Arc::clone(session), payload.clone(), until));
        }
    }
    let (mut sent, mut latencies) = (Sent::default(), Latencies::default());
    for (asked, latency) in askers.join_all().await {
        sent.messages += asked.messages;
        sent.failed += asked.failed;
        sent.failure = sent.failure.or(asked.failure);
        latencies.add(&latency);
    }
    sent.latency = latencies.percentiles();
    sent
}

/// One request after the other.
async fn ask_on(session: Arc<SessionHandle>, payload: Bytes, until: Instant) -> (Sent, Latencies) {
    let (mut sent, mut latencies) = (Sent::default(), Latencies::default());
    let mut begin = Instant::now();
    while begin < until {
        let answer = session.request(Payload::Shared(payload.clone()), PATIENCE).await;
        let end = Instant::now();
        sent.messages += 1;
        match answer {
            Ok(reply) if reply == payload => {
                latencies.record(u64::try_from((end - begin).as_nanos()).unwrap_or(u64::MAX));
            }
            Ok(reply) => sent.fail(format!("{} other bytes came back", reply.len())),
            Err(error) => sent.fail(error.to_string()),
        }
        begin = end;
    }
    (sent, latencies)
}

impl Sent {
    fn fail(&mut self, why: String) {
        self.failed += 1;
        self.failure = Some(why);
    }
}

/// Waits until nothing is unsent or unacknowledged.
async fn acknowledged(sessions: &[Arc<SessionHandle>]) -> Result<(), BenchError> {
    let all = async {
        for session in sessions {
            while is_behind(session) {
                tokio::time::sleep(LOOK).await;
            }
        }
    };
    let what = "the acknowledgement of everything that was sent";
    within(PATIENCE, what, all).await
}

fn is_behind(session: &SessionHandle) -> bool {
    let lag = session.lag(Lane::Notifications);
    lag.unsent_bytes + lag.unacknowledged_bytes > 0
}

pub(super) async fn within<T>(
    limit: Duration,
    what: &'static str,
    work: impl Future<Output = T>,
) -> Result<T, BenchError> {
    let late = |_| BenchError::TimedOut { what, seconds: limit.as_secs() };
    tokio::time::timeout(limit, work).await.map_err(late)
}

/// The sessions with the receivers.
#[derive(Default)]
struct Sessions(watch::Sender<Vec<Arc<SessionHandle>>>);

impl Sessions {
    /// Waits for sessions with so many receivers.
    async fn all(&self, count: usize) -> Result<Vec<Arc<SessionHandle>>, BenchError> {
        let mut watch = self.0.subscribe();
        let all = watch.wait_for(|sessions| sessions.len() >= count);
        let all = within(CONNECT_WITHIN, "a session with each receiver", all).await?;
        Ok(all.map_err(setup)?.clone())
    }
}

impl Handler for Sessions {
    fn on_event(&self, event: Event) {
        if let Event::Up { session, .. } = event {
            self.0.send_modify(|sessions| sessions.push(session));
        }
    }

    fn on_incoming(&self, session: &Arc<SessionHandle>, incoming: Incoming) {
        if let Incoming::Batch(batch) = incoming {
            session.done_inline(batch.lane(), batch.end());
        }
    }
}
