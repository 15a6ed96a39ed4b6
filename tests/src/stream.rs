//! Numbered messages of a client of one node to a client of another, one after the other, and how long each took.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cluster_node::client::Client;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::GIVE_UP;

/// Between two messages: so that the machine is the attacker's, not the measurement's.
const PAUSE: Duration = Duration::from_millis(2);

/// A stream of messages, for as long as it is not finished.
#[derive(Debug)]
pub struct Stream {
    under_attack: Arc<AtomicBool>,
    finished: Arc<AtomicBool>,
    sender: JoinHandle<[Vec<Duration>; 2]>,
}

impl Stream {
    /// Begins; the name has to differ from that of every other stream.
    pub async fn begin(name: &'static str, from: SocketAddr, to: SocketAddr) -> Self {
        let (mut publisher, mut subscriber) =
            (Client::connect(from).await.unwrap(), Client::connect(to).await.unwrap());
        let filter = json!({
            "controller": "realtime", "action": "subscribe", "index": "sea", "collection": "ships",
            "body": { "equals": { "stream": name } },
        });
        subscriber.result_of(filter).await.unwrap();
        let (under_attack, finished) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (attacked, done) = (Arc::clone(&under_attack), Arc::clone(&finished));
        let sender = tokio::spawn(async move {
            let mut latencies = [Vec::new(), Vec::new()];
            let mut number = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let phase = usize::from(attacked.load(Ordering::Relaxed));
                let message = json!({
                    "controller": "realtime", "action": "publish", "index": "sea", "collection": "ships",
                    "body": { "stream": name, "number": number },
                });
                let began = Instant::now();
                publisher.result_of(message).await.unwrap();
                let next = tokio::time::timeout(GIVE_UP, subscriber.notification()).await;
                let next =
                    next.unwrap_or_else(|_| panic!("message {number} of {name} does not arrive")).unwrap();
                let arrived = next.pointer("/result/_source/number").and_then(Value::as_u64);
                assert_eq!(arrived, Some(number), "of {name}: {next}");
                latencies[phase].push(began.elapsed());
                number += 1;
                tokio::time::sleep(PAUSE).await;
            }
            latencies
        });
        Self { under_attack, finished, sender }
    }

    /// From now on messages count as those during the attack.
    pub fn under_attack(&self) {
        self.under_attack.store(true, Ordering::Relaxed);
    }

    /// Ends, with every message there: the 99th percentile of the latency before and during the attack.
    pub async fn finish(self) -> [Duration; 2] {
        self.finished.store(true, Ordering::Relaxed);
        self.sender.await.unwrap().map(percentile)
    }
}

fn percentile(mut latencies: Vec<Duration>) -> Duration {
    latencies.sort_unstable();
    latencies.get(latencies.len() * 99 / 100).or(latencies.last()).copied().unwrap_or_default()
}
