//! How often those who are told of many changes one by one are told: at once after a pause, and [`PAUSE`] apart in a flood.
//!
//! A flood of subscriptions would else wake a peer's task and the host's thread for each of them, and all would wait for the
//! engine's lock in turn.

use std::time::Duration;

use cluster_transport::proto::Instant;

use super::inner::Inner;

/// The longest that a change is held back. A timer's own coarseness may add as much again.
const PAUSE: Duration = Duration::from_millis(1);

/// When somebody was told last of all that there was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    told_all: Option<Instant>,
}

impl Pace {
    /// All that there was has been told now.
    pub(super) fn tell_all(&mut self, now: Instant) {
        self.told_all = Some(now);
    }

    /// There is more to tell, which has no reason to wait.
    pub(super) fn tell_part(&mut self) {
        self.told_all = None;
    }

    /// Until when a new change waits for others to come; none if it may be told now.
    pub(super) fn holds_until(&self, now: Instant) -> Option<Instant> {
        self.told_all.map(|told| told + PAUSE).filter(|due| *due > now)
    }

    /// Whether a change for a peer waits, of which so many bytes are on their way: one that has all of it is told at once.
    pub(super) fn holds(&self, now: Instant, on_their_way: usize) -> bool {
        on_their_way > 0 && self.holds_until(now).is_some()
    }
}

impl Inner {
    /// Something for the state lane of a peer waits for more.
    pub(super) fn state_is_held(&self) {
        self.held.notify_one();
    }

    /// Lets go what is held back for peers, soon after it was.
    pub(super) async fn run_paces(&self) {
        loop {
            tokio::select! {
                biased;
                () = self.stop().cancelled() => return,
                () = self.held.notified() => {}
            }
            tokio::time::sleep(PAUSE).await;
            self.peers().iter().for_each(|(_, peer)| peer.release_state());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_after_a_pause_is_told_at_once_and_one_in_a_flood_with_those_after_it() {
        let at = |micros| Instant::after_origin(Duration::from_micros(micros));
        let mut pace = Pace::default();
        assert_eq!(pace.holds_until(at(5)), None, "the first one");
        pace.tell_all(at(5));
        assert_eq!(pace.holds_until(at(6)), Some(at(1_005)));
        assert_eq!(
            (pace.holds(at(6), 100), pace.holds(at(6), 0), pace.holds(at(1_005), 100)),
            (true, false, false)
        );
        assert_eq!(pace.holds_until(at(1_005)), None);
        pace.tell_all(at(1_005));
        pace.tell_part();
        assert_eq!(pace.holds_until(at(1_006)), None, "what does not fit one message goes on");
    }
}
