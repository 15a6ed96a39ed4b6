//! A model host: it notes what it is told, and whether it was told in the order that hosts are promised.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes};
use cluster_transport::proto::session::{Direction, Missed};
use cluster_transport::proto::{Incarnation, NodeId};

use super::invariants::{Alternation, Delivery, Lives, Registers, Violation};
use crate::engine::members::{MemberEvent, RemovalReason};
use crate::engine::state::RoomEvent;
use crate::engine::{ClusterEvent, ContinuityEvent};

/// Which process published a notification, and which of its notifications it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The number of the node.
    pub node: usize,
    /// Which of its processes.
    pub life: u64,
    /// Which notification of that process.
    pub number: u64,
}

impl Stamp {
    pub(super) fn encode(self, size: usize) -> Bytes {
        let mut payload = Vec::with_capacity(24.max(size));
        payload.put_u64(self.node as u64);
        payload.put_u64(self.life);
        payload.put_u64(self.number);
        payload.resize(24.max(size), 0);
        payload.into()
    }

    pub(super) fn decode(mut payload: Bytes) -> Option<Self> {
        let node = usize::try_from(payload.try_get_u64().ok()?).ok()?;
        Some(Self { node, life: payload.try_get_u64().ok()?, number: payload.try_get_u64().ok()? })
    }
}

/// What a host was told of lost notifications, by peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// How many, as far as that was known.
    pub known: u64,
    /// How often nobody knew how many.
    pub unknown: u64,
}

/// The host of one process.
#[derive(Debug, Default)]
pub struct Host {
    pub(super) rooms: Alternation,
    pub(super) delivery: Delivery,
    pub(super) events: Vec<(NodeId, ClusterEvent)>,
    pub(super) lost_inbound: BTreeMap<NodeId, Told>,
    pub(super) lost_outbound: BTreeMap<NodeId, Told>,
    pub(super) stale: BTreeMap<NodeId, u64>,
    pub(super) registers: Registers,
    pub(super) lives: Lives,
    pub(super) joins: BTreeMap<NodeId, u64>,
    pub(super) removed: Vec<(NodeId, Incarnation, RemovalReason)>,
    pub(super) violations: Vec<Violation>,
}

impl Host {
    /// The rooms that it knows.
    pub fn rooms(&self) -> &Alternation {
        &self.rooms
    }

    /// The registers that it knows.
    pub fn registers(&self) -> &Registers {
        &self.registers
    }

    /// The events it was given, with their publishers.
    pub fn events(&self) -> &[(NodeId, ClusterEvent)] {
        &self.events
    }

    /// What it has got of each publisher.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// What it was told of lost notifications of a peer.
    pub fn lost_from(&self, peer: &NodeId) -> Told {
        self.lost_inbound.get(peer).copied().unwrap_or_default()
    }

    /// How often it was told to read again what it has cached because of a peer.
    pub fn stale(&self, peer: &NodeId) -> u64 {
        self.stale.get(peer).copied().unwrap_or_default()
    }

    /// How often each node has joined, in the order of their ids.
    pub(super) fn joins(&self) -> impl Iterator<Item = (&NodeId, u64)> {
        self.joins.iter().map(|(node, joins)| (node, *joins))
    }

    /// Whether it has noted something that is to be judged.
    pub(super) fn has_news(&self) -> bool {
        !self.removed.is_empty() || !self.violations.is_empty()
    }

    pub(super) fn on_member(&mut self, event: &MemberEvent) {
        let seen = self.lives.observe(event);
        self.violations.extend(seen.err());
        match event {
            MemberEvent::Joined { node, .. } => *self.joins.entry(node.clone()).or_default() += 1,
            MemberEvent::Removed { node, incarnation, why, .. } => {
                self.removed.push((node.clone(), *incarnation, why.clone()));
            }
            _ => {}
        }
    }

    pub(super) fn on_room(&mut self, event: &RoomEvent) {
        let seen = self.rooms.observe(event);
        self.violations.extend(seen.err());
    }

    pub(super) fn on_notification(&mut self, stamp: Stamp) {
        let seen = self.delivery.observe(stamp);
        self.violations.extend(seen.err());
    }

    pub(super) fn on_continuity(&mut self, event: ContinuityEvent) {
        match event {
            ContinuityEvent::Lagged { peer, direction, missed } => {
                let told = match direction {
                    Direction::Inbound => self.lost_inbound.entry(peer).or_default(),
                    Direction::Outbound => self.lost_outbound.entry(peer).or_default(),
                };
                match missed {
                    Missed::Known(count) => told.known += count,
                    Missed::Unknown => told.unknown += 1,
                }
            }
            ContinuityEvent::CachesStale { peer } => *self.stale.entry(peer).or_default() += 1,
        }
    }
}
