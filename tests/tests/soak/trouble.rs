//! What goes wrong and when, from a seed. It acts through the cast alone, so that real processes can take its place.

use std::fmt;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::cast::Cast;

/// A trouble comes in one of so many turns.
const ONE_IN: u32 = 3;
/// For how many notifications a host is slow: a second or two.
const SLOW_SPELL: u64 = 600;

/// A schedule of troubles, and what has come of it.
#[derive(Debug)]
pub(crate) struct Troubles {
    rng: ChaCha8Rng,
    pub(crate) cuts: usize,
    slow_spells: u64,
    renewals: u64,
}

impl Troubles {
    pub(crate) fn new(rng: ChaCha8Rng) -> Self {
        Self { rng, cuts: 0, slow_spells: 0, renewals: 0 }
    }

    /// One more turn: perhaps something goes wrong.
    pub(crate) fn turn(&mut self, cast: &Cast) {
        if !self.rng.random_ratio(1, ONE_IN) {
            return;
        }
        let member = self.rng.random_range(0..cast.len());
        match self.rng.random_range(0..10) {
            0..6 => self.cuts += cast.cut(member),
            6..9 => {
                self.slow_spells += 1;
                cast.slow(member, SLOW_SPELL);
            }
            _ => {
                self.renewals += 1;
                cast.renew_certificate(member);
            }
        }
    }

    /// Everything is well again.
    pub(crate) fn end(&self, cast: &Cast) {
        (0..cast.len()).for_each(|member| cast.slow(member, 0));
    }
}

impl fmt::Display for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cuts, slow_spells, renewals, .. } = self;
        write!(f, "{cuts} links cut, {slow_spells} slow spells, {renewals} certificates renewed")
    }
}
