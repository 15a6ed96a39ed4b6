//! On which stream a frame belongs when lanes have streams of their own.
#![cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "only links have streams"))]

use super::{SKIPPABLE, kind};
use crate::proto::Lane;

/// Where a frame belongs when lanes have streams of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// It starts this lane, and its stream.
    Start(Lane),
    /// On the stream of this lane. What belongs to no lane goes with the control lane.
    On(Lane),
    /// Wherever its sender likes: nobody here knows its kind, and it may be skipped.
    Anywhere,
}

/// On which lane's stream a frame belongs, without its length. Of one that does not decode this says nothing.
pub(crate) fn carried_on(frame: &[u8]) -> Carried {
    let lane_at = |at: usize| frame.get(at).copied().and_then(Lane::from_number).unwrap_or(Lane::Control);
    match frame.first() {
        Some(&kind::LANE_START) => Carried::Start(lane_at(LANE_IN_START)),
        Some(&(kind::SEGMENT | kind::FRAGMENT | kind::LAGGED)) => Carried::On(lane_at(1)),
        Some(&(kind::TUNNEL_OPEN..=kind::TUNNEL_CLOSE)) => Carried::On(TUNNELS),
        Some(kind) if kind & SKIPPABLE != 0 => Carried::Anywhere,
        _ => Carried::On(Lane::Control),
    }
}

/// On whose stream the tunnels are: the one that may be held up for longest.
pub(in crate::proto) const TUNNELS: Lane = Lane::Notifications;
/// Where the lane stands in a `LaneStart`: after its kind and the session.
const LANE_IN_START: usize = 1 + 8;
