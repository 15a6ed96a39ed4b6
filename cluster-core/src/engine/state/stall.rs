//! Whether something of an owner's state was lost in silence: its heartbeats tell of more than is here, and what is here gets no further.
//!
//! A lane loses nothing, so what was put into it comes, however slowly. What never was, or vanished after the lane had handed it
//! over, leaves no gap until the owner changes again; and its owner cannot know. So beats are counted between two messages that
//! bring the replica further: heartbeats pass what waits in the state lane, but on a link that moves they come between its
//! messages. An owner that goes on changing while an answer of it is lost sends nothing but messages after the gap, which bring
//! nobody further.

use std::time::Duration;

use cluster_transport::proto::Instant;

/// So many beats without a message at least: those that piled up behind one long message come all at once.
const BEATS: u32 = 3;
/// Who does not answer is asked again after twice the time, up to so many doublings. The pace is kept until nothing is missing: over a link
/// where a message takes longer than the patience, each question has the owner repeat what is on its way.
const DOUBLINGS: u32 = 4;
/// A pass that was asked for begins behind all that is on its way: as long as that comes, there is so many times the patience.
const BEHIND_OTHERS: u32 = 4;

/// The beats since the last message that brought the replica of an owner further, as long as something is missing: of most nothing is.
#[derive(Debug, Default)]
pub(super) struct Stall(Option<Box<Missing>>);

#[derive(Debug, Default)]
struct Missing {
    since: Option<Instant>,
    /// Since when nothing at all has come, and how many beats.
    silent_since: Option<Instant>,
    beats: u32,
    asked: u32,
}

impl Stall {
    /// Nothing is missing.
    pub(super) fn end(&mut self) {
        self.0 = None;
    }

    /// Something came that was waited for, or this process was paused, and what came meanwhile has not been read.
    pub(super) fn begin_anew(&mut self) {
        if let Some(missing) = &mut self.0 {
            **missing = Missing { asked: missing.asked, ..Missing::default() };
        }
    }

    /// Something came that was not waited for: the link moves.
    pub(super) fn others_came(&mut self) {
        if let Some(missing) = &mut self.0 {
            (missing.silent_since, missing.beats) = (None, 0);
        }
    }

    /// How often it was asked for since something is missing.
    pub(super) fn asked(&self) -> u32 {
        self.0.as_ref().map_or(0, |missing| missing.asked)
    }

    /// A heartbeat came, and something is missing. Whether it is to be asked for now: after `patience` without getting further.
    pub(super) fn beat(&mut self, now: Instant, patience: Duration) -> bool {
        self.0.get_or_insert_default().beat(now, patience)
    }
}

impl Missing {
    fn beat(&mut self, now: Instant, patience: Duration) -> bool {
        let since = *self.since.get_or_insert(now);
        let silent_since = *self.silent_since.get_or_insert(now);
        self.beats = self.beats.saturating_add(1);
        let patience = patience.saturating_mul(1 << self.asked.min(DOUBLINGS));
        let is_silent = self.beats >= BEATS && now.since(silent_since) >= patience;
        let is_due = is_silent || now.since(since) >= patience.saturating_mul(BEHIND_OTHERS);
        if is_due {
            let (since, asked) = (Some(now), self.asked.saturating_add(1));
            *self = Self { since, silent_since: since, beats: 0, asked };
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
    fn whatever_was_waited_for_begins_it_anew_and_keeps_the_pace() {
        let mut stall = Stall::default();
        for beat in 0..100 {
            assert!(due(&mut stall, 3 * beat..3 * beat + 3).is_empty());
            stall.begin_anew();
        }
        assert_eq!(due(&mut stall, 300..304), [303]);
        stall.begin_anew();
        assert_eq!(due(&mut stall, 304..311), [310]);
        stall.end();
        assert_eq!(due(&mut stall, 311..315), [314]);
    }

    #[test]
    fn as_long_as_others_come_there_is_more_patience() {
        let mut stall = Stall::default();
        let mut waits = |beat: &u64| {
            stall.others_came();
            due(&mut stall, *beat..*beat + 1).is_empty()
        };
        assert_eq!((0..100).find(|beat| !waits(beat)), Some(12));
    }

    #[test]
    fn beats_that_come_all_at_once_are_no_silence_and_neither_is_a_long_wait_for_the_next_beat() {
        let (mut stall, now) = (Stall::default(), Instant::ORIGIN);
        assert!((0..20).all(|_| !stall.beat(now, PATIENCE)));
        let mut stall = Stall::default();
        assert!(!stall.beat(now, PATIENCE) && !stall.beat(now + 3 * PATIENCE, PATIENCE));
    }
}
