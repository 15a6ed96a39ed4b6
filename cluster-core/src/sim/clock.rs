//! The monotonic clock of one process, which may run at another rate than the time of the simulation.

use std::time::Duration;

use cluster_transport::proto::Instant;

/// A clock that was right at the start of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drift {
    since: Instant,
    /// How many microseconds it is ahead after each second; negative if it is slow.
    ppm: i32,
}

impl Drift {
    /// The most that a clock may be off, either way: more than any quartz is by a factor of 100.
    pub(super) const MAX_PPM: i32 = 20_000;

    pub(super) fn new(since: Instant, ppm: i32) -> Self {
        Self { since, ppm: ppm.clamp(-Self::MAX_PPM, Self::MAX_PPM) }
    }

    /// What the clock shows at a time of the simulation.
    pub(super) fn shows(self, at: Instant) -> Instant {
        if self.ppm == 0 {
            return at;
        }
        let passed = at.since(self.since).as_nanos();
        self.since + scaled(passed, self.rate(), 1_000_000)
    }

    /// The first time of the simulation at which the clock shows this or later.
    pub(super) fn reaches(self, shown: Instant) -> Instant {
        if self.ppm == 0 {
            return shown;
        }
        let passed = shown.since(self.since).as_nanos();
        self.since + scaled(passed, 1_000_000, self.rate()) + Duration::from_nanos(1)
    }

    fn rate(self) -> u128 {
        u128::from(1_000_000_u32.saturating_add_signed(self.ppm))
    }
}

fn scaled(nanos: u128, times: u128, by: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos * times / by).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_what_it_was_waited_for() {
        let start = Instant::ORIGIN + Duration::from_secs(7);
        for ppm in [-20_000, -1, 0, 1, 333, 20_000] {
            let clock = Drift::new(start, ppm);
            for wait in [0, 1, 999, 1_234_567_891, 86_400_000_000_000] {
                let due = start + Duration::from_nanos(wait);
                let reached = clock.reaches(due);
                assert!(clock.shows(reached) >= due, "{ppm} ppm, {wait} ns");
                assert!(clock.shows(reached).since(due) <= Duration::from_nanos(3), "{ppm} ppm, {wait} ns");
            }
        }
    }

    #[test]
    fn a_fast_clock_is_ahead_and_a_slow_one_behind() {
        let (start, hour) = (Instant::ORIGIN, Duration::from_secs(3_600));
        let shown = |ppm| Drift::new(start, ppm).shows(start + hour).since_origin();
        assert_eq!(shown(1_000), hour + Duration::from_millis(3_600));
        assert_eq!(shown(-1_000), hour - Duration::from_millis(3_600));
    }
}
