//! How far this node may trust its own clockwork: late beats make it patient, a gap is a pause.

use std::time::Duration;

use cluster_transport::proto::Instant;

use super::timing::Timing;

/// The most patient score.
const WORST: u32 = 4;
/// Beats in time that win one point of patience back.
const STREAK: u32 = 10;

/// Own health: 1 is well, 4 is the worst. Silence of others is waited for that many times longer.
#[derive(Debug)]
pub(super) struct Health {
    timing: Timing,
    /// A gap above this is one.
    pause: Duration,
    score: u32,
    in_time: u32,
    last_awake: Instant,
}

impl Health {
    pub(super) fn new(timing: Timing, now: Instant) -> Self {
        Self { timing, pause: timing.pause(), score: 1, in_time: 0, last_awake: now }
    }

    /// Notes that the machine runs; the gap since it last did, if that is a pause.
    pub(super) fn awake(&mut self, now: Instant) -> Option<Duration> {
        if now <= self.last_awake {
            return None;
        }
        let before = std::mem::replace(&mut self.last_awake, now);
        if now <= before + self.pause {
            return None;
        }
        self.worsen();
        Some(now.since(before))
    }

    /// A beat that was due came now.
    pub(super) fn beat(&mut self, due: Instant, now: Instant) {
        if now.since(due) > self.timing.late() {
            self.worsen();
            return;
        }
        self.in_time += 1;
        if self.in_time >= STREAK {
            self.in_time = 0;
            self.score = (self.score - 1).max(1);
        }
    }

    /// 1 to 4.
    pub(super) fn score(&self) -> u32 {
        self.score
    }

    fn worsen(&mut self) {
        self.in_time = 0;
        self.score = (self.score + 1).min(WORST);
    }
}

#[cfg(test)]
mod tests {
    use super::super::timing::DEFAULT_HEARTBEAT;
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::after_origin(Duration::from_millis(ms))
    }

    #[test]
    fn late_beats_cost_patience_and_a_streak_in_time_wins_it_back() {
        let mut health = Health::new(Timing::new(DEFAULT_HEARTBEAT), at(0));
        for _ in 0..6 {
            health.beat(at(500), at(751));
        }
        assert_eq!(health.score(), 4);
        let scores: Vec<u32> = (0..30)
            .map(|_| {
                health.beat(at(500), at(750));
                health.score()
            })
            .collect();
        assert_eq!((scores[8], scores[9], scores[19], scores[29]), (4, 3, 2, 1));
    }

    #[test]
    fn a_gap_of_more_than_two_beats_is_a_pause() {
        let mut health = Health::new(Timing::new(DEFAULT_HEARTBEAT), at(0));
        assert_eq!(health.awake(at(1000)), None);
        assert_eq!(health.awake(at(2001)), Some(Duration::from_millis(1001)));
        assert_eq!(health.awake(at(1500)), None, "a clock that goes back is no gap");
        assert_eq!((health.awake(at(3001)), health.score()), (None, 2));
    }
}
