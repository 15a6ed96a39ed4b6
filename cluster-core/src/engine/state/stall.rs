//! Whether something of an owner's state was lost in silence: its heartbeats tell of more than is here, and none of it comes.
//!
//! A lane loses nothing, so what was put into it comes, however slowly. What never was, or vanished after the lane had handed it
//! over, leaves no gap until the owner changes again; and its owner cannot know. So beats are counted between two messages of the
//! state lane: heartbeats pass what waits there, but on a link that moves they come between its messages.

use std::time::Duration;

use cluster_transport::proto::Instant;

/// So many beats without a message at least: those that piled up behind one long message come all at once.
const BEATS: u32 = 3;
/// Who does not answer is asked again after twice the time, up to so many doublings.
const DOUBLINGS: u32 = 4;

/// The beats since the last message of an owner's state, as long as something is missing.
#[derive(Debug, Default)]
pub(super) struct Stall {
    since: Option<Instant>,
    beats: u32,
    asked: u32,
}

impl Stall {
    /// Something came, or nothing is missing.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// A heartbeat came, and something is missing. Whether it is to be asked for now: after `patience` without a message.
    pub(super) fn beat(&mut self, now: Instant, patience: Duration) -> bool {
        let since = *self.since.get_or_insert(now);
        self.beats = self.beats.saturating_add(1);
        let patience = patience.saturating_mul(1 << self.asked.min(DOUBLINGS));
        let is_due = self.beats >= BEATS && now.since(since) >= patience;
        if is_due {
            *self = Self { since: Some(now), beats: 0, asked: self.asked.saturating_add(1) };
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(1_500);

    /// Of so many beats, half a second apart, those that are due.
    fn due(stall: &mut Stall, beats: std::ops::Range<u64>) -> Vec<u64> {
        let at = |beat: &u64| Instant::after_origin(Duration::from_millis(beat * 500));
        beats.filter(|beat| stall.beat(at(beat), PATIENCE)).collect()
    }

    #[test]
    fn what_is_missing_is_asked_for_after_the_patience_and_then_less_and_less_often() {
        assert_eq!(due(&mut Stall::default(), 0..150), [3, 9, 21, 45, 93, 141]);
    }

    #[test]
    fn whatever_comes_begins_it_anew() {
        let mut stall = Stall::default();
        for beat in 0..100 {
            assert!(due(&mut stall, 3 * beat..3 * beat + 3).is_empty());
            stall.end();
        }
        assert_eq!(due(&mut stall, 300..304), [303]);
    }

    #[test]
    fn beats_that_come_all_at_once_are_no_silence_and_neither_is_a_long_wait_for_the_next_beat() {
        let (mut stall, now) = (Stall::default(), Instant::ORIGIN);
        assert!((0..20).all(|_| !stall.beat(now, PATIENCE)));
        let mut stall = Stall::default();
        assert!(!stall.beat(now, PATIENCE) && !stall.beat(now + 10 * PATIENCE, PATIENCE));
    }
}
