//! Where members can be dialled: told to whoever may not know them yet.
//!
//! A node tells all that it knows at the start of a session, but to no more than [`TOLD_AT_A_TIME`] peers between two beats, and
//! new sessions to so many others, chosen at random. Whoever was left out is told at a later beat, unless its view has become
//! the same by then: it knows the same members. So what a mass start costs a node does not grow with the square of the cluster.

use cluster_transport::proto::{Instant, NodeId};
use rand::seq::SliceRandom as _;

use super::Members;
use super::absent::Origin;
use super::outbox::Outbox;
use super::table::Member;
use super::wire::{Hint, HintRef, MAX_ADDRESSES, MAX_HINTS, encode_hints};
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
        let others = self.table.iter().filter(|(other, member)| member.session.is_some() && *other != node);
        tell(&mut self.outbox, node, others);
    }

    /// A beat: some of those that were left out are told of all others.
    pub(super) fn tell_the_untold(&mut self) {
        self.told = 0;
        if self.untold.is_empty() {
            return;
        }
        let (table, agreement) = (&self.table, &self.agreement);
        let is_left_out =
            |member: &Member| member.session.is_some() && !agreement.agrees(member.claims.as_ref());
        self.untold.retain(|node| table.get(node).is_some_and(is_left_out));
        let mut left: Vec<NodeId> = self.untold.iter().cloned().collect();
        let (chosen, _) = left.partial_shuffle(&mut self.rng, TOLD_AT_A_TIME);
        for node in chosen {
            self.tell_all_others(node);
        }
    }

    /// Tells some members of the sessions that are new.
    pub(super) fn tell_fresh_sessions(&mut self) {
        let fresh: Vec<NodeId> = std::mem::take(&mut self.fresh).into_iter().collect();
        let mut peers = self.table.in_session().to_vec();
        let (chosen, _) = peers.partial_shuffle(&mut self.rng, TOLD_AT_A_TIME);
        for peer in chosen {
            let others = fresh.iter().filter(|node| *node != peer);
            let others = others.filter_map(|node| Some((node, self.table.get(node)?)));
            tell(&mut self.outbox, peer, others);
        }
    }
}

/// Tells a member where these others can be dialled.
fn tell<'a>(outbox: &mut Outbox, to: &NodeId, others: impl Iterator<Item = (&'a NodeId, &'a Member)>) {
    let mut others = others.map(|(node, member)| {
        let addresses = member.addresses.get(..MAX_ADDRESSES).unwrap_or(&member.addresses);
        HintRef { node, addresses }
    });
    loop {
        let hints: Vec<HintRef<'_>> = others.by_ref().take(MAX_HINTS).collect();
        if hints.is_empty() {
            return;
        }
        outbox.push_encoded(to, || encode_hints(&hints));
    }
}
