//! What an administrator or the process itself wants of the membership.

use std::time::Duration;

use cluster_transport::proto::{Instant, NodeId};
use serde::{Deserialize, Serialize};

use super::event::{MemberEvent, RemovalReason};
use super::table::Member;
use super::wire::Message;
use super::{Members, Presence};

/// The longest hold: whoever is under a debugger for longer is gone for the others.
pub const MAX_HOLD: Duration = Duration::from_secs(24 * 3600);

/// How firmly a drain is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        /// How many other nodes serve clients and have a session with this one.
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

/// A hold that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// There is no such member.
    #[error(transparent)]
    UnknownNode(#[from] UnknownNode),
    /// It would last too long.
    #[error("a hold of {got:?} is longer than {MAX_HOLD:?}: choose a shorter one, it can be renewed")]
    TooLong {
        /// The span given.
        got: Duration,
    },
}

impl Members {
    /// Stops serving clients for good, so that they can move before this node leaves. All members are told, and count them apart.
    ///
    /// # Errors
    /// The other nodes would be below the quorum and the drain is not forced. Those that do not serve do not count, so that
    /// of two nodes that are drained one after the other the second is refused.
    pub fn drain(&mut self, now: Instant, how: Drain) -> Result<(), DrainError> {
        let serves = |member: &Member| member.session.is_some() && member.serves();
        let remaining = self.table.iter().filter(|(_, member)| serves(member)).count();
        let minimum = self.settings.minimum_nodes.get();
        let holds = u32::try_from(remaining).map_or(true, |remaining| remaining >= minimum);
        if how == Drain::IfQuorumHolds && !holds {
            return Err(DrainError::BelowQuorum { remaining, minimum });
        }
        if self.presence == Presence::Staying {
            self.presence = Presence::Draining;
            self.emit(MemberEvent::Draining { remaining, minimum });
            for node in self.table.in_session().iter() {
                self.outbox.push(node, &Message::Draining);
            }
        }
        self.settle(now);
        Ok(())
    }

    /// Stops serving and judging: from now on this node's opinion of others no longer matters.
    pub fn leave(&mut self, now: Instant) {
        self.presence = Presence::Leaving;
        self.settle(now);
    }

    /// Suspends verdicts about a member for so long, whatever was said before; with no time it ends the suspension.
    ///
    /// # Errors
    /// The node is no member, or the span is longer than [`MAX_HOLD`].
    pub fn hold(&mut self, now: Instant, node: &NodeId, span: Duration) -> Result<(), HoldError> {
        if span > MAX_HOLD {
            return Err(HoldError::TooLong { got: span });
        }
        let member = self.table.get_mut(node).ok_or_else(|| UnknownNode { node: node.clone() })?;
        member.held_until = Some(now + span);
        self.emit(MemberEvent::Held { node: node.clone(), span });
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
