//! The one place where the transport reads a clock.

use std::pin::Pin;

use tokio::time::Sleep;

use crate::proto::Instant;

/// A process's monotonic clock, counted from when it was made. Copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: tokio::time::Instant,
}

impl Clock {
    /// A clock that starts now. Follows tokio's clock, so that it can be paused in tests.
    pub fn start() -> Self {
        Self { origin: tokio::time::Instant::now() }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        Instant::after_origin(self.origin.elapsed())
    }

    /// The same point as tokio counts it.
    pub fn to_tokio(&self, at: Instant) -> tokio::time::Instant {
        self.origin + at.since_origin()
    }

    /// Waits until then; for ever without one.
    pub async fn sleep_until(&self, at: Option<Instant>) {
        match at {
            Some(at) => tokio::time::sleep_until(self.to_tokio(at)).await,
            None => std::future::pending().await,
        }
    }
}

/// Waits for deadlines that mostly move to later before they come, and touches the runtime's timers only when they do not.
#[derive(Debug)]
pub(super) struct Alarm {
    clock: Clock,
    /// What the runtime's timer is set to, which may be too early.
    set: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Alarm {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, set: None }
    }

    /// Waits until then; for ever without one. Cancel safe.
    pub(super) async fn wait(&mut self, until: Option<Instant>) {
        let Some(until) = until else { return std::future::pending().await };
        loop {
            let (at, sleep) = self.set.get_or_insert_with(|| {
                (until, Box::pin(tokio::time::sleep_until(self.clock.to_tokio(until))))
            });
            if until < *at {
                *at = until;
                sleep.as_mut().reset(self.clock.to_tokio(until));
            }
            sleep.as_mut().await;
            let rang = *at;
            self.set = None;
            if until <= rang {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_alarm_rings_at_the_deadline_of_its_last_wait() {
        let clock = Clock::start();
        let mut alarm = Alarm::new(clock);
        let at = |seconds| Some(Instant::after_origin(Duration::from_secs(seconds)));
        for (before, until) in [(9, 10), (30, 20), (25, 28), (30, 30)] {
            let short = Duration::from_millis(1);
            tokio::time::timeout(short, alarm.wait(at(before))).await.expect_err("not yet");
            alarm.wait(at(until)).await;
            assert_eq!(clock.now().since_origin().as_secs(), until);
        }
    }
}
