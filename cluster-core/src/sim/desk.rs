//! What waits for a slow host: it takes everything that has gathered, and then is busy for a while.

use std::sync::Arc;
use std::time::Duration;

use cluster_transport::proto::lanes::{Batch, PeerLanes};
use cluster_transport::proto::{Instant, NodeId, SessionId};

/// A batch that the host has not taken yet, which is therefore not acknowledged.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) peer: NodeId,
    pub(super) session: SessionId,
    pub(super) lanes: Arc<PeerLanes>,
    pub(super) batch: Batch,
}

/// The host's desk.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// How long the host is busy with what it has taken.
    pub(super) lag: Duration,
    /// The last `at` of the rooms that the host was told of.
    pub(super) told_at: u64,
    waiting: Vec<Waiting>,
    busy_until: Option<Instant>,
}

impl Desk {
    /// Whether the host takes something now.
    pub(super) fn is_free(&mut self, now: Instant) -> bool {
        if self.busy_until.is_some_and(|until| until <= now) {
            self.busy_until = None;
        }
        self.busy_until.is_none()
    }

    /// The host has taken something.
    pub(super) fn took(&mut self, now: Instant) {
        if self.lag > Duration::ZERO {
            self.busy_until = Some(now + self.lag);
        }
    }

    pub(super) fn put(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }

    /// Whether there is something that the host has not taken.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn take_all(&mut self) -> Vec<Waiting> {
        std::mem::take(&mut self.waiting)
    }

    /// When a host that is busy is free again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.busy_until
    }
}
