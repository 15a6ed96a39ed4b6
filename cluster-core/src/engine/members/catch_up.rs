//! Whether this node has caught up once with a member's state.

use std::time::Duration;

use cluster_transport::proto::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    Degraded,
    Done,
}

/// The way to one version of a member's state: the one of its greeting or, after an own pause, of the answer to a ping
/// that was sent after it, since what waited in the sockets meanwhile is old.
#[derive(Clone, Debug)]
pub(super) struct CatchUp {
    progress: Progress,
    since: Instant,
    target: Option<u64>,
    ping: Option<u64>,
}

impl CatchUp {
    pub(super) fn new(now: Instant) -> Self {
        Self { progress: Progress::Waiting, since: now, target: None, ping: None }
    }

    /// Starts again, towards the version that answers this ping.
    pub(super) fn restart(&mut self, now: Instant, ping: u64) {
        *self = Self { ping: Some(ping), ..Self::new(now) };
    }

    /// A new session's greeting named a version.
    pub(super) fn handle_greeting(&mut self, version: u64) {
        self.target.get_or_insert(version);
    }

    /// A ping was answered with a version.
    pub(super) fn handle_pong(&mut self, ping: u64, version: u64) {
        if self.ping.is_some_and(|asked| ping >= asked) {
            self.target.get_or_insert(version);
        }
    }

    /// The replica is complete up to this version. True if that is the end of the way.
    pub(super) fn handle_applied(&mut self, version: u64) -> bool {
        let done = self.progress != Progress::Done && self.target.is_some_and(|target| version >= target);
        if done {
            self.progress = Progress::Done;
        }
        done
    }

    /// Gives up waiting after this long. True if it does so now.
    pub(super) fn expire(&mut self, now: Instant, wait: Duration) -> bool {
        let late = self.is_waiting() && now >= self.since + wait;
        if late {
            self.progress = Progress::Degraded;
        }
        late
    }

    /// Since when it waits.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.is_waiting().then_some(self.since)
    }

    /// When waiting ends.
    pub(super) fn deadline(&self, wait: Duration) -> Option<Instant> {
        self.is_waiting().then(|| self.since + wait)
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.progress == Progress::Waiting
    }

    pub(super) fn is_degraded(&self) -> bool {
        self.progress == Progress::Degraded
    }

    pub(super) fn is_done(&self) -> bool {
        self.progress == Progress::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    #[test]
    fn only_the_version_of_the_greeting_counts() {
        let mut way = CatchUp::new(Instant::ORIGIN);
        assert!(!way.handle_applied(100), "no target yet");
        way.handle_greeting(5);
        way.handle_greeting(500);
        assert_eq!([4, 5, 6].map(|version| way.handle_applied(version)), [false, true, false]);
    }

    #[test]
    fn after_a_pause_only_an_answer_to_a_later_ping_counts() {
        let mut way = CatchUp::new(Instant::ORIGIN);
        way.restart(Instant::ORIGIN, 7);
        way.handle_pong(6, 1);
        assert!(!way.handle_applied(1));
        way.handle_pong(8, 9);
        assert_eq!([8, 9].map(|version| way.handle_applied(version)), [false, true]);
    }

    #[test]
    fn a_member_that_takes_too_long_is_degraded_once_and_may_still_get_there() {
        let mut way = CatchUp::new(Instant::ORIGIN);
        way.handle_greeting(u64::MAX);
        assert!(!way.expire(Instant::ORIGIN + Duration::from_secs(9), WAIT));
        assert!(way.expire(Instant::ORIGIN + WAIT, WAIT));
        assert!(!way.expire(Instant::ORIGIN + WAIT, WAIT));
        assert_eq!((way.is_degraded(), way.deadline(WAIT)), (true, None));
        assert!(way.handle_applied(u64::MAX) && way.is_done());
    }
}
