//! What the lanes of a pair have to do: sessions and ticks ask it before they take a lane's lock, so that idle lanes cost them
//! nothing.

use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

use super::super::Lane;

/// What is known of a lane without its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// It may have something to send: it is not idle.
    Busy = 0,
    /// It holds messages, or memory for them.
    Kept = 8,
}

/// Some of the lanes, in order of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto) struct Lanes(u8);

impl Lanes {
    /// Whether this lane is among them, and no other.
    #[inline]
    pub(in crate::proto) fn is_only(self, lane: Lane) -> bool {
        self.0 == bit(lane)
    }

    #[inline]
    pub(in crate::proto) fn contains(self, lane: Lane) -> bool {
        self.0 & bit(lane) != 0
    }

    #[inline]
    pub(in crate::proto) fn without(self, lane: Lane) -> Self {
        Self(self.0 & !bit(lane))
    }

    #[inline]
    pub(in crate::proto) fn iter(self) -> impl Iterator<Item = Lane> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let lane = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            Lane::ALL.get(usize::try_from(lane).ok()?).copied()
        })
    }
}

/// One is set under the lock of what it tells of; whoever needs to know of it is woken later still.
#[derive(Debug, Default)]
pub(super) struct Flags {
    /// A byte for each [`Flag`], with a bit for each lane. Those of a lane change under the lock of its sending side.
    sending: AtomicU16,
    /// A bit for each lane that may have something to acknowledge. Written under the lock of the receiving sides.
    owing: AtomicU8,
    /// Whether anything of requests may be under way. Written under their lock.
    asking: AtomicU8,
}

impl Flags {
    /// The lanes whose flag is set. What was done before that is seen by whoever sees it.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "each flag has a byte of its own")]
    pub(super) fn lanes(&self, flag: Flag) -> Lanes {
        Lanes((self.sending.load(Ordering::Acquire) >> flag as u32) as u8)
    }

    /// Says whether a lane is busy, and whether it keeps anything. The caller holds the lock of its sending side, so nobody else
    /// changes these two bits meanwhile, and they are mostly right already.
    #[inline]
    pub(super) fn note(&self, lane: Lane, is_busy: bool, keeps: bool) {
        let of = |flag: Flag| u16::from(bit(lane)) << flag as u32;
        let wanted = if is_busy { of(Flag::Busy) } else { 0 } | if keeps { of(Flag::Kept) } else { 0 };
        let now = self.sending.load(Ordering::Relaxed) & (of(Flag::Busy) | of(Flag::Kept));
        if now != wanted {
            // What differs is what has to change.
            self.sending.fetch_xor(now ^ wanted, Ordering::AcqRel);
        }
    }

    /// The lanes that may have something to acknowledge.
    #[inline]
    pub(super) fn owing(&self) -> Lanes {
        Lanes(self.owing.load(Ordering::Acquire))
    }

    /// Says whether a lane may have something to acknowledge. The caller holds the lock of the receiving sides.
    #[inline]
    pub(super) fn note_owing(&self, lane: Lane, is_owing: bool) {
        let others = self.owing.load(Ordering::Relaxed) & !bit(lane);
        put(&self.owing, others | if is_owing { bit(lane) } else { 0 });
    }

    /// Whether anything of requests may be under way.
    #[inline]
    pub(super) fn is_asking(&self) -> bool {
        self.asking.load(Ordering::Acquire) != 0
    }

    /// Says whether anything of requests may be under way. The caller holds their lock.
    pub(super) fn note_asking(&self, is_asking: bool) {
        put(&self.asking, u8::from(is_asking));
    }
}

/// Mostly it is right already, and nobody else has to fetch it again.
#[inline]
fn put(flags: &AtomicU8, wanted: u8) {
    if flags.load(Ordering::Relaxed) != wanted {
        flags.store(wanted, Ordering::Release);
    }
}

#[inline]
fn bit(lane: Lane) -> u8 {
    1 << lane.number()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_has_a_bit_of_its_own_for_each_flag() {
        let flags = Flags::default();
        flags.note_owing(Lane::State, true);
        flags.note_owing(Lane::Notifications, true);
        flags.note_owing(Lane::State, false);
        assert_eq!(flags.owing().iter().collect::<Vec<_>>(), [Lane::Notifications]);
        assert!(flags.owing().is_only(Lane::Notifications));
        assert_eq!([Flag::Busy, Flag::Kept].map(|flag| flags.lanes(flag)), [Lanes(0), Lanes(0)]);
    }

    #[test]
    fn what_is_noted_of_a_lane_replaces_what_was_noted_before_and_nothing_else() {
        let flags = Flags::default();
        flags.note_owing(Lane::Control, true);
        flags.note(Lane::Notifications, true, true);
        for (is_busy, keeps) in [(true, false), (false, true), (false, false), (true, true)] {
            flags.note(Lane::Control, is_busy, keeps);
            let said = [Flag::Busy, Flag::Kept].map(|flag| flags.lanes(flag).contains(Lane::Control));
            assert_eq!(said, [is_busy, keeps]);
            assert!(
                flags.owing().contains(Lane::Control)
                    && flags.lanes(Flag::Busy).contains(Lane::Notifications)
            );
        }
    }
}
