//! The limits of the lanes between two nodes.

use std::time::Duration;

use super::super::{Lane, PerLane};

/// What one node allows on the lanes to and from one peer.
///
/// Worst case of memory a peer: the ring for what goes out, the windows for what was received and not yet taken by the
/// application, and `reassembly` for messages in parts; for a second after a burst 2 MiB for each lane with a ring, too.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneSettings {
    /// How many bytes the peer may send unacknowledged. Default: notifications and requests 4 MiB, the others 1 MiB.
    pub windows: PerLane<u32>,
    /// How many bytes a lane that sheds keeps unsent and unacknowledged together. Default 16 MiB.
    pub ring: usize,
    /// How long a message may wait on a lane that sheds. Default 30 s.
    pub ring_age: Duration,
    /// How many bytes the rings of all peers hold together, to a few KiB for each. Default 256 MiB.
    ///
    /// Over it the ring with the most unsent bytes sheds its oldest. What was sent already cannot give way, so the windows count
    /// beyond it when very many peers take nothing at the same time.
    pub ring_total: usize,
    /// The longest message, in bytes. Default 64 MiB. On the lanes that shed, the ring is a limit too.
    pub max_message: u32,
    /// How many bytes of unfinished messages are kept of one peer. Default 64 MiB.
    pub reassembly: usize,
    /// How many requests may be under way in each direction. Default 1,024.
    pub max_requests: usize,
}

impl LaneSettings {
    /// The default windows, in bytes.
    pub const DEFAULT_WINDOWS: [u32; Lane::COUNT] = [1 << 20, 1 << 20, 1 << 20, 4 << 20, 4 << 20];
    /// The default ring, in bytes.
    pub const DEFAULT_RING: usize = 16 << 20;
    /// The default age of what waits in a ring.
    pub const DEFAULT_RING_AGE: Duration = Duration::from_secs(30);
    /// The default bytes in all rings together.
    pub const DEFAULT_RING_TOTAL: usize = 256 << 20;
    /// The default longest message, in bytes.
    pub const DEFAULT_MAX_MESSAGE: u32 = 64 << 20;
    /// The default bytes in reassembly.
    pub const DEFAULT_REASSEMBLY: usize = 64 << 20;
    /// The default number of requests under way.
    pub const DEFAULT_MAX_REQUESTS: usize = 1_024;
}

impl Default for LaneSettings {
    fn default() -> Self {
        let mut windows = Self::DEFAULT_WINDOWS.into_iter();
        Self {
            windows: PerLane::from_fn(|_| windows.next().unwrap_or_default()),
            ring: Self::DEFAULT_RING,
            ring_age: Self::DEFAULT_RING_AGE,
            ring_total: Self::DEFAULT_RING_TOTAL,
            max_message: Self::DEFAULT_MAX_MESSAGE,
            reassembly: Self::DEFAULT_REASSEMBLY,
            max_requests: Self::DEFAULT_MAX_REQUESTS,
        }
    }
}
