//! Questions of others about a member, and when they get their answers.
//!
//! A question is answered at once with the age of the last byte. If the member is in session it is pinged too, and its next
//! byte gives a second answer, "since you asked": so a member that only lost the asker's link is vetoed within a round trip.

use std::collections::BTreeMap;

use cluster_transport::proto::{Instant, NodeId};

use super::wire::Question;

/// The most askers that wait for a byte of one member.
const MAX_ASKERS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Askers {
    waiting: BTreeMap<NodeId, (Question, Instant)>,
}

impl Askers {
    /// Notes who asked; whether the member is to be pinged for it. Only the newest question of an asker counts.
    pub(super) fn note(&mut self, now: Instant, asker: &NodeId, question: Question) -> bool {
        let is_first = self.waiting.is_empty();
        if self.waiting.len() < MAX_ASKERS || self.waiting.contains_key(asker) {
            self.waiting.insert(asker.clone(), (question, now));
        }
        is_first
    }

    /// A byte came: all who wait are to be told.
    pub(super) fn take(&mut self) -> BTreeMap<NodeId, Question> {
        std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|(asker, (question, _))| (asker, question))
            .collect()
    }

    /// Forgets questions asked before this moment.
    pub(super) fn expire(&mut self, before: Instant) {
        self.waiting.retain(|_, (_, asked)| *asked >= before);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use cluster_transport::proto::Incarnation;

    use super::*;

    fn question(round: u32) -> Question {
        Question { round, node: "x".parse().unwrap(), incarnation: Incarnation { epoch: 1, nonce: 1 } }
    }

    #[test]
    fn the_newest_question_of_each_asker_is_answered_once() {
        let mut askers = Askers::default();
        let (a, b): (NodeId, NodeId) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert!(askers.note(Instant::ORIGIN, &a, question(0)));
        assert!(!askers.note(Instant::ORIGIN, &a, question(1)));
        assert!(!askers.note(Instant::ORIGIN, &b, question(7)));
        assert_eq!(askers.take(), BTreeMap::from([(a, question(1)), (b, question(7))]));
        assert!(askers.is_empty());
    }

    #[test]
    fn waiting_askers_are_bounded_and_expire() {
        let mut askers = Askers::default();
        for i in 0..100 {
            askers.note(Instant::ORIGIN, &format!("n{i}").parse().unwrap(), question(0));
        }
        assert_eq!(askers.waiting.len(), MAX_ASKERS);
        askers.expire(Instant::ORIGIN + std::time::Duration::from_nanos(1));
        assert!(askers.is_empty());
    }
}
