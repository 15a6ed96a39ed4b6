//! Messages that wait to be sent, bounded for each peer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use cluster_transport::proto::NodeId;

use super::wire::Message;

/// The most messages that wait for one peer: whoever provokes more answers than that does not get them.
const MAX_WAITING: u32 = 256;

#[derive(Debug)]
enum Waiting {
    ForOne(NodeId, Bytes),
    /// A heartbeat for peers, without so many at the beginning: what this node says by itself counts against nobody.
    ForAll {
        peers: Arc<[NodeId]>,
        without: usize,
        message: Bytes,
    },
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<Waiting>,
    /// How many wait for each peer; heartbeats aside.
    waiting: BTreeMap<NodeId, u32>,
    dropped: u64,
}

impl Outbox {
    pub(super) fn push(&mut self, to: &NodeId, message: &Message) {
        self.push_encoded(to, || message.encode());
    }

    /// As [`push`](Self::push), for a message that is encoded here if there is room for it.
    pub(super) fn push_encoded(&mut self, to: &NodeId, message: impl FnOnce() -> Bytes) {
        let waiting = self.waiting.entry(to.clone()).or_default();
        if *waiting == MAX_WAITING {
            self.dropped += 1;
            return;
        }
        *waiting += 1;
        self.queue.push_back(Waiting::ForOne(to.clone(), message()));
    }

    /// A heartbeat for these peers: encoded once, and shared.
    pub(super) fn push_to_all(&mut self, peers: Arc<[NodeId]>, message: Bytes) {
        if !peers.is_empty() {
            self.queue.push_back(Waiting::ForAll { peers, without: 0, message });
        }
    }

    pub(super) fn pop(&mut self) -> Option<(NodeId, Bytes)> {
        if let Waiting::ForAll { peers, without, message } = self.queue.front_mut()? {
            let (to, message) = (peers.get(*without)?.clone(), message.clone());
            *without += 1;
            if *without == peers.len() {
                self.queue.pop_front();
            }
            return Some((to, message));
        }
        let Waiting::ForOne(to, message) = self.queue.pop_front()? else { return None };
        if let Some(waiting) = self.waiting.get_mut(&to) {
            *waiting -= 1;
            if *waiting == 0 {
                self.waiting.remove(&to);
            }
        }
        Some((to, message))
    }

    pub(super) fn has_messages(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Forgets what waits for a peer whose session is gone.
    pub(super) fn clear(&mut self, peer: &NodeId) {
        self.waiting.remove(peer);
        self.queue.retain_mut(|waiting| match waiting {
            Waiting::ForOne(to, _) => to != peer,
            Waiting::ForAll { peers, without, .. } if peers.iter().skip(*without).any(|to| to == peer) => {
                let rest = peers.iter().skip(std::mem::take(without));
                *peers = rest.filter(|to| *to != peer).cloned().collect();
                !peers.is_empty()
            }
            Waiting::ForAll { .. } => true,
        });
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_cannot_fill_the_outbox() {
        let (greedy, modest): (NodeId, NodeId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let mut outbox = Outbox::default();
        for ping in 0..1000 {
            outbox.push(&greedy, &Message::Ping(ping));
        }
        outbox.push(&modest, &Message::Ping(0));
        outbox.push_to_all([greedy.clone(), modest.clone()].into(), Message::Compare.encode());
        assert_eq!((outbox.queue.len(), outbox.dropped()), (258, 744));
        outbox.clear(&greedy);
        assert_eq!(outbox.pop(), Some((modest.clone(), Message::Ping(0).encode())));
        assert_eq!(outbox.pop(), Some((modest, Message::Compare.encode())));
        assert_eq!((outbox.pop(), outbox.waiting.len()), (None, 0));
    }
}
