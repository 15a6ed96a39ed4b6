//! What a session tells its driver.

use crate::proto::Lane;
use crate::proto::body::Close;
use crate::proto::lanes::Batch;
use crate::proto::requests::RequestEvent;
use crate::proto::tunnel::TunnelFrame;

/// How many messages are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// So many.
    Known(u64),
    /// Nobody knows: the numbers do not continue.
    Unknown,
}

/// Which way messages were going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer to this node.
    Inbound,
    /// From this node to the peer.
    Outbound,
}

/// What a session tells its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// Messages of the peer. Once taken, [`PeerLanes::done`](crate::proto::lanes::PeerLanes::done) is to be called.
    Batch(Batch),
    /// Messages were lost, or the numbers do not continue what was there before.
    Lagged {
        /// The lane.
        lane: Lane,
        /// Which way.
        direction: Direction,
        /// How many.
        missed: Missed,
    },
    /// Something happened to a request.
    Request(RequestEvent),
    /// Something of a tunnel through this session came.
    Tunnel(Box<TunnelFrame>),
    /// The session is over; what is left to transmit should still be sent.
    Ended(SessionEnd),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The peer left the cluster in good order.
    PeerLeft,
    /// This side left, and the peer has taken it in or had its time.
    WeLeft,
    /// The peer closed.
    ClosedByPeer(Close),
    /// This side closed.
    ClosedByUs(Close),
    /// The peer closed the link without a word.
    LinkClosed,
    /// The link broke.
    LinkLost(String),
}
