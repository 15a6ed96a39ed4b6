//! One bit for each lane: a session asks these before it takes a lane's lock, so that idle lanes cost it nothing.

use std::sync::atomic::{AtomicU8, Ordering};

use super::super::Lane;

/// Some of the lanes. A bit is set after, or under the lock of, what it tells of; whoever needs to know of it is woken later still.
#[derive(Debug, Default)]
pub(super) struct LaneFlags(AtomicU8);

impl LaneFlags {
    #[inline]
    pub(super) fn set(&self, lane: Lane) {
        if !self.is_set(lane) {
            self.0.fetch_or(1 << lane.number(), Ordering::Release);
        }
    }

    pub(super) fn clear(&self, lane: Lane) {
        self.0.fetch_and(!(1 << lane.number()), Ordering::Acquire);
    }

    #[inline]
    pub(super) fn is_set(&self, lane: Lane) -> bool {
        self.0.load(Ordering::Acquire) & (1 << lane.number()) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_has_a_bit_of_its_own() {
        let flags = LaneFlags::default();
        flags.set(Lane::State);
        flags.set(Lane::Notifications);
        flags.clear(Lane::State);
        assert_eq!(Lane::ALL.map(|lane| flags.is_set(lane)), [false, false, false, false, true]);
    }
}
