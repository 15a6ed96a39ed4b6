//! How often this node takes somebody's word that it has been superseded.
//!
//! To come back as a later life ends all of a node's sessions. A member that lies about what it has on record must not be able
//! to demand that again and again.

use std::time::Duration;

use crate::proto::Instant;

/// So many times in a row.
const AT_ONCE: u32 = 3;
/// One more after this time.
const REGAINED_EVERY: Duration = Duration::from_secs(60);

/// A small store of belief that fills up again with time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    spent: u32,
    /// When the first of what is spent is regained.
    regained: Option<Instant>,
    /// How often nothing was left.
    exhausted: u64,
}

impl Patience {
    /// Believes once more, if anything is left.
    pub(super) fn believe(&mut self, now: Instant) -> bool {
        while let Some(at) = self.regained.filter(|at| *at <= now && self.spent > 0) {
            self.spent -= 1;
            self.regained = (self.spent > 0).then(|| at + REGAINED_EVERY);
        }
        if self.spent >= AT_ONCE {
            self.exhausted += 1;
            return false;
        }
        self.spent += 1;
        self.regained.get_or_insert(now + REGAINED_EVERY);
        true
    }

    /// How often nothing was left.
    pub(super) fn exhausted(&self) -> u64 {
        self.exhausted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::after_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn three_in_a_row_are_believed_and_then_one_a_minute() {
        let mut patience = Patience::default();
        let believed: Vec<bool> =
            [0, 1, 2, 3, 59, 60, 61, 120, 121].map(|second| patience.believe(at(second))).into();
        assert_eq!(believed, [true, true, true, false, false, true, false, true, false]);
        assert_eq!(patience.exhausted(), 4);
        let rested: Vec<bool> =
            [1_000, 1_001, 1_002, 1_003].map(|second| patience.believe(at(second))).into();
        assert_eq!(rested, [true, true, true, false]);
    }
}
