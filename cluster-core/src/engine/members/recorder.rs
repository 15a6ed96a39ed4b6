//! The flight recorder: the last decisions with their evidence.

use std::collections::VecDeque;

use cluster_transport::proto::Instant;

use super::event::MemberEvent;

/// How many decisions are kept.
pub const MAX_DECISIONS: usize = 1000;

/// A decision, and when it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When, on this node's monotonic clock.
    pub at: Instant,
    /// What was decided, with its evidence.
    pub event: MemberEvent,
}

#[derive(Debug, Default)]
pub(super) struct Recorder {
    decisions: VecDeque<Decision>,
}

impl Recorder {
    pub(super) fn record(&mut self, at: Instant, event: MemberEvent) {
        if self.decisions.len() == MAX_DECISIONS {
            self.decisions.pop_front();
        }
        self.decisions.push_back(Decision { at, event });
    }

    pub(super) fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_decisions_are_kept() {
        let mut recorder = Recorder::default();
        for epoch in 0..1_002 {
            recorder.record(Instant::ORIGIN, MemberEvent::Superseded { epoch });
        }
        let first = recorder.decisions().next().map(|decision| decision.event.clone());
        assert_eq!(first, Some(MemberEvent::Superseded { epoch: 2 }));
        assert_eq!(recorder.decisions().count(), MAX_DECISIONS);
    }
}
