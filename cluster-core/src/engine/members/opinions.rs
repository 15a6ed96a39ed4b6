//! Questions of others about a member, and when they get their answers.
//!
//! A question is answered at once with the age of the last byte. If the member is in session it is pinged too, and its next
//! byte gives a second answer, "since you asked": so a member that only lost the asker's link is vetoed within a round trip.
//! If its session ends soon after, that is told as well: so the last bytes of a killed process veto for no longer than that.

use std::collections::BTreeMap;

use cluster_transport::proto::{Instant, NodeId};

use super::wire::Question;

/// The most askers about one member that are remembered.
const MAX_ASKERS: usize = 64;

#[derive(Debug)]
struct Asked {
    question: Question,
    at: Instant,
    is_told: bool,
}

/// Who asked about one member lately.
#[derive(Debug, Default)]
pub(super) struct Askers {
    asked: BTreeMap<NodeId, Asked>,
    untold: usize,
}

impl Askers {
    /// Notes who asked; whether the member is to be pinged for it. Only the newest question of an asker counts.
    pub(super) fn note(&mut self, now: Instant, asker: &NodeId, question: Question) -> bool {
        let is_first = !self.are_waiting();
        if self.asked.len() < MAX_ASKERS || self.asked.contains_key(asker) {
            self.asked.insert(asker.clone(), Asked { question, at: now, is_told: false });
        }
        self.count();
        is_first
    }

    /// Whether anybody waits for a byte of the member.
    pub(super) fn are_waiting(&self) -> bool {
        self.untold > 0
    }

    /// A byte came: who waits for it.
    pub(super) fn take_waiting(&mut self) -> Vec<(NodeId, Question)> {
        self.untold = 0;
        let waits = |asked: &mut Asked| !std::mem::replace(&mut asked.is_told, true);
        let told = self
            .asked
            .iter_mut()
            .filter_map(|(asker, asked)| waits(asked).then(|| (asker.clone(), asked.question.clone())));
        told.collect()
    }

    /// The session ended: all who asked.
    pub(super) fn take_all(&mut self) -> Vec<(NodeId, Question)> {
        self.untold = 0;
        std::mem::take(&mut self.asked).into_iter().map(|(asker, asked)| (asker, asked.question)).collect()
    }

    /// Forgets questions asked before this moment; whether any are left.
    pub(super) fn expire(&mut self, before: Instant) -> bool {
        self.asked.retain(|_, asked| asked.at >= before);
        self.count();
        !self.asked.is_empty()
    }

    fn count(&mut self) {
        self.untold = self.asked.values().filter(|asked| !asked.is_told).count();
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
    fn a_byte_answers_the_newest_question_of_each_asker_once_and_an_end_all_of_them() {
        let mut askers = Askers::default();
        let (a, b): (NodeId, NodeId) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert!(askers.note(Instant::ORIGIN, &a, question(0)));
        assert!(!askers.note(Instant::ORIGIN, &a, question(1)), "the ping is on its way");
        assert!(!askers.note(Instant::ORIGIN, &b, question(7)));
        let all = [(a.clone(), question(1)), (b, question(7))];
        assert_eq!(askers.take_waiting(), all);
        assert_eq!((askers.take_waiting(), askers.are_waiting()), (vec![], false));
        assert!(askers.note(Instant::ORIGIN, &a, question(1)), "a new question is a new ping");
        assert_eq!(askers.take_all(), all);
        assert_eq!((askers.take_all(), askers.are_waiting()), (vec![], false));
    }

    #[test]
    fn askers_are_bounded_and_expire() {
        let mut askers = Askers::default();
        for i in 0..100 {
            askers.note(Instant::ORIGIN, &format!("n{i}").parse().unwrap(), question(0));
        }
        assert_eq!(askers.asked.len(), MAX_ASKERS);
        assert!(askers.expire(Instant::ORIGIN));
        assert!(!askers.expire(Instant::ORIGIN + std::time::Duration::from_nanos(1)));
        assert!(!askers.are_waiting() && askers.asked.is_empty());
    }
}
