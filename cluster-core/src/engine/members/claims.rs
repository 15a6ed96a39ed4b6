//! What a node says of itself in its greeting and in every heartbeat.
//!
//! Heartbeats are nearly all that a node reads. Most of one is two numbers of 128 bits, seven to a byte, the lowest first, with
//! a bit that says "more" in each byte but the last: they are read eight bytes at a time here, and taken for what serde takes
//! them for.

use serde::{Deserialize, Serialize};

use crate::engine::wire::{PeerFault, split};

/// What a node says of itself: in its greeting, and in every heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The version of its own state.
    pub version: u64,
    /// The hash of its own state.
    pub hash: u128,
    /// The digest over all owners that it knows.
    pub digest: u128,
    /// Whether it serves clients.
    pub ready: bool,
}

/// The longest number of 64 bits: its bytes, and the highest of its last one.
const LONGEST_64: (usize, u8) = (10, 1);
/// The longest number of 128 bits.
const LONGEST_128: (usize, u8) = (19, 3);
/// The bits of eight bytes that say "more".
const MORE: u64 = 0x8080_8080_8080_8080;

impl Claims {
    /// Reads a message that is them, such as a heartbeat.
    pub(super) fn of_message(message: &[u8]) -> Result<Self, PeerFault> {
        let (kind, body) = split(message)?;
        let (claims, rest) = Self::take(body).ok_or(PeerFault::Malformed { kind })?;
        if rest.is_empty() { Ok(claims) } else { Err(PeerFault::Trailing { kind, extra: rest.len() }) }
    }

    fn take(body: &[u8]) -> Option<(Self, &[u8])> {
        let (version, rest) = take_number(body, LONGEST_64)?;
        let (hash, rest) = take_number(rest, LONGEST_128)?;
        let (digest, rest) = take_number(rest, LONGEST_128)?;
        let (ready, rest) = rest.split_first()?;
        let ready = match ready {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some((Self { version: u64::try_from(version).ok()?, hash, digest, ready }, rest))
    }
}

/// Takes a number off the beginning.
fn take_number(bytes: &[u8], (longest, highest_last): (usize, u8)) -> Option<(u128, &[u8])> {
    let (mut number, mut taken, mut rest) = (0, 0, bytes);
    while taken + 8 < longest
        && let Some((bits, after)) = take_eight(rest)
    {
        number |= u128::from(bits) << (7 * taken);
        (taken, rest) = (taken + 8, after);
    }
    while taken < longest {
        let (byte, after) = rest.split_first()?;
        number |= u128::from(byte & 0x7f) << (7 * taken);
        (taken, rest) = (taken + 1, after);
        if byte & 0x80 == 0 {
            return (taken < longest || *byte <= highest_last).then_some((number, rest));
        }
    }
    None
}

/// The 56 bits of the next eight bytes of a number, if more come after them.
fn take_eight(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (eight, after) = bytes.split_first_chunk()?;
    let word = u64::from_le_bytes(*eight);
    if word & MORE != MORE {
        return None;
    }
    // Sevens to fourteens, those to twenty-eights, and those to one.
    let sevens = word & !MORE;
    let fourteens = (sevens & 0x007f_007f_007f_007f) | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
    let halves = (fourteens & 0x0000_3fff_0000_3fff) | (fourteens & 0x3fff_0000_3fff_0000) >> 2;
    Some(((halves & 0x0000_0000_0fff_ffff) | (halves & 0x0fff_ffff_0000_0000) >> 4, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::wire::{decode, encode};

    const KIND: u8 = 2;

    /// Reads the body as serde does.
    fn by_serde(body: &[u8]) -> Result<Claims, PeerFault> {
        decode(KIND, body)
    }

    fn by_hand(body: &[u8]) -> Result<Claims, PeerFault> {
        Claims::of_message(&[&[KIND], body].concat())
    }

    proptest! {
        #[test]
        fn claims_come_back_as_they_went(
            // Numbers of any length.
            (version, hash, digest) in (any::<u64>(), any::<u128>(), any::<u128>()),
            (of_version, of_hash, of_digest) in (0..64_u32, 0..128_u32, 0..128_u32),
            ready: bool,
        ) {
            let (version, hash, digest) = (version >> of_version, hash >> of_hash, digest >> of_digest);
            let claims = Claims { version, hash, digest, ready };
            prop_assert_eq!(Claims::of_message(&encode(KIND, &claims)), Ok(claims));
        }

        #[test]
        fn whatever_comes_is_taken_for_what_serde_takes_it_for(
            long in prop::collection::vec(prop_oneof![4 => 0x80..=0xff_u8, 1 => 0..4_u8], 0..60),
        ) {
            prop_assert_eq!(by_hand(&long), by_serde(&long));
        }

        #[test]
        fn so_is_what_is_nearly_right(
            (version, hash, digest) in (any::<u64>(), any::<u128>(), any::<u128>()),
            (at, byte, end) in (any::<prop::sample::Index>(), any::<u8>(), any::<prop::sample::Index>()),
        ) {
            let mut message = encode(KIND, &Claims { version, hash, digest, ready: true }).to_vec();
            message.push(0);
            let body = &mut message[1..];
            body[at.index(body.len())] = byte;
            let body = &body[..=end.index(body.len())];
            prop_assert_eq!(by_hand(body), by_serde(body));
        }
    }

    #[test]
    fn the_longest_numbers_fit_and_longer_ones_do_not() {
        let longest =
            encode(KIND, &Claims { version: u64::MAX, hash: u128::MAX, digest: u128::MAX, ready: true });
        assert!(Claims::of_message(&longest).is_ok());
        for last in [LONGEST_64.0, LONGEST_64.0 + LONGEST_128.0, LONGEST_64.0 + 2 * LONGEST_128.0] {
            let mut longer = longest.to_vec();
            longer[last] += 1;
            assert_eq!(Claims::of_message(&longer), Err(PeerFault::Malformed { kind: KIND }));
        }
    }
}
