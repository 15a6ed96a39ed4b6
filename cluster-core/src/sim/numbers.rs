//! Hash maps whose keys are numbers of the simulation's own: nobody chooses them, so mixing them is protection enough.
//!
//! Their order of iteration differs between machines: whoever goes through one sorts what follows from it.

use std::hash::{BuildHasherDefault, Hasher};

/// A map by a link, a session or a socket.
pub(super) type NumberMap<K, V> = hashbrown::HashMap<K, V, BuildHasherDefault<Mixer>>;

/// Mixes numbers with one multiplication each (Knuth's multiplicative hashing).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mixer(u64);

impl Mixer {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

    fn mix(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(26) ^ number).wrapping_mul(Self::FACTOR);
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.mix(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn numbers_in_a_row_spread_over_the_whole_range() {
        let hashes = BuildHasherDefault::<Mixer>::default();
        let high: std::collections::BTreeSet<u64> = (0..256_u64).map(|n| hashes.hash_one(n) >> 57).collect();
        let low: std::collections::BTreeSet<u64> = (0..256_u64).map(|n| hashes.hash_one(n) & 0xff).collect();
        assert!(high.len() > 100, "{} of 128", high.len());
        assert!(low.len() > 100, "{} of 256", low.len());
    }
}
