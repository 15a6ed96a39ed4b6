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

/// Who asked about one member lately: about most nobody did.
#[derive(Debug, Default)]
#[expect(
    clippy::box_collection,
    reason = "a third of a map, in a record whose beginning every heartbeat reads"
)]
pub(super) struct Askers(Option<Box<BTreeMap<NodeId, Asked>>>);

impl Askers {
    /// Notes who asked; whether the member is to be pinged for it. Only the newest question of an asker counts.
    pub(super) fn note(&mut self, now: Instant, asker: &NodeId, question: Question) -> bool {
        let is_first = !self.are_waiting();
        let all = self.0.get_or_insert_default();
        if all.len() < MAX_ASKERS || all.contains_key(asker) {
            all.insert(asker.clone(), Asked { question, at: now, is_told: false });
        }
        is_first
    }

    /// Whether anybody waits for a byte of the member.
    pub(super) fn are_waiting(&self) -> bool {
        self.0.as_ref().is_some_and(|all| all.values().any(|asked| !asked.is_told))
    }

    /// A byte came: who waits for it.
    pub(super) fn take_waiting(&mut self) -> Vec<(NodeId, Question)> {
        let waits = |asked: &mut Asked| !std::mem::replace(&mut asked.is_told, true);
        let all = self.0.iter_mut().flat_map(|all| all.iter_mut());
        all.filter_map(|(asker, asked)| waits(asked).then(|| (asker.clone(), asked.question.clone())))
            .collect()
    }

    /// The session ended: all who asked.
    pub(super) fn take_all(&mut self) -> Vec<(NodeId, Question)> {
        let all = self.0.take().into_iter().flat_map(|all| *all);
        all.map(|(asker, asked)| (asker, asked.question)).collect()
    }

    /// Forgets questions asked before this moment; whether any are left.
    pub(super) fn expire(&mut self, before: Instant) -> bool {
        self.0.take_if(|all| {
            all.retain(|_, asked| asked.at >= before);
            all.is_empty()
        });
        self.0.is_some()
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
        assert_eq!(askers.0.as_ref().map(|all| all.len()), Some(MAX_ASKERS));
        assert!(askers.expire(Instant::ORIGIN));
        assert!(!askers.expire(Instant::ORIGIN + std::time::Duration::from_nanos(1)));
        assert!(!askers.are_waiting() && askers.0.is_none());
    }
}
