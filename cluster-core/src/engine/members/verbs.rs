//! What an administrator or the process itself wants of the membership.

use cluster_transport::proto::{Instant, NodeId};

use super::event::RemovalReason;
use super::{Members, Presence};

/// How firmly a drain is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Only if the others are still a quorum.
    IfQuorumHolds,
    /// In any case.
    Anyway,
}

/// A drain that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DrainError {
    /// The others would be too few.
    #[error("the drain leaves {remaining} of {minimum} nodes (minimumNodes): add a node or force it")]
    BelowQuorum {
        /// How many nodes this one has a session with.
        remaining: usize,
        /// How many are needed.
        minimum: u32,
    },
}

/// A node that is neither a member nor looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{node} is not known here: `members` in the status lists who is")]
pub struct UnknownNode {
    /// The id given.
    pub node: NodeId,
}

impl Members {
    /// Stops serving clients for good, so that they can move before this node leaves.
    ///
    /// # Errors
    /// The other nodes would be below the quorum and the drain is not forced.
    pub fn drain(&mut self, now: Instant, how: Drain) -> Result<(), DrainError> {
        let remaining = self.table.in_session().count();
        let minimum = self.settings.minimum_nodes.get();
        let holds = u32::try_from(remaining).map_or(true, |remaining| remaining >= minimum);
        if how == Drain::IfQuorumHolds && !holds {
            return Err(DrainError::BelowQuorum { remaining, minimum });
        }
        if self.presence == Presence::Staying {
            self.presence = Presence::Draining;
        }
        self.settle(now);
        Ok(())
    }

    /// Stops serving and judging: from now on this node's opinion of others no longer matters.
    pub fn leave(&mut self, now: Instant) {
        self.presence = Presence::Leaving;
        self.settle(now);
    }

    /// Suspends verdicts about a member until this moment; an earlier one than now ends the suspension.
    ///
    /// # Errors
    /// The node is no member.
    pub fn hold(&mut self, now: Instant, node: &NodeId, until: Instant) -> Result<(), UnknownNode> {
        let member = self.table.get_mut(node).ok_or_else(|| UnknownNode { node: node.clone() })?;
        member.held_until = Some(until);
        self.settle(now);
        Ok(())
    }

    /// Removes a node by hand: as a member, and from those that are looked for. If it lives, it may come back by itself.
    ///
    /// # Errors
    /// The node is neither.
    pub fn forget(&mut self, now: Instant, node: &NodeId) -> Result<(), UnknownNode> {
        let was_member = self.table.get(node).is_some();
        self.remove(now, node, RemovalReason::Forgotten);
        let looked_for = self.absent.forget(node);
        if !was_member && looked_for.is_empty() {
            return Err(UnknownNode { node: node.clone() });
        }
        self.drop_absent(&looked_for);
        self.settle(now);
        Ok(())
    }
}
