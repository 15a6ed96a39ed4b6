//! Messages that wait to be sent, bounded for each peer.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use cluster_transport::proto::NodeId;

use super::wire::Message;

/// The most messages that wait for one peer: whoever provokes more answers than that does not get them.
const MAX_WAITING: u32 = 256;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<(NodeId, Bytes)>,
    waiting: BTreeMap<NodeId, u32>,
    dropped: u64,
}

impl Outbox {
    pub(super) fn push(&mut self, to: &NodeId, message: &Message) {
        self.push_encoded(to, || message.encode());
    }

    /// As [`push`](Self::push), for a message that goes to many: encoded once, and shared.
    pub(super) fn push_shared(&mut self, to: &NodeId, message: &Bytes) {
        self.push_encoded(to, || message.clone());
    }

    fn push_encoded(&mut self, to: &NodeId, message: impl FnOnce() -> Bytes) {
        let waiting = self.waiting.entry(to.clone()).or_default();
        if *waiting == MAX_WAITING {
            self.dropped += 1;
            return;
        }
        *waiting += 1;
        self.queue.push_back((to.clone(), message()));
    }

    pub(super) fn pop(&mut self) -> Option<(NodeId, Bytes)> {
        let (to, message) = self.queue.pop_front()?;
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
        if self.waiting.remove(peer).is_some() {
            self.queue.retain(|(to, _)| to != peer);
        }
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
        assert_eq!((outbox.queue.len(), outbox.dropped()), (257, 744));
        outbox.clear(&greedy);
        assert_eq!(outbox.pop(), Some((modest, Message::Ping(0).encode())));
        assert_eq!((outbox.pop(), outbox.waiting.len()), (None, 0));
    }
}
