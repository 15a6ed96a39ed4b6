//! All spans of time of the membership, derived from the heartbeat, each with its reason.

use std::time::Duration;

/// Default heartbeat: a silent cut is noticed within 2.5 s, at two small messages a second and peer.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_millis(500);

/// How long a member may send nothing before it is doubted, at this heartbeat.
pub fn doubted_after(heartbeat: Duration) -> Duration {
    Timing::new(heartbeat).silence()
}

/// The second of two refusals comes this long after the first: a process that restarts at once has bound its port by then.
pub(super) const REFUSALS_APART: Duration = Duration::from_millis(100);
/// A probe for which there was no room among the dials, or whose link was cut off, is dialled again after this long: half of
/// what two refusals are apart, and longer than a dying process mostly needs to close what it has open.
pub(super) const PROBE_AGAIN: Duration = Duration::from_millis(50);
/// How long an address may hold readiness back: many round trips, and less than a user notices.
pub(super) const DIAL_WAIT: Duration = Duration::from_millis(500);
/// New sessions are told to the others in batches this far apart, so that a mass start does not cost a message each.
pub(super) const HINT_BATCH: Duration = Duration::from_millis(100);
/// Removed members are looked for this long: longer than a night's split.
pub(super) const DEPARTED_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Members that others named are looked for this long; they are named again with every session of theirs.
pub(super) const HINT_LIFE: Duration = Duration::from_secs(600);

/// A newer life of this node that nobody speaks of for so long is gone: an address that refused this one is dialled more often.
pub(super) const SUPERSEDED_LIFE: Duration = Duration::from_secs(45);

/// The spans of one heartbeat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    heartbeat: Duration,
}

impl Timing {
    pub(super) fn new(heartbeat: Duration) -> Self {
        Self { heartbeat }
    }

    pub(super) fn heartbeat(self) -> Duration {
        self.heartbeat
    }

    /// Doubt begins after this long without a byte: two lost beats, and longer than three retransmissions of TCP.
    pub(super) fn silence(self) -> Duration {
        (self.heartbeat * 2).max(Duration::from_millis(1500))
    }

    /// A doubt without any sign ends after this long: probe and questions had several round trips, and the peers that
    /// fell silent with this one are in doubt too by then (their last bytes lie within one beat).
    pub(super) fn verdict(self) -> Duration {
        self.heartbeat.max(Duration::from_secs(1))
    }

    /// A peer whose system accepts while its process does not answer: stopped, swapping or under a debugger.
    pub(super) fn frozen(self) -> Duration {
        (self.heartbeat * 6).max(Duration::from_secs(15))
    }

    /// A peer that others hear and we do not: we cannot hold its state for longer than that.
    pub(super) fn veto_life(self) -> Duration {
        (self.heartbeat * 4).max(Duration::from_secs(10))
    }

    /// Verdicts of a node that doubts itself: time for its own network to come back.
    pub(super) fn self_doubt(self) -> Duration {
        self.veto_life()
    }

    /// A gap of the own clock above this is an own pause: one beat is the longest gap of a healthy driver.
    pub(super) fn pause(self) -> Duration {
        self.heartbeat * 2
    }

    /// A beat that comes later than this is the own machine's fault.
    pub(super) fn late(self) -> Duration {
        self.heartbeat / 2
    }

    /// The quorum must be lost for this long: a link that resumes costs no readiness.
    pub(super) fn stability(self) -> Duration {
        self.heartbeat * 2
    }

    /// Members are asked again this often while a doubt runs.
    pub(super) fn ask_again(self) -> Duration {
        self.heartbeat
    }

    /// Views that differ for this long are compared owner by owner: what is on its way arrives sooner.
    pub(super) fn compare(self) -> Duration {
        self.heartbeat * 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_heartbeat_gives_the_documented_spans() {
        let timing = Timing::new(DEFAULT_HEARTBEAT);
        let spans =
            [timing.silence(), timing.verdict(), timing.frozen(), timing.veto_life(), timing.stability()];
        assert_eq!(spans.map(|span| span.as_millis()), [1500, 1000, 15_000, 10_000, 1000]);
    }

    #[test]
    fn a_heartbeat_of_five_seconds_doubts_after_ten() {
        assert_eq!(Timing::new(Duration::from_secs(5)).silence(), Duration::from_secs(10));
    }

    #[test]
    fn a_silent_majority_is_in_doubt_before_the_first_verdict() {
        for ms in [10, 500, 1000, 5000, 60_000] {
            let timing = Timing::new(Duration::from_millis(ms));
            assert!(timing.verdict() >= timing.heartbeat(), "{ms} ms");
        }
    }
}
