//! Lanes: streams of messages side by side in one session, each with its own order and window.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// One of the five lanes. Order holds within a lane only; whatever needs order shares a lane.
///
/// The order of the variants is the order of service when several lanes have something to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Heartbeats, membership, readiness. Never shed; a full lane ends the session.
    Control = 0,
    /// Replicated state. Never shed: its sender is asked for the newest values when there is room.
    State = 1,
    /// Application events. Numbered across links; the oldest unsent are shed when the ring is full.
    Events = 2,
    /// Requests and replies. A request that finds no room is refused with an error.
    Requests = 3,
    /// Notifications to clients. Numbered across links; the oldest unsent are shed when the ring is full.
    Notifications = 4,
}

impl Lane {
    /// All lanes, in order of service.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Control, Self::State, Self::Events, Self::Requests, Self::Notifications];
    /// How many lanes there are.
    pub const COUNT: usize = 5;

    /// The lane's number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The lane with this number on the wire.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Whether this lane's numbers go on after a lost link.
    pub const fn is_resumed(self) -> bool {
        matches!(self, Self::Events | Self::Notifications)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "control",
            Self::State => "state",
            Self::Events => "events",
            Self::Requests => "requests",
            Self::Notifications => "notifications",
        })
    }
}

/// One value for each lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PerLane<T>([T; Lane::COUNT]);

impl<T> PerLane<T> {
    /// Makes the value of each lane.
    pub fn from_fn(mut make: impl FnMut(Lane) -> T) -> Self {
        Self(Lane::ALL.map(&mut make))
    }

    /// The lanes and their values, in order of service.
    pub fn iter(&self) -> impl Iterator<Item = (Lane, &T)> {
        Lane::ALL.into_iter().zip(&self.0)
    }

    /// The lanes and their values, in order of service.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Lane, &mut T)> {
        Lane::ALL.into_iter().zip(&mut self.0)
    }

    /// One value for each lane, made from the present ones.
    pub fn map<U>(&self, mut make: impl FnMut(Lane, &T) -> U) -> PerLane<U> {
        PerLane::from_fn(|lane| make(lane, &self[lane]))
    }
}

#[expect(clippy::indexing_slicing, reason = "a lane's number is below the length of the array")]
impl<T> Index<Lane> for PerLane<T> {
    type Output = T;

    #[inline]
    fn index(&self, lane: Lane) -> &T {
        &self.0[usize::from(lane.number())]
    }
}

#[expect(clippy::indexing_slicing, reason = "a lane's number is below the length of the array")]
impl<T> IndexMut<Lane> for PerLane<T> {
    #[inline]
    fn index_mut(&mut self, lane: Lane) -> &mut T {
        &mut self.0[usize::from(lane.number())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_names_its_lane_and_no_other() {
        for lane in Lane::ALL {
            assert_eq!(Lane::from_number(lane.number()), Some(lane));
        }
        assert_eq!(Lane::from_number(5), None);
    }
}
