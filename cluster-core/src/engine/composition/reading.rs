//! What can be read of an engine, and its registers.

use std::collections::BTreeSet;

use cluster_transport::proto::{Incarnation, NodeId};

use super::Engine;
use crate::engine::flight::Decision;
use crate::engine::members::{Member, Members};
use crate::engine::registers::{RegisterChange, Registers};
#[cfg(any(test, feature = "sim"))]
use crate::engine::room::RoomId;
use crate::engine::state::State;
use crate::engine::tape::Input;

/// What can be read.
impl Engine {
    /// This node.
    pub fn node(&self) -> &NodeId {
        &self.me
    }

    /// Which life of it.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The rooms.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Who is there.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Whether every member holds the same rooms and registers as this node, as far as it has said.
    pub fn is_converged(&self) -> bool {
        self.members.is_converged() && self.registers.is_converged()
    }

    /// The last decisions, oldest first.
    pub fn decisions(&self) -> impl ExactSizeIterator<Item = &Decision> {
        self.recorder.decisions()
    }

    /// How many decisions there were, those that are no longer kept included.
    pub fn recorded(&self) -> u64 {
        self.recorder.recorded()
    }

    /// The members that hold other rooms or registers than this node, as far as they have said.
    pub fn differing(&self) -> Vec<NodeId> {
        let differing: BTreeSet<&NodeId> =
            self.members.differing().chain(self.registers.differing()).collect();
        differing.into_iter().cloned().collect()
    }

    /// The members in session that have not applied this node's state up to a version, unless they are in doubt.
    ///
    /// Those that are not ready count too: by the time that is known here, it may not be true any more.
    pub fn unheard(&self, version: u64) -> Vec<NodeId> {
        let behind = |node: &NodeId| self.state.applied_by(node).is_none_or(|applied| applied < version);
        let counts = |member: &Member| member.session().is_some() && !member.is_doubted();
        let members = self.members.members().filter(|(node, member)| counts(member) && behind(node));
        members.map(|(node, _)| node.clone()).collect()
    }

    /// Has the stream to a peer lose its place behind the machine's back.
    #[cfg(any(test, feature = "sim"))]
    pub fn misplace_sender(&mut self, peer: &NodeId, by: i64) {
        self.taped_timeless(|| Input::MisplaceSender { peer: peer.clone(), by });
        self.state.misplace_sender(peer, by);
    }

    /// Corrupts a replica behind the machine's back.
    #[cfg(any(test, feature = "sim"))]
    pub fn corrupt_replica(&mut self, owner: &NodeId, room: &RoomId, count: u32) {
        self.taped_timeless(|| Input::CorruptReplica { owner: owner.clone(), room: *room, count });
        self.state.corrupt_replica(owner, room, count);
    }
}

/// Registers.
impl Engine {
    /// The registers.
    pub fn registers(&self) -> &Registers {
        &self.registers
    }

    /// The next change of a register for the host.
    pub fn poll_register_change(&mut self) -> Option<RegisterChange> {
        let change = self.registers.poll_change();
        self.taped_output(change, Input::PollRegisterChange)
    }

    /// Whether [`poll_register_change`](Self::poll_register_change) has something to say.
    pub fn has_register_changes(&self) -> bool {
        self.registers.has_untold()
    }

    /// The next peer whose session is to ask [`poll_state`](Self::poll_state), because of what another peer's input led to.
    pub fn poll_turn(&mut self) -> Option<NodeId> {
        let turn = self.state.poll_turn();
        self.taped_output(turn, Input::PollTurn)
    }

    /// The last of this node's own changes, of its rooms and of registers: when it differs from before, each session is to ask
    /// [`poll_state`](Self::poll_state).
    pub fn offered(&self) -> (u64, u64) {
        (self.state.version(), self.registers.own_writes())
    }
}
