//! At each node, joins and removals of another one alternate, and no life of a node comes after a later one of it.

use std::collections::BTreeMap;

use cluster_transport::proto::{Incarnation, NodeId};

use super::Violation;
use crate::engine::members::MemberEvent;

/// The members of one process, from what it was told.
#[derive(Debug, Default)]
pub struct Lives(BTreeMap<NodeId, (Incarnation, bool)>);

impl Lives {
    /// Takes note of what happened in the membership.
    ///
    /// # Errors
    /// A join of a member, a removal of somebody else, or an earlier life than was seen before.
    pub fn observe(&mut self, event: &MemberEvent) -> Result<(), Violation> {
        let (node, incarnation, joins) = match event {
            MemberEvent::Joined { node, incarnation, .. } => (node, *incarnation, true),
            MemberEvent::Removed { node, incarnation, .. } => (node, *incarnation, false),
            _ => return Ok(()),
        };
        let before = self.0.insert(node.clone(), (incarnation, joins));
        let (seen, was_member) = before.unwrap_or((incarnation, false));
        let wrong = |what: &str| Err(Violation::new(format!("{node} in its life {incarnation} {what}")));
        match (was_member, joins) {
            (true, true) => wrong("joins, and is a member"),
            (false, false) => wrong("is removed, and was no member"),
            (true, false) if seen != incarnation => wrong("is removed, and another life of it was a member"),
            (false, true) if incarnation < seen => wrong("joins after a later life of it"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::members::RemovalReason;

    fn life(epoch: u64) -> Incarnation {
        Incarnation { epoch, nonce: 0 }
    }

    fn joined(epoch: u64) -> MemberEvent {
        MemberEvent::Joined { node: "a".parse().unwrap(), incarnation: life(epoch), addresses: Vec::new() }
    }

    fn removed(epoch: u64) -> MemberEvent {
        let why = RemovalReason::Silent;
        MemberEvent::Removed { node: "a".parse().unwrap(), incarnation: life(epoch), why, evidence: None }
    }

    #[test]
    fn it_bites_on_lives_that_come_back_and_on_joins_and_removals_that_do_not_alternate() {
        let judge = |history: &[MemberEvent]| {
            let mut lives = Lives::default();
            history.iter().try_for_each(|event| lives.observe(event))
        };
        assert_eq!(judge(&[joined(1), removed(1), joined(1), removed(1), joined(2)]), Ok(()));
        assert!(judge(&[joined(1), joined(2)]).is_err());
        assert!(judge(&[removed(1)]).is_err());
        assert!(judge(&[joined(1), removed(2)]).is_err());
        assert!(judge(&[joined(2), removed(2), joined(1)]).is_err(), "a resurrection");
    }
}
