//! Whether a peer answers at all, where no kernel takes bytes on its behalf.
//!
//! Over QUIC a write succeeds long before the peer has the bytes, and a peer that is there answers every packet. One that has
//! answered nothing at three checks in a row, though something was written, is out of reach.

use std::time::Duration;

use crate::proto::Instant;

/// How many checks in a row may see no answer.
const MISSES: u8 = 3;

/// What was written, and whether anything came back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answers {
    /// How often the answers are looked at.
    interval: Duration,
    check: Option<Instant>,
    received: u64,
    missed: u8,
    wrote: bool,
}

impl Answers {
    /// The peer may be silent for so long.
    pub(super) fn within(timeout: Duration) -> Self {
        Self { interval: timeout / u32::from(MISSES), check: None, received: 0, missed: 0, wrote: false }
    }

    /// Something was written; `received` tells how many datagrams have come so far.
    pub(super) fn handle_written(&mut self, now: Instant, received: impl FnOnce() -> u64) {
        self.wrote = true;
        if self.check.is_none() {
            self.check = Some(now + self.interval);
            (self.received, self.missed) = (received(), 0);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.check
    }

    /// Looks whether anything has come; false if the peer is out of reach.
    pub(super) fn handle_timeout(&mut self, now: Instant, received: impl FnOnce() -> u64) -> bool {
        if self.check.is_none_or(|check| check > now) {
            return true;
        }
        let before = std::mem::replace(&mut self.received, received());
        let answered = self.received != before;
        self.missed = if answered { 0 } else { self.missed.saturating_add(1) };
        // Nothing is owed: the next write asks again.
        self.check = (!answered || self.wrote).then(|| now + self.interval);
        self.wrote = false;
        self.missed < MISSES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::after_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn a_peer_that_answers_nothing_is_given_up_after_fifteen_seconds() {
        let mut answers = Answers::within(Duration::from_secs(15));
        answers.handle_written(at(0), || 7);
        assert!(answers.handle_timeout(at(5), || 7));
        assert!(answers.handle_timeout(at(10), || 7));
        assert!(!answers.handle_timeout(at(15), || 7));
    }

    #[test]
    fn one_answer_is_enough_for_a_fresh_start() {
        let mut answers = Answers::within(Duration::from_secs(15));
        answers.handle_written(at(0), || 7);
        answers.handle_timeout(at(5), || 7);
        answers.handle_timeout(at(10), || 7);
        answers.handle_written(at(11), || 7);
        assert!(answers.handle_timeout(at(15), || 8));
        assert_eq!(answers.poll_timeout(), Some(at(20)));
        assert!(answers.handle_timeout(at(20), || 8));
    }

    #[test]
    fn nothing_is_expected_of_a_peer_to_whom_nothing_was_written() {
        let mut answers = Answers::within(Duration::from_secs(15));
        assert_eq!(answers.poll_timeout(), None);
        answers.handle_written(at(0), || 7);
        assert!(answers.handle_timeout(at(5), || 9));
        assert!(answers.handle_timeout(at(10), || 9) && answers.handle_timeout(at(15), || 10));
        assert_eq!(answers.poll_timeout(), None);
    }

    #[test]
    fn what_is_not_answered_stays_owed_without_further_writes() {
        let mut answers = Answers::within(Duration::from_secs(15));
        answers.handle_written(at(0), || 7);
        answers.handle_timeout(at(5), || 7);
        assert_eq!(answers.poll_timeout(), Some(at(10)));
    }
}
