//! Hash tables whose order of iteration is a function of a seed.
//!
//! The seed comes from the machine's generator: fixed in a simulation, not guessable outside, so that a peer cannot
//! choose keys that collide. SipHash-1-3, as in the standard library.

use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

/// Makes hashers from one 128-bit seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashSeed(u64, u64);

impl HashSeed {
    /// Takes 128 bits of a generator.
    pub fn from_rng(rng: &mut impl rand::Rng) -> Self {
        Self(rng.next_u64(), rng.next_u64())
    }
}

impl BuildHasher for HashSeed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// A hash map that is made with a [`HashSeed`].
pub type SeededMap<K, V> = hashbrown::HashMap<K, V, HashSeed>;

/// A hash set that is made with a [`HashSeed`].
pub type SeededSet<T> = hashbrown::HashSet<T, HashSeed>;
