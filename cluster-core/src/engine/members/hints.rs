//! Where members can be dialled: told to whoever may not know them yet.
//!
//! A node tells all that it knows at the start of a session, but to no more than [`TOLD_AT_A_TIME`] peers between two beats, and
//! new sessions to so many others, chosen at random. Whoever was left out is told at a later beat, unless its view has become
//! the same by then: it knows the same members. So what a mass start costs a node does not grow with the square of the cluster.

use cluster_transport::proto::{Instant, NodeId};
use rand::seq::SliceRandom as _;

use super::Members;
use super::absent::Origin;
use super::table::Member;
use super::wire::{Hint, MAX_HINTS, Message};
use crate::engine::wire::Bounded;

/// How many peers a node tells all that it knows between two beats, and each new session.
pub(super) const TOLD_AT_A_TIME: usize = 8;

impl Members {
    /// A member says where others can be dialled.
    pub(super) fn handle_hints(&mut self, now: Instant, hints: Bounded<Hint, MAX_HINTS>) {
        let mut is_news = false;
        for hint in hints {
            if hint.node == self.settings.me || self.table.get(&hint.node).is_some() {
                continue;
            }
            is_news = true;
            for address in hint.addresses {
                self.look_for(now, &hint.node, &address, Origin::Hinted);
            }
        }
        if is_news {
            self.settle(now);
        }
    }

    /// Tells a member of all others, now or at a later beat.
    pub(super) fn tell_all_others(&mut self, node: &NodeId) {
        if self.told == TOLD_AT_A_TIME {
            self.untold.insert(node.clone());
            return;
        }
        self.untold.remove(node);
        self.told += 1;
        let others: Vec<NodeId> = self.table.in_session().filter(|other| *other != node).cloned().collect();
        self.tell(node, &others);
    }

    /// A beat: some of those that were left out are told of all others.
    pub(super) fn tell_the_untold(&mut self) {
        self.told = 0;
        if self.untold.is_empty() {
            return;
        }
        let (table, agreement) = (&self.table, &self.agreement);
        let in_session = |node: &NodeId| table.get(node).and_then(Member::session).is_some();
        self.untold.retain(|node| in_session(node) && !agreement.agrees(node));
        let mut left: Vec<NodeId> = self.untold.iter().cloned().collect();
        let (chosen, _) = left.partial_shuffle(&mut self.rng, TOLD_AT_A_TIME);
        for node in chosen {
            self.tell_all_others(node);
        }
    }

    /// Tells some members of the sessions that are new.
    pub(super) fn tell_fresh_sessions(&mut self) {
        let fresh: Vec<NodeId> = std::mem::take(&mut self.fresh).into_iter().collect();
        let mut peers: Vec<NodeId> = self.table.in_session().cloned().collect();
        let (chosen, _) = peers.partial_shuffle(&mut self.rng, TOLD_AT_A_TIME);
        for peer in chosen {
            self.tell(peer, &fresh);
        }
    }

    /// Tells a member where these others can be dialled.
    fn tell(&mut self, to: &NodeId, others: &[NodeId]) {
        let hint = |node: &NodeId| {
            let member = self.table.get(node)?;
            let addresses = Bounded::take_from(member.addresses.iter().cloned());
            (node != to).then(|| Hint { node: node.clone(), addresses })
        };
        let hints: Vec<Hint> = others.iter().filter_map(hint).collect();
        for chunk in hints.chunks(MAX_HINTS) {
            self.outbox.push(to, &Message::Hints(Bounded::take_from(chunk.iter().cloned())));
        }
    }
}
