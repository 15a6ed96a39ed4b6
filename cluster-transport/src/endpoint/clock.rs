//! The one place where the transport reads a clock.

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
