//! What the processes say of themselves by their status, and what memory they need.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::crew::NODES;

/// A process that is stopped does not answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// What is not true by then never will be.
const GIVE_UP: Duration = Duration::from_secs(90);
/// What a process may need more in the last quarter of the run than in the second, in MiB.
const SLACK: u64 = 24;

/// Who removed whom, and when, in milliseconds since 1970.
pub(crate) type Removals = BTreeSet<(usize, usize, u64)>;

/// Looks at all processes.
pub(crate) struct Watch {
    nodes: Vec<SocketAddr>,
    removals: Mutex<Removals>,
    resident: Mutex<Vec<u64>>,
}

/// The resident memory over the run, in MiB a process.
pub(crate) struct Memory(Vec<u64>);

impl Watch {
    pub(crate) fn over(nodes: Vec<SocketAddr>) -> Self {
        Self { nodes, removals: Mutex::default(), resident: Mutex::default() }
    }

    /// Takes note of removals and of memory.
    pub(crate) async fn sample(&self, processes: &[u32]) {
        let resident: Vec<u64> = processes.iter().filter_map(|id| resident_mib(*id)).collect();
        self.resident.lock().unwrap().extend(resident.iter().max());
        for (node, address) in self.nodes.iter().enumerate() {
            if let Some(status) = status(*address).await {
                self.note(node, &status);
            }
        }
    }

    fn note(&self, node: usize, status: &Value) {
        let removed =
            status["activity"].as_array().into_iter().flatten().filter(|it| it["event"] == "removed");
        let removed = removed.filter_map(|it| {
            let other = it["node"].as_str()?.strip_prefix("node-")?.parse().ok()?;
            Some((node, other, it["atMs"].as_u64()?))
        });
        self.removals.lock().unwrap().extend(removed);
    }

    pub(crate) fn removals(&self) -> Removals {
        self.removals.lock().unwrap().clone()
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory(self.resident.lock().unwrap().clone())
    }

    /// Waits until what all processes say fits.
    pub(crate) async fn until(&self, what: &str, seed: u64, fits: impl Fn(&[Value]) -> bool) {
        let deadline = tokio::time::Instant::now() + GIVE_UP;
        loop {
            let mut all = Vec::new();
            for (node, address) in self.nodes.iter().enumerate() {
                all.extend(status(*address).await.inspect(|status| self.note(node, status)));
            }
            if fits(&all) {
                return;
            }
            let late = tokio::time::Instant::now() >= deadline;
            assert!(!late, "they do not {what}: {all:#?} (CLUSTER_SEED={seed})");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// All are ready, see all others, agree on the same rooms, and have found no fault.
pub(crate) fn is_settled(all: &[Value]) -> bool {
    let rooms: BTreeSet<_> =
        all.iter().map(|status| (status["rooms"].as_u64(), status["subscriptions"].as_u64())).collect();
    let is_well = |status: &Value| {
        let pool = status["pool"].as_array().map_or(0, Vec::len);
        let unrepaired = status["repairs"]["unrepaired"].as_u64();
        status["current"]["ready"] == true
            && status["converged"] == true
            && pool + 1 == NODES
            && status["faults"] == 0
            && unrepaired == Some(0)
    };
    all.len() == NODES && rooms.len() == 1 && all.iter().all(is_well)
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

fn resident_mib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(resident.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}

pub(crate) fn unix_ms(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl Memory {
    /// The mean of one quarter of the run.
    fn quarter(&self, number: usize) -> u64 {
        let len = (self.0.len() / 4).max(1);
        let samples: Vec<_> = self.0.iter().skip(number * len).take(len).collect();
        samples.iter().copied().sum::<u64>() / samples.len().max(1) as u64
    }

    /// The last quarter needs no more than the second.
    pub(crate) fn assert_flat(&self, seed: u64) {
        let (before, after) = (self.quarter(1), self.quarter(3));
        assert!(after <= before + SLACK, "memory grows from {before} to {after} MiB (CLUSTER_SEED={seed})");
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.0.iter().max().unwrap_or(&0);
        write!(
            f,
            "the largest process resident {} → {} MiB, at most {most}",
            self.quarter(1),
            self.quarter(3)
        )
    }
}
