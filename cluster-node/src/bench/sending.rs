//! The sending side: publishes or asks as its orders say, and reports what became of it.

use std::io::{self, BufRead, Write};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cluster_transport::endpoint::{Event, Handler, Incoming, MemoryConnector, SendFailure, SessionHandle};
use cluster_transport::proto::Lane;
use cluster_transport::proto::lanes::Pushed;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::asking::{self, Asker};
use super::latency::Percentiles;
use super::node::{self, Identity, Maker, setup};
use super::usage::Usage;
use super::{BenchError, Plan, Work, stamp};

/// How long all sessions may take to begin.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a subscriber may take nothing, or a request go without an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
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
    let sent = follow(&serde_json::from_str(&line)?, MemoryConnector::default()).await?;
    writeln!(io::stdout(), "{}", serde_json::to_string(&sent)?)?;
    Ok(())
}

/// Does what the orders say.
pub(super) async fn follow(orders: &Orders, neighbours: MemoryConnector) -> Result<Sent, BenchError> {
    let Orders { plan, addresses, identity } = orders;
    let sender = Arc::new(Sender::default());
    let handler = Arc::clone(&sender) as Arc<dyn Handler>;
    let endpoint = Maker { plan, neighbours }.dialler(&node::sender()?, identity.as_ref(), handler)?;
    for address in addresses {
        endpoint.add_target(address.parse().map_err(setup)?).map_err(setup)?;
    }
    let sessions = sender.sessions(addresses.len()).await?;
    let (begin, before) = (Instant::now(), Usage::now());
    let mut sent = match plan.work {
        Work::Publish { waiting } => publish(plan, waiting, &sessions).await?,
        Work::Request { in_flight, awaiting: true } => asking::run_awaiting(plan, in_flight, &sessions).await,
        Work::Request { in_flight, awaiting: false } => {
            sender.asker.get_or_init(|| Asker::new(plan)).run(in_flight, &sessions).await
        }
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
    let payload = asking::payload(payload);
    if !waiting {
        return session.send(Lane::Notifications, head, payload);
    }
    match session.send_if_room(Lane::Notifications, head, &payload)? {
        Some(pushed) => Ok(pushed),
        None => session.send_waiting(Lane::Notifications, head, payload, PATIENCE).await,
    }
}

impl Sent {
    pub(super) fn fail(&mut self, why: String) {
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

/// What hears of the receivers.
#[derive(Default)]
struct Sender {
    sessions: watch::Sender<Vec<Arc<SessionHandle>>>,
    asker: OnceLock<Asker>,
}

impl Sender {
    /// Waits for sessions with so many receivers.
    async fn sessions(&self, count: usize) -> Result<Vec<Arc<SessionHandle>>, BenchError> {
        let mut watch = self.sessions.subscribe();
        let all = watch.wait_for(|sessions| sessions.len() >= count);
        let all = within(CONNECT_WITHIN, "a session with each receiver", all).await?;
        Ok(all.map_err(setup)?.clone())
    }
}

impl Handler for Sender {
    fn on_event(&self, event: Event) {
        if let Event::Up { session, .. } = event {
            self.sessions.send_modify(|sessions| sessions.push(session));
        }
    }

    fn on_incoming(&self, session: &Arc<SessionHandle>, incoming: Incoming) {
        match incoming {
            Incoming::Batch(batch) => session.done_inline(batch.lane(), batch.end()),
            Incoming::Answered { token, outcome, .. } => {
                if let Some(asker) = self.asker.get() {
                    asker.answered(session, token, &outcome);
                }
            }
            _ => {}
        }
    }
}
