//! How QUIC's own windows are sized, so that those of the lanes decide.

use std::sync::Arc;

use quinn::{TransportConfig, VarInt};

use crate::proto::frame::MAX_FRAME;
use crate::proto::{Lane, PerLane};

/// What a connection carries before its session begins: a handshake of frames.
const BEFORE_SESSION: u32 = 64 * 1024;
/// What may be under way on a lane beyond its window: a frame that is let out over it, and the heads of frames.
const BEYOND_WINDOW: u64 = 4 * MAX_FRAME as u64;

/// The windows of one node's lanes, and what QUIC is told because of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    largest: u64,
    total: u64,
}

impl Flow {
    pub(super) fn new(windows: &PerLane<u32>) -> Self {
        let each = || windows.iter().map(|(_, window)| u64::from(*window) + BEYOND_WINDOW);
        Self { largest: each().max().unwrap_or_default(), total: each().sum() }
    }

    /// What the peer may have under way once the session has begun. Twice the windows: what the application has taken is
    /// acknowledged on a lane before QUIC has told the peer that it was read.
    pub(super) fn of_session(self) -> u64 {
        self.total.saturating_mul(2)
    }

    /// The settings of a connection, the same for both ends.
    pub(super) fn transport(self) -> Arc<TransportConfig> {
        let mut config = TransportConfig::default();
        config
            .max_concurrent_bidi_streams(VarInt::from_u32(1))
            .max_concurrent_uni_streams(VarInt::from_u32(STREAMS))
            .stream_receive_window(var_int(self.largest.saturating_mul(2)))
            .receive_window(VarInt::from_u32(BEFORE_SESSION))
            .send_window(u64::from(BEFORE_SESSION))
            .datagram_receive_buffer_size(None)
            .max_idle_timeout(None)
            .keep_alive_interval(None);
        Arc::new(config)
    }
}

/// A stream for each lane but the control lane.
#[expect(clippy::cast_possible_truncation, reason = "there are five lanes")]
pub(super) const STREAMS: u32 = Lane::COUNT as u32 - 1;

pub(super) fn var_int(number: u64) -> VarInt {
    VarInt::from_u64(number).unwrap_or(VarInt::MAX)
}
