//! Pauses between attempts: twice as long after each failure up to a cap, and never the same for everybody.

use std::time::Duration;

/// The pauses of one attempt that is repeated until it succeeds. Each is drawn from the upper half of its length, so that
/// those who failed together do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses from `first` on.
    pub(crate) fn new(first: Duration) -> Self {
        Self { first, failures: 0 }
    }

    /// The attempt succeeded: the next failure is the first one again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause after a failure, at most `cap`.
    pub(crate) fn after_failure(&mut self, cap: Duration) -> Duration {
        let longest = self.first.saturating_mul(2_u32.saturating_pow(self.failures)).min(cap);
        self.failures = self.failures.saturating_add(1);
        jittered(longest, 50)
    }
}

/// A duration that is up to so many percent shorter.
pub(crate) fn jittered(longest: Duration, percent: u32) -> Duration {
    // Without randomness there is no jitter, which costs a crowd and nothing else.
    let random = getrandom::u32().unwrap_or(0) % 1_024;
    let spread = longest.saturating_mul(percent) / 100;
    longest.saturating_sub(spread.saturating_mul(random) / 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_begin_anew_after_a_success() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100));
        for _ in 0..2 {
            for longest in [100, 200, 400, 800, 1_000, 1_000] {
                let pause = backoff.after_failure(ms(1_000));
                assert!(ms(longest / 2) <= pause && pause <= ms(longest), "{pause:?} of {longest} ms");
            }
            backoff.reset();
        }
    }

    #[test]
    fn a_jittered_pause_is_shorter_by_so_many_percent_at_most() {
        let longest = Duration::from_secs(10);
        for _ in 0..1_000 {
            let pause = jittered(longest, 10);
            assert!(Duration::from_secs(9) <= pause && pause <= longest, "{pause:?}");
        }
        assert_eq!(jittered(longest, 0), longest);
    }
}
