//! What the lanes of a pair have to do, in one word: sessions and ticks ask it before they take a lane's lock, so that idle lanes
//! cost them nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::Lane;

/// What one bit for each lane says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// It may have something to send: it is not idle. Changed under the lock of the sending side.
    Busy = 0,
    /// It holds messages or memory that a tick is to look at. Changed under the lock of the sending side.
    Kept = 8,
    /// It may have something to acknowledge.
    Owing = 16,
    /// Anything of requests may be under way. Changed under their lock, and only for their lane.
    Asking = 24,
}

/// Some of the lanes, in order of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto) struct Lanes(u8);

impl Lanes {
    pub(in crate::proto) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this lane is among them, and no other.
    pub(in crate::proto) fn is_only(self, lane: Lane) -> bool {
        self.0 == 1 << lane.number()
    }

    pub(in crate::proto) fn contains(self, lane: Lane) -> bool {
        self.0 & (1 << lane.number()) != 0
    }

    pub(in crate::proto) fn iter(self) -> impl Iterator<Item = Lane> {
        let lanes = if self.is_empty() { &[] } else { Lane::ALL.as_slice() };
        lanes.iter().copied().filter(move |lane| self.contains(*lane))
    }
}

/// The bits. One is set after, or under the lock of, what it tells of; whoever needs to know of it is woken later still.
#[derive(Debug, Default)]
pub(super) struct Flags(AtomicU64);

/// What the flags said at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen(u64);

impl Seen {
    #[inline]
    pub(super) fn is_set(self, flag: Flag, lane: Lane) -> bool {
        self.0 & bit(flag, lane) != 0
    }

    #[expect(clippy::cast_possible_truncation, reason = "each flag has a byte of its own")]
    pub(super) fn lanes(self, flag: Flag) -> Lanes {
        Lanes((self.0 >> flag as u32) as u8)
    }
}

impl Flags {
    /// What they say now. What was done before a bit was set is seen by whoever sees the bit.
    #[inline]
    pub(super) fn seen(&self) -> Seen {
        Seen(self.0.load(Ordering::Acquire))
    }

    /// Sets a bit. Always a write: read first, it could be the bit that is about to be cleared by somebody who does not see what
    /// it was to tell of.
    #[inline]
    pub(super) fn set(&self, flag: Flag, lane: Lane) {
        self.0.fetch_or(bit(flag, lane), Ordering::Release);
    }

    /// Clears a bit, and sees everything that was done before it was set.
    pub(super) fn clear(&self, flag: Flag, lane: Lane) {
        self.0.fetch_and(!bit(flag, lane), Ordering::Acquire);
    }

    /// Says whether anything of requests may be under way. The caller holds their lock, so nobody else changes this bit meanwhile.
    pub(super) fn note_asking(&self, is_asking: bool) {
        let asking = bit(Flag::Asking, Lane::Requests);
        if (self.0.load(Ordering::Relaxed) & asking != 0) != is_asking {
            self.0.fetch_xor(asking, Ordering::AcqRel);
        }
    }

    /// Says whether a lane is busy, and whether it keeps anything. The caller holds the lock of its sending side, so nobody else
    /// changes these two bits meanwhile, and they are mostly right already.
    #[inline]
    pub(super) fn note(&self, lane: Lane, is_busy: bool, keeps: bool) {
        let (busy, kept) = (bit(Flag::Busy, lane), bit(Flag::Kept, lane));
        let wanted = if is_busy { busy } else { 0 } | if keeps { kept } else { 0 };
        let now = self.0.load(Ordering::Relaxed) & (busy | kept);
        if now != wanted {
            // What differs is what has to change.
            self.0.fetch_xor(now ^ wanted, Ordering::AcqRel);
        }
    }
}

#[inline]
fn bit(flag: Flag, lane: Lane) -> u64 {
    1 << (flag as u32 + u32::from(lane.number()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(flags: &Flags, flag: Flag) -> Vec<Lane> {
        flags.seen().lanes(flag).iter().collect()
    }

    #[test]
    fn each_lane_has_a_bit_of_its_own_for_each_flag() {
        let flags = Flags::default();
        flags.set(Flag::Owing, Lane::State);
        flags.set(Flag::Owing, Lane::Notifications);
        flags.clear(Flag::Owing, Lane::State);
        assert_eq!(set(&flags, Flag::Owing), [Lane::Notifications]);
        assert!(flags.seen().lanes(Flag::Owing).is_only(Lane::Notifications));
        assert_eq!((set(&flags, Flag::Busy), set(&flags, Flag::Kept)), (vec![], vec![]));
    }

    #[test]
    fn what_is_noted_of_a_lane_replaces_what_was_noted_before_and_nothing_else() {
        let flags = Flags::default();
        flags.set(Flag::Owing, Lane::Control);
        flags.note(Lane::Notifications, true, true);
        for (is_busy, keeps) in [(true, false), (false, true), (false, false), (true, true)] {
            flags.note(Lane::Control, is_busy, keeps);
            let seen = flags.seen();
            let said = (seen.is_set(Flag::Busy, Lane::Control), seen.is_set(Flag::Kept, Lane::Control));
            assert_eq!(said, (is_busy, keeps));
            assert!(seen.is_set(Flag::Owing, Lane::Control) && seen.is_set(Flag::Busy, Lane::Notifications));
        }
    }
}
