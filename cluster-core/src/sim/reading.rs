//! What can be read of a simulation.

use cluster_transport::proto::lanes::LaneSettings;
use cluster_transport::proto::{Incarnation, Instant, Lane, NodeId};

use super::counters::Counters;
use super::host::Host;
use super::invariants::Violation;
use super::model::Model;
use super::process::Process;
use super::trace::Trace;
use super::world::{Owed, Sim, Slot};
use crate::engine::Engine;

impl Sim {
    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The nodes whose processes run, stopped or not.
    pub fn running(&self) -> impl Iterator<Item = usize> {
        let runs = |(node, slot): (usize, &Slot)| slot.process.is_some().then_some(node);
        self.slots.iter().enumerate().filter_map(runs)
    }

    /// The engine of a node.
    ///
    /// # Panics
    /// When the node has no process.
    #[expect(clippy::panic, reason = "a test that asks for what is not there is wrong")]
    pub fn engine(&self, node: usize) -> &Engine {
        match self.process(node) {
            Some(process) => &process.engine,
            None => panic!("n{node} has no process"),
        }
    }

    /// The host of a node.
    ///
    /// # Panics
    /// When the node has no process.
    #[expect(clippy::panic, reason = "a test that asks for what is not there is wrong")]
    pub fn host(&self, node: usize) -> &Host {
        match self.process(node) {
            Some(process) => &process.host,
            None => panic!("n{node} has no process"),
        }
    }

    pub(super) fn process(&self, node: usize) -> Option<&Process> {
        self.slots.get(node)?.process.as_ref()
    }

    /// The truth about subscriptions.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What happened.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// How many bytes one node has sent to another.
    pub fn bytes_sent(&self, from: usize, to: usize) -> u64 {
        self.network.bytes_sent(from, to)
    }

    /// What the run really did.
    pub fn counters(&self) -> Counters {
        let mut counters = self.network.counters;
        for process in self.slots.iter().filter_map(|slot| slot.process.as_ref()) {
            counters.add_process(process);
        }
        counters
    }

    /// How many nodes are needed to be ready.
    pub fn minimum_nodes(&self) -> u32 {
        self.settings.minimum_nodes.get()
    }

    pub(super) fn owed(&self) -> &Owed {
        &self.owed
    }

    /// Whether discovery has answered a node.
    pub(super) fn has_discovered(&self, node: usize) -> bool {
        self.process(node).is_some_and(|process| process.discovered)
    }

    /// Whether the process of a node was told to drain.
    pub(super) fn drains(&self, node: usize) -> bool {
        self.process(node).is_some_and(|process| self.was_drained(process.engine.incarnation()))
    }

    /// Whether a process was told to drain, whose next lives have their nonce of it.
    pub(super) fn was_drained(&self, incarnation: Incarnation) -> bool {
        self.drained.contains(&incarnation.nonce)
    }

    pub(super) fn is_leaving(&self, node: usize) -> bool {
        self.slots.get(node).is_some_and(|slot| slot.is_leaving)
    }

    /// Whether there were two processes with this one's id at any time.
    pub(super) fn was_twinned(&self, node: usize) -> bool {
        self.twinned.contains(&node) || node >= self.settings.nodes
    }

    pub(super) fn life_of(&self, node: usize) -> Option<u64> {
        self.process(node).map(|process| process.life)
    }

    /// How many bytes each peer's lanes hold.
    pub(super) fn held_by_lanes(
        &self,
        node: usize,
    ) -> impl Iterator<Item = (&NodeId, Lane, usize, &LaneSettings)> {
        let lanes = self.process(node).into_iter().flat_map(|process| &process.lanes);
        lanes.flat_map(|(peer, lanes)| {
            Lane::ALL.into_iter().map(move |lane| (peer, lane, lanes.held(lane), lanes.settings()))
        })
    }

    /// How many tunnels end at a node, and how many it carries; none without a process.
    pub fn tunnels(&self, node: usize) -> (usize, usize) {
        self.process(node).map_or((0, 0), |process| process.tunnels.counts())
    }

    /// What each tunnel that ends at a node holds and was not read.
    pub(super) fn unread_in_tunnels(&self, node: usize) -> impl Iterator<Item = usize> {
        let tunnels = self.process(node).into_iter().flat_map(|process| process.tunnels.unread());
        tunnels.map(|(_, bytes)| bytes)
    }

    pub(super) fn has_nested_tunnel(&self, node: usize) -> bool {
        let nests =
            |process: &Process| process.tunnels.unread().any(|(leg, _)| process.is_tunnelled(leg.session));
        self.process(node).is_some_and(nests)
    }

    pub(super) fn first_violation(&self) -> Option<Violation> {
        self.broken.first().map(|(node, violation)| Violation::new(format!("n{node}: {violation}")))
    }
}
