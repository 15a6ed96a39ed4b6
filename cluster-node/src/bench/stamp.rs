//! The head of a published message: its number, and for one in 64 when it was sent.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The bytes of a head.
pub(super) const HEAD: usize = 16;
/// One message in so many carries the time.
const TIMED: u64 = 64;

/// The head of the message with this number.
pub(super) fn head(number: u64) -> [u8; HEAD] {
    let sent = if number.is_multiple_of(TIMED) { nanos() } else { 0 };
    let mut head = [0; HEAD];
    let (front, back) = head.split_at_mut(8);
    front.copy_from_slice(&number.to_be_bytes());
    back.copy_from_slice(&sent.to_be_bytes());
    head
}

/// The number of a message, and when it was sent if it says so.
pub(super) fn read(message: &[u8]) -> Option<(u64, Option<u64>)> {
    let (number, rest) = message.split_first_chunk::<8>()?;
    let sent = u64::from_be_bytes(*rest.first_chunk::<8>()?);
    Some((u64::from_be_bytes(*number), (sent > 0).then_some(sent)))
}

/// The monotonic clock that all processes of this machine share.
pub(super) fn nanos() -> u64 {
    let since_boot = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(since_boot.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        assert_eq!(read(&head(65)), Some((65, None)));
        let before = nanos();
        let (number, sent) = read(&head(128)).unwrap();
        assert_eq!(number, 128);
        assert!((before..=nanos()).contains(&sent.unwrap()));
        assert_eq!(read(&[0; HEAD - 1]), None);
    }
}
