//! The flight recorder: the last decisions of membership, readiness and repair, with their evidence.
//!
//! It is for reading after the fact. Nothing in the engine looks at it, and what it keeps is bounded.

mod line;

use std::collections::VecDeque;

use cluster_transport::proto::Instant;

use super::members::MemberEvent;
use super::state::StateEvent;

pub use line::{FlightEvidence, FlightLine, Origin};

/// How many decisions are kept.
pub const MAX_DECISIONS: usize = 1000;

/// A decision, and when it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When, on this node's monotonic clock.
    pub at: Instant,
    /// What was decided, with its evidence.
    pub what: Decided,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// Of membership and readiness.
    Member(MemberEvent),
    /// Of the replicas and their repair.
    State(StateEvent),
}

#[derive(Debug, Default)]
pub(super) struct Recorder {
    decisions: VecDeque<Decision>,
    recorded: u64,
}

impl Recorder {
    pub(super) fn record(&mut self, at: Instant, what: Decided) {
        if self.decisions.len() == MAX_DECISIONS {
            self.decisions.pop_front();
        }
        self.decisions.push_back(Decision { at, what });
        self.recorded += 1;
    }

    pub(super) fn decisions(&self) -> impl ExactSizeIterator<Item = &Decision> {
        self.decisions.iter()
    }

    pub(super) fn recorded(&self) -> u64 {
        self.recorded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_decisions_are_kept() {
        let mut recorder = Recorder::default();
        let superseded = |epoch| Decided::Member(MemberEvent::Superseded { epoch });
        for epoch in 0..1_002 {
            recorder.record(Instant::ORIGIN, superseded(epoch));
        }
        let first = recorder.decisions().next().map(|decision| decision.what.clone());
        assert_eq!(first, Some(superseded(2)));
        assert_eq!((recorder.decisions().len(), recorder.recorded()), (MAX_DECISIONS, 1_002));
    }
}
