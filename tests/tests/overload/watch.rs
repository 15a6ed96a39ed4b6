//! What the nodes say of themselves and of each other while one of them is overloaded.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use cluster_tests::{NodeProcess, http};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Where a node is.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    process: u32,
}

impl Node {
    pub(crate) fn of(process: &NodeProcess) -> Self {
        Self { address: process.address(), process: process.id() }
    }

    async fn result(&self, path: &str) -> Option<(u16, Value)> {
        let (port, path) = (self.address.port(), format!("/_plugin/cluster/{path}"));
        let (code, body) = tokio::task::spawn_blocking(move || http::get(port, &path)).await.unwrap()?;
        Some((code, serde_json::from_str::<Value>(&body).ok()?["result"].take()))
    }

    /// What it says of itself.
    pub(crate) async fn status(&self) -> Option<Value> {
        Some(self.result("status").await?.1)
    }

    fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// Waits until it says that it is well, as health, status and metrics have it; its load then.
    pub(crate) async fn well(&self, within: Duration) -> Value {
        let well = async {
            loop {
                if let Some((200, health)) = self.result("health").await
                    && health == "ok"
                    && let Some(status) = self.status().await
                    && status["load"]["overloaded"].as_array().is_some_and(Vec::is_empty)
                    && status["load"]["requestsUnderWay"] == 0
                {
                    return status["load"].clone();
                }
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(within, well).await.unwrap_or_else(|_| panic!("not well again within {within:?}"))
    }
}

/// Looks at the nodes now and then.
#[derive(Debug)]
pub(crate) struct Watch {
    end: oneshot::Sender<()>,
    task: JoinHandle<Seen>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    looks: u32,
    answered: u32,
    slowest: Duration,
    overloaded: Vec<String>,
    removed: Vec<String>,
    unhealthy: Vec<u16>,
    resident_mib: (u64, u64),
}

impl Watch {
    /// Watches a node, and what others think of it.
    pub(crate) fn begin(node: &Node, others: [&Node; 2]) -> Self {
        let (end, mut ended) = oneshot::channel();
        let (node, others) = (node.clone(), others.map(Clone::clone));
        let resident = node.resident_mib();
        let task = tokio::spawn(async move {
            let mut seen = Seen { resident_mib: (resident, resident), ..Seen::default() };
            while timeout(LOOK_EVERY, &mut ended).await.is_err() {
                seen.look_at(&node).await;
            }
            for other in &others {
                seen.ask(other).await;
            }
            seen
        });
        Self { end, task }
    }

    /// The end, and what was seen.
    pub(crate) async fn end(self) -> Seen {
        drop(self.end);
        self.task.await.unwrap()
    }
}

impl Seen {
    async fn look_at(&mut self, node: &Node) {
        self.looks += 1;
        self.resident_mib.1 = self.resident_mib.1.max(node.resident_mib());
        let asked = Instant::now();
        // Under a flood of connections one may be refused by the system; the next look is soon.
        let Some((code, ready)) = node.result("health/ready").await else { return };
        self.answered += 1;
        self.slowest = self.slowest.max(asked.elapsed());
        if code != 200 {
            self.unhealthy.push(code);
        }
        for reason in ready["overloaded"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !self.overloaded.iter().any(|known| known == reason) {
                self.overloaded.push(reason.to_owned());
            }
        }
    }

    /// Whether a node has ever removed another one, and has both others still.
    async fn ask(&mut self, node: &Node) {
        let status = node.status().await.expect("a node that is not overloaded answers");
        let removed =
            status["activity"].as_array().into_iter().flatten().filter(|it| it["event"] == "removed");
        self.removed.extend(removed.map(|it| it["text"].to_string()));
        let connected =
            status["pool"].as_array().into_iter().flatten().filter(|it| it["state"] == "connected");
        assert_eq!(connected.count(), 2, "{status:#}");
    }

    /// It was a member all the time, said what it refused, and its memory stayed within bounds.
    pub(crate) fn assert_kept(&self, slack_mib: u64) {
        assert!(self.removed.is_empty(), "removed: {:?}", self.removed);
        assert!(self.unhealthy.is_empty(), "health said {:?}", self.unhealthy);
        for bound in ["clients", "requests", "rooms", "outgoingBytesTotal"] {
            let named = self.overloaded.iter().any(|reason| reason.contains(&format!("limits.{bound})")));
            assert!(named, "it never said that it had met {bound}: {:?}", self.overloaded);
        }
        let (before, most) = self.resident_mib;
        assert!(most <= before + slack_mib, "resident {before} → {most} MiB");
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { looks, answered, slowest, overloaded, resident_mib: (before, most), .. } = self;
        write!(
            f,
            "resident {before} MiB before, at most {most}; health answered {answered} of {looks} times, the slowest after {slowest:.1?}; it said: {overloaded:?}"
        )
    }
}
