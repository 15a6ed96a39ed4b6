//! What a lane has no need of while it is silent or only beats: made when it is first needed, and given back once the lane is at rest.

use bytes::BytesMut;

use super::super::super::Lane;
use super::super::age::Marks;
use super::super::blocks::Blocks;
use super::super::room::Waiters;
use super::Outbound;
use super::parts::Aside;
use super::queue::{Content, Queue};

/// In this order, so that what a push looks at is together: whether anybody waits for room, and how much waits to be sent.
#[derive(Debug, Default)]
#[repr(C)]
pub(in crate::proto::lanes) struct Rare {
    pub(in crate::proto::lanes) waiters: Waiters,
    pub(super) queue: Queue,
    pub(super) aside: Aside,
    pub(super) blocks: Blocks,
    pub(in crate::proto::lanes) marks: Marks,
    /// What others made the lane shed, until somebody is told.
    pub(in crate::proto::lanes) untold: u64,
}

impl Rare {
    /// Whether it says no more than if it were made anew.
    fn is_spare(&self) -> bool {
        self.queue.is_empty()
            && self.untold == 0
            && self.marks.is_empty()
            && self.waiters.is_unused()
            && self.aside.is_empty()
    }

    /// Bytes that wait to be sent on this lane. On none but that of requests is anything kept aside.
    #[inline]
    pub(super) fn unsent(&self, lane: Lane) -> usize {
        self.queue.unsent_bytes + if lane == Lane::Requests { self.aside.bytes() } else { 0 }
    }

    /// Forgets what was sent and everything of which is below `next`, but for the memory; the bytes of it.
    pub(super) fn take_acknowledged(&mut self, next: u64) -> usize {
        let mut bytes = 0;
        while let Some(entry) = self.queue.take_acknowledged(next) {
            bytes += entry.bytes;
            if let Content::Frame { head, payload: None, .. } = entry.content {
                self.blocks.keep(head);
            }
        }
        bytes
    }
}

impl Outbound {
    #[inline]
    pub(in crate::proto::lanes) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The queue, unless it is empty and takes no memory.
    #[inline]
    pub(super) fn queue(&self) -> Option<&Queue> {
        self.rare.as_ref().map(|rare| &rare.queue)
    }

    /// Whether somebody waits for room.
    #[inline]
    pub(in crate::proto::lanes) fn is_waited_for(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.waiters.is_empty())
    }

    /// Whether it holds messages, or memory for them. What the control lane has sent does not count: that changes with every heartbeat,
    /// and waits for the next one of the peer.
    #[inline]
    pub(in crate::proto) fn keeps_any(&self) -> bool {
        let has_sent = self.sent_bytes > 0 && self.lane != Lane::Control;
        self.open_count > 0 || has_sent || self.open.capacity() > 0 || self.given_up || self.rare.is_some()
    }

    /// Gives back the memory that was kept for what comes, if nothing is held.
    pub(in crate::proto::lanes) fn rest(&mut self) {
        if self.open_count > 0 || self.queue().is_some_and(|queue| !queue.is_empty()) {
            return;
        }
        self.open = BytesMut::new();
        if let Some(rare) = &mut self.rare {
            rare.queue = Queue::default();
            rare.blocks.forget();
        }
        self.rare.take_if(|rare| rare.is_spare());
    }

    /// How many frames and marks are queued.
    #[cfg(test)]
    pub(in crate::proto) fn queued(&self) -> usize {
        self.queue().map_or(0, Queue::len)
    }

    #[cfg(test)]
    pub(in crate::proto::lanes) fn kept_blocks(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.blocks.kept())
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn what_a_push_looks_at_is_in_half_a_cache_line() {
        let start = offset_of!(Rare, waiters) + Waiters::FOR_PUSHES;
        let end = offset_of!(Rare, queue.unsent_bytes) + size_of::<usize>();
        assert!(start < end && end - start <= 32, "from {start} to {end}");
    }
}
