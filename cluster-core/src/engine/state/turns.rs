//! Whose passes run: at most [`MAX_PASSES`] at a time, the others in the order in which they were wanted.
//!
//! So a newcomer is told everything by a few at a time, and not by the whole cluster at once. An owner that does not say
//! anything for [`PATIENCE`] in its turn loses it: who is slow keeps nobody else waiting. What it says later is taken all the same.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use cluster_transport::proto::{Instant, NodeId};

/// How many owners tell this node all that they have at a time.
pub const MAX_PASSES: usize = 4;
/// How long an owner may say nothing in its turn. Looked at once a heartbeat.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
enum Turn {
    /// The owner has said something since it was last looked at.
    Lively,
    /// It has said nothing since then.
    Quiet(Instant),
}

/// The turns of owners.
#[derive(Debug, Default)]
pub(super) struct Turns {
    running: BTreeMap<NodeId, Turn>,
    /// Those that wait, by their places in the line.
    line: BTreeMap<u64, NodeId>,
    places: BTreeMap<NodeId, u64>,
    next_place: u64,
    given: VecDeque<NodeId>,
}

impl Turns {
    /// An owner is to make a pass: now, or when it is its turn.
    pub(super) fn want(&mut self, owner: &NodeId) {
        if self.has(owner) || self.places.contains_key(owner) {
            return;
        }
        if self.running.len() < MAX_PASSES {
            self.running.insert(owner.clone(), Turn::Lively);
        } else {
            self.line.insert(self.next_place, owner.clone());
            self.places.insert(owner.clone(), self.next_place);
            self.next_place += 1;
        }
    }

    /// An owner makes a pass, asked or not.
    pub(super) fn begin(&mut self, owner: &NodeId) {
        self.leave_line(owner);
        self.running.insert(owner.clone(), Turn::Lively);
    }

    /// Whether it is an owner's turn.
    pub(super) fn has(&self, owner: &NodeId) -> bool {
        self.running.contains_key(owner)
    }

    /// An owner goes on with its pass.
    pub(super) fn progress(&mut self, owner: &NodeId) {
        if let Some(turn) = self.running.get_mut(owner) {
            *turn = Turn::Lively;
        }
    }

    /// An owner's pass is complete, or nothing more is to be expected of it.
    pub(super) fn end(&mut self, owner: &NodeId) {
        self.leave_line(owner);
        if self.running.remove(owner).is_some() {
            self.give();
        }
    }

    /// Takes the turns of those away that say nothing. To be called once a heartbeat or more often.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.line.is_empty() {
            return;
        }
        self.running.retain(|_, turn| match *turn {
            Turn::Lively => {
                *turn = Turn::Quiet(now);
                true
            }
            Turn::Quiet(since) => now.since(since) < PATIENCE,
        });
        self.give();
    }

    /// The next owner whose turn has come, and who is to be asked.
    pub(super) fn poll_given(&mut self) -> Option<NodeId> {
        self.given.pop_front()
    }

    pub(super) fn has_given(&self) -> bool {
        !self.given.is_empty()
    }

    fn give(&mut self) {
        while self.running.len() < MAX_PASSES
            && let Some((_, owner)) = self.line.pop_first()
        {
            self.places.remove(&owner);
            self.running.insert(owner.clone(), Turn::Lively);
            self.given.push_back(owner);
        }
    }

    fn leave_line(&mut self, owner: &NodeId) {
        if let Some(place) = self.places.remove(owner) {
            self.line.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize) -> NodeId {
        format!("n{number}").parse().unwrap()
    }

    /// Turns that this many owners want.
    fn wanted(owners: usize) -> Turns {
        let mut turns = Turns::default();
        (0..owners).for_each(|owner| turns.want(&node(owner)));
        turns
    }

    fn given(turns: &mut Turns) -> Vec<NodeId> {
        std::iter::from_fn(|| turns.poll_given()).collect()
    }

    #[test]
    fn four_have_their_turn_and_the_next_ones_follow_in_the_order_of_their_coming() {
        let mut turns = wanted(7);
        assert_eq!((0..7).filter(|owner| turns.has(&node(*owner))).count(), MAX_PASSES);
        assert_eq!(given(&mut turns), [], "who has its turn at once need not be told");
        turns.end(&node(1));
        turns.end(&node(5));
        turns.want(&node(1));
        turns.end(&node(0));
        assert_eq!(given(&mut turns), [node(4), node(6)], "one that left the line is left out");
        turns.end(&node(2));
        assert_eq!(given(&mut turns), [node(1)]);
    }

    #[test]
    fn a_pass_that_nobody_asked_for_counts_too() {
        let mut turns = wanted(5);
        turns.begin(&node(4));
        turns.end(&node(0));
        turns.want(&node(0));
        assert!(!turns.has(&node(0)));
        turns.end(&node(1));
        assert_eq!(given(&mut turns), [node(0)]);
    }

    #[test]
    fn who_says_nothing_loses_its_turn_to_those_who_wait() {
        let at = |ms| Instant::after_origin(Duration::from_millis(ms));
        let mut turns = wanted(6);
        for ms in [0, 500, 1_000] {
            turns.progress(&node(1));
            turns.handle_timeout(at(ms));
        }
        assert_eq!(given(&mut turns), [node(4), node(5)]);
        assert_eq!([0, 1, 2, 3].map(|owner| turns.has(&node(owner))), [false, true, false, false]);
        turns.handle_timeout(at(9_000));
        assert!(turns.has(&node(1)), "nobody waits for its turn");
    }
}
