//! What a peer may have written to the log: a member that is broken, or that lies, must not fill it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cluster_transport::proto::NodeId;
use tokio::time::Instant;

/// Between two lines about one peer.
const INTERVAL: Duration = Duration::from_secs(60);
/// How many peers are remembered; from then on the one with the oldest line gives way.
const MAX_PEERS: usize = 1_024;

/// Lets one complaint a minute through for each peer, and counts the others.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<BTreeMap<NodeId, Last>>);

#[derive(Debug)]
struct Last {
    at: Instant,
    unsaid: u64,
}

impl Seldom {
    /// Whether a complaint about this peer is worth a line now: if it is, how many were not since the last one.
    pub fn worth_a_line(&self, peer: &NodeId) -> Option<u64> {
        let (now, mut all) = (Instant::now(), self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(last) = all.get_mut(peer) {
            if now < last.at + INTERVAL {
                last.unsaid += 1;
                return None;
            }
            return Some(std::mem::take(last).unsaid);
        }
        if all.len() >= MAX_PEERS
            && let Some(oldest) = all.iter().min_by_key(|(_, last)| last.at).map(|(peer, _)| peer.clone())
        {
            all.remove(&oldest);
        }
        all.insert(peer.clone(), Last::default());
        Some(0)
    }
}

impl Default for Last {
    fn default() -> Self {
        Self { at: Instant::now(), unsaid: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeId {
        name.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_complained_of_once_a_minute() {
        let seldom = Seldom::default();
        let complaints = [seldom.worth_a_line(&node("a")), seldom.worth_a_line(&node("a"))];
        assert_eq!(complaints, [Some(0), None]);
        assert_eq!(seldom.worth_a_line(&node("b")), Some(0));
        tokio::time::advance(INTERVAL).await;
        assert_eq!((seldom.worth_a_line(&node("a")), seldom.worth_a_line(&node("a"))), (Some(1), None));
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_peers_are_remembered() {
        let seldom = Seldom::default();
        for number in 0..2 * MAX_PEERS {
            assert_eq!(seldom.worth_a_line(&node(&format!("node-{number}"))), Some(0));
        }
        assert_eq!(seldom.0.lock().unwrap().len(), MAX_PEERS);
    }
}
