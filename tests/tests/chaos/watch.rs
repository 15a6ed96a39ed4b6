//! What the processes say of themselves by their status, all through the run.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::promises::Lives;

/// A process that is stopped does not answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// What is not true by then never will be.
const GIVE_UP: Duration = Duration::from_secs(90);

/// Who gave whom up, and when, in milliseconds since 1970. Whoever left by itself is not in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Removals(BTreeSet<(usize, usize, u64)>);

impl Removals {
    /// Whether one of the two gave the other up around these moments.
    pub(crate) fn near(&self, (a, b): (usize, usize), between: (u64, u64), reach: Duration) -> bool {
        let concerns = |one: usize, other: usize| [(one, other), (other, one)].contains(&(a, b));
        self.0
            .iter()
            .any(|(one, other, when)| concerns(*one, *other) && are_near((*when, *when), between, reach))
    }
}

/// Looks at all processes.
pub(crate) struct Watch {
    nodes: Vec<SocketAddr>,
    seed: u64,
    removals: Mutex<Removals>,
    lives: Mutex<Lives>,
}

impl Watch {
    pub(crate) fn over(nodes: Vec<SocketAddr>, seed: u64) -> Self {
        Self { nodes, seed, removals: Mutex::default(), lives: Mutex::default() }
    }

    /// Asks everybody; what never may be is not, and removals are noted.
    pub(crate) async fn sample(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for (node, address) in self.nodes.iter().enumerate() {
            let Some(status) = status(*address).await else { continue };
            self.note(node, &status);
            all.push(status);
        }
        all
    }

    fn note(&self, node: usize, status: &Value) {
        if let Err(broken) = self.lives.lock().unwrap().observe(node, status) {
            panic!("node-{node}: {broken} (CLUSTER_SEED={}): {status:#}", self.seed);
        }
        let happened = status["activity"].as_array().into_iter().flatten();
        let gave_up = happened.filter(|it| {
            it["event"] == "removed" && !it["text"].as_str().is_some_and(|text| text.ends_with(": it left"))
        });
        let removed = gave_up.filter_map(|it| {
            let other = it["node"].as_str()?.strip_prefix("node-")?.parse().ok()?;
            Some((node, other, it["atMs"].as_u64()?))
        });
        self.removals.lock().unwrap().0.extend(removed);
    }

    pub(crate) fn removals(&self) -> Removals {
        self.removals.lock().unwrap().clone()
    }

    /// Waits until what all processes say fits.
    pub(crate) async fn until(&self, what: &str, fits: impl Fn(&[Value]) -> Result<(), String>) {
        let deadline = tokio::time::Instant::now() + GIVE_UP;
        loop {
            let all = self.sample().await;
            let Err(why) = fits(&all) else { return };
            let late = tokio::time::Instant::now() >= deadline;
            assert!(!late, "they do not {what}: {why}: {all:#?} (CLUSTER_SEED={})", self.seed);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn status(node: SocketAddr) -> Option<Value> {
    let asked = async {
        let mut stream = TcpStream::connect(node).await.ok()?;
        let request = "GET /_plugin/cluster/status HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some(serde_json::from_str::<Value>(body).ok()?["result"].take())
    };
    tokio::time::timeout(ANSWER_WITHIN, asked).await.ok()?
}

pub(crate) fn unix_ms(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Whether two spans have a moment in common, or come this close to each other.
pub(crate) fn are_near(one: (u64, u64), other: (u64, u64), reach: Duration) -> bool {
    let reach = u64::try_from(reach.as_millis()).unwrap();
    one.0 <= other.1.saturating_add(reach) && other.0 <= one.1.saturating_add(reach)
}
