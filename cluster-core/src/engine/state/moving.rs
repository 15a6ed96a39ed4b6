//! Clients that are about to be somewhere else: those of owners that drain, this node among them.
//!
//! They are still in their rooms and get what is published there, so a room of theirs is in the union as before. They are counted
//! apart: whoever has come back at another node already is counted there, and would be counted twice otherwise.

use cluster_transport::proto::NodeId;

use super::machine::State;
use super::replica::Replica;
use super::table::Slot;
use crate::engine::room::RoomId;

impl State {
    /// An owner drains: its clients are moving from now on, until it is gone or a later life of it is there.
    pub fn handle_draining(&mut self, owner: &NodeId) {
        if *owner == self.me {
            self.drains = true;
        } else if let Some(peer) = self.peers.get_mut(owner) {
            peer.replica.drain();
        }
    }

    /// How many connections of nodes that drain are in a room. [`count`](Self::count) leaves them out.
    pub fn moving(&self, room: &RoomId) -> u64 {
        self.table.find(room).map_or(0, |slot| self.moving_in(slot, &self.drained()))
    }

    /// How many subscriptions of nodes that drain there are.
    pub fn moving_subscriptions(&self) -> u64 {
        let own = if self.drains { self.subscriptions.len() } else { 0 };
        self.drained().iter().map(|replica| replica.connections()).sum::<u64>() + own
    }

    /// The replicas of owners that drain, gone ones included whose rooms are not all out of the union yet.
    pub(super) fn drained(&self) -> Vec<&Replica> {
        let replicas = self.peers.values().map(|peer| &peer.replica).chain(&self.ended);
        replicas.filter(|replica| replica.drains()).collect()
    }

    pub(super) fn moving_in(&self, slot: Slot, drained: &[&Replica]) -> u64 {
        let own = if self.drains { self.log.count(slot) } else { 0 };
        drained.iter().map(|replica| u64::from(replica.count(slot))).sum::<u64>() + u64::from(own)
    }

    /// How many connections are in a room on all nodes that do not drain.
    pub(super) fn live_in(&self, slot: Slot) -> u64 {
        self.table.total(slot).saturating_sub(self.moving_in(slot, &self.drained()))
    }
}
