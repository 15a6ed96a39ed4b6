//! What a session holds that has more to do than to carry its lanes: made when it is first needed, and given back.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::proto::{Instant, Lane, PerLane};

#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Frames that belong to no lane's messages: the starts of lanes, a leave, a close.
    pub(super) frames: VecDeque<(Lane, Bytes)>,
    /// What goes through tunnels, behind everything else. Bounded by the credit of each.
    pub(super) tunnels: VecDeque<Bytes>,
    /// This side leaves, and until when it waits for the peer.
    pub(super) leaving: Option<Instant>,
    pub(super) peer_leave: Option<PeerLeave>,
}

/// The peer leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerLeave {
    /// The numbers after the last ones.
    pub(super) ends: PerLane<u64>,
    /// Until when these are waited for.
    pub(super) until: Instant,
}

impl Rare {
    /// Whether it says no more than if it were made anew.
    pub(super) fn is_spare(&self) -> bool {
        self.frames.is_empty()
            && self.tunnels.is_empty()
            && self.leaving.is_none()
            && self.peer_leave.is_none()
    }

    /// The next deadline.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let peer_leave = self.peer_leave.map(|leave| leave.until);
        self.leaving.into_iter().chain(peer_leave).min()
    }
}
