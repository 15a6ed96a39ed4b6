//! What the clients and the host of a node do, and the plain truth beside it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use cluster_transport::proto::lanes::{Payload, PeerLanes};
use cluster_transport::proto::{Instant, Lane, NodeId, SessionId};

use super::host::{Stamp, Told};
use super::process::Process;
use super::world::{Debt, Sim};
use crate::engine::members::Drain;
use crate::engine::notification::head;
use crate::engine::registers::{RegisterChange, RegisterError, RegisterKey, Written};
use crate::engine::state::Subscribed;
use crate::engine::{ClusterEvent, ConnectionId, Engine, NotificationKind};

impl Sim {
    /// Subscribes a connection of a node to a room. Nothing if the node does not run, or has too many rooms.
    pub fn subscribe(&mut self, node: usize, connection: u64, room: u32) -> Option<Subscribed> {
        let (connection, info) = (ConnectionId(connection), super::room(room));
        let subscribed =
            self.serve(node, |process, now, _| process.engine.subscribe(now, connection, &info).ok())??;
        self.model.subscribe(node, connection, room);
        Some(subscribed)
    }

    /// Subscribes a connection of a node to so many rooms at once; whether the node runs and had place for all of them.
    pub fn subscribe_to_many(&mut self, node: usize, connection: u64, rooms: Range<u32>) -> bool {
        let id = ConnectionId(connection);
        let subscribe = |process: &mut Process, now, room| {
            process.engine.subscribe(now, id, &super::room(room)).map(|_| room).ok()
        };
        let wanted = rooms.clone();
        let subscribed: Option<Vec<u32>> = self
            .serve(node, |process, now, _| wanted.filter_map(|room| subscribe(process, now, room)).collect());
        let subscribed = subscribed.unwrap_or_default();
        subscribed.iter().for_each(|room| self.model.subscribe(node, id, *room));
        subscribed.len() == rooms.len()
    }

    /// Joins a connection to a room by its id. Nothing if the node does not know it.
    pub fn join(&mut self, node: usize, connection: u64, room: u32) -> Option<Subscribed> {
        let (connection, id) = (ConnectionId(connection), super::room(room).id());
        let joined = self.serve(node, |process, now, _| process.engine.join(now, connection, id).ok())??;
        self.model.subscribe(node, connection, room);
        Some(joined)
    }

    /// Takes a connection out of a room; whether it was in it.
    pub fn unsubscribe(&mut self, node: usize, connection: u64, room: u32) -> bool {
        let (connection, id) = (ConnectionId(connection), super::room(room).id());
        let left =
            self.serve(node, |process, now, _| process.engine.unsubscribe(now, connection, id).is_ok());
        if let Some(left) = left {
            let expected = self.model.unsubscribe(node, connection, room);
            self.expect(node, left == expected, "unsubscribe is answered otherwise than the model does");
        }
        left.unwrap_or(false)
    }

    /// Ends a connection; how many rooms it was in.
    pub fn disconnect(&mut self, node: usize, connection: u64) -> usize {
        let connection = ConnectionId(connection);
        let left = self.serve(node, |process, now, _| process.engine.disconnect(now, connection).len());
        if let Some(left) = left {
            let expected = self.model.disconnect(node, connection);
            self.expect(node, left == expected, "disconnect is answered otherwise than the model does");
        }
        left.unwrap_or(0)
    }

    /// Publishes a notification for a room to all nodes that are interested; how many those are.
    pub fn publish(&mut self, node: usize, room: u32, size: usize) -> usize {
        let rooms = [super::room(room).id()];
        let published = self.serve(node, |process, _, network| {
            let interest = process.engine.interest(&rooms);
            let stamp = Stamp { node, life: process.life, number: process.published };
            process.published += 1;
            let (head, payload) = (head(NotificationKind::Document, &rooms), stamp.encode(size));
            let mut sent = Vec::new();
            for (peer, lanes) in lanes_of(process, &interest.nodes) {
                let message = Payload::Shared(payload.clone());
                if let Ok(pushed) = lanes.push_with_head(Lane::Notifications, &head, message) {
                    network.counters.notifications_shed += pushed.shed;
                    sent.push(peer);
                }
            }
            let sessions = sent.iter().filter_map(|peer| process.endpoint.session_with(peer));
            let mut sessions: Vec<SessionId> = sessions.collect();
            sessions.sort_unstable();
            sessions.into_iter().for_each(|session| process.stir(session));
            network.counters.notifications_sent += sent.len() as u64;
            network.counters.notifications_avoided += interest.avoided as u64;
            (process.life, sent)
        });
        let Some((life, sent)) = published else { return 0 };
        for peer in &sent {
            let Some(to) = self.number_of(peer) else { continue };
            let to_life = self.slots.get(to).map_or(0, |slot| slot.lives);
            let told_before =
                self.process(to).map_or(Told::default(), |to| to.host.lost_from(&Self::id(node)));
            let debt = self.owed.entry(((node, life), (to, to_life)));
            debt.or_insert(Debt { count: 0, told_before }).count += 1;
        }
        sent.len()
    }

    /// Tells all other members something; how many those are.
    pub fn tell(&mut self, node: usize, event: &ClusterEvent) -> usize {
        let message = event.encode();
        let told = self.serve(node, |process, _, _| {
            let members: Vec<NodeId> = process.engine.members().members().map(|(id, _)| id.clone()).collect();
            let lanes = lanes_of(process, &members);
            let push = |lanes: &PeerLanes| lanes.push(Lane::Events, Payload::Shared(message.clone())).is_ok();
            let told = lanes.iter().filter(|(_, lanes)| push(lanes)).count();
            process.stir_all();
            told
        });
        told.unwrap_or(0)
    }

    /// Has a node stop serving clients for good; whether the quorum allows it.
    pub fn drain(&mut self, node: usize) -> bool {
        let drained =
            self.serve(node, |process, now, _| process.engine.drain(now, Drain::IfQuorumHolds).is_ok());
        let is_drained = drained.unwrap_or(false);
        if let Some(process) = self.process(node).filter(|_| is_drained) {
            let is_news = self.drained.insert(process.engine.incarnation().nonce);
            self.network.counters.drains += u64::from(is_news);
        }
        is_drained
    }

    /// Has a node compare what it has of every other with its owner, as a reset does.
    pub fn verify(&mut self, node: usize) {
        let asked = self.serve(node, |process, now, _| {
            process.engine.verify(now);
            process.stir_all();
        });
        self.network.counters.verifies += u64::from(asked.is_some());
    }

    /// Has a node forget its own rooms, as a reset with `blank` does, and compare the others' with their owners.
    pub fn blank(&mut self, node: usize) {
        let blanked = self.serve(node, |process, now, _| {
            let version = process.engine.state().version();
            while !process.engine.blank(now, version) {}
        });
        if blanked.is_some() {
            self.network.counters.blanks += 1;
            self.model.gone(node);
            self.verify(node);
        }
    }

    /// Gives a register of a node a value. Nothing if the node does not run.
    pub fn set_register(&mut self, node: usize, key: &str, value: &str) -> Option<Written> {
        self.write_register(node, key, Some(value), |engine, now, key, value| {
            engine.set_register(now, key, value.unwrap_or_default())
        })
    }

    /// Gives a register of a node a value if it never had one. Nothing if the node does not run.
    pub fn set_register_default(&mut self, node: usize, key: &str, value: &str) -> Option<Written> {
        self.write_register(node, key, Some(value), |engine, now, key, value| {
            engine.set_register_default(now, key, value.unwrap_or_default())
        })
    }

    /// Takes the value of a register away. Nothing if the node does not run.
    pub fn remove_register(&mut self, node: usize, key: &str) -> Option<Written> {
        self.write_register(node, key, None, |engine, now, key, _| engine.remove_register(now, key))
    }

    fn write_register(
        &mut self,
        node: usize,
        key: &str,
        value: Option<&str>,
        write: impl FnOnce(&mut Engine, Instant, RegisterKey, Option<Bytes>) -> Result<Written, RegisterError>,
    ) -> Option<Written> {
        let key: RegisterKey = key.parse().ok()?;
        let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
        self.serve(node, |process, now, _| {
            let written = write(&mut process.engine, now, key.clone(), value.clone());
            if let Ok(Written::Now { at }) = written {
                process.host.registers.observe(RegisterChange { key, value, at });
            }
            written.ok()
        })?
    }

    pub(super) fn number_of(&self, id: &NodeId) -> Option<usize> {
        let number = Self::number_in(id)?;
        (number < self.slots.len()).then_some(number)
    }

    fn expect(&mut self, node: usize, holds: bool, otherwise: &str) {
        if !holds {
            self.broken.push((node, super::invariants::Violation::new(otherwise)));
        }
    }
}

fn lanes_of(process: &Process, nodes: &[NodeId]) -> Vec<(NodeId, Arc<PeerLanes>)> {
    let lanes = |node: &NodeId| Some((node.clone(), Arc::clone(process.lanes.get(node)?)));
    nodes.iter().filter_map(lanes).collect()
}
