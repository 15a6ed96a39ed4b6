//! What a host does with rooms, and what it sends to those who are in them elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cluster_transport::endpoint::SendFailure;
use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::{Lane, NodeId};

use super::Cluster;
use super::error::NotHeard;
use super::inner::Counters;
use crate::engine::notification;
use crate::engine::state::{
    CollectionName, JoinError, Left, NotSubscribed, RoomCount, SubscribeError, Subscribed,
};
use crate::engine::{ClusterEvent, ConnectionId, NotificationKind, RoomId, RoomInfo};

/// Where a notification went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notified {
    /// To how many other nodes.
    pub nodes: usize,
    /// How many did not need it.
    pub avoided: usize,
    /// How many messages were lost: older ones that gave way because a node is too far behind, or this one where it is longer
    /// than a lane takes. This host is told as well, and so is a node whose messages gave way.
    pub shed: u64,
    /// On the way to which nodes they were lost, and how many for each.
    pub shed_at: Vec<(NodeId, u64)>,
}

impl Notified {
    pub(super) fn lose(&mut self, peer: &NodeId, messages: u64) {
        self.shed += messages;
        self.shed_at.push((peer.clone(), messages));
    }

    /// Adds what became of the same message at other nodes.
    pub(super) fn add(&mut self, other: Self) {
        self.nodes += other.nodes;
        self.avoided += other.avoided;
        self.shed += other.shed;
        self.shed_at.extend(other.shed_at);
    }

    /// Adds what became of another part of the same notification.
    pub(super) fn merge(&mut self, other: Self) {
        let (nodes, avoided) = (self.nodes.max(other.nodes), self.avoided.max(other.avoided));
        self.add(other);
        (self.nodes, self.avoided) = (nodes, avoided);
    }
}

/// Rooms.
impl Cluster {
    /// Puts a connection into a room, which is made when it is new. Answered from memory; others hear of it at once:
    /// [`heard`](Self::heard) waits until they have.
    ///
    /// # Errors
    /// When this node has as many rooms as others hold for one member.
    pub fn subscribe(&self, connection: ConnectionId, room: &RoomInfo) -> Result<Subscribed, SubscribeError> {
        self.inner.with_engine(|engine, now| engine.subscribe(now, connection, room))
    }

    /// Puts a connection into a room by its id. While something is on its way from another node, an unknown room is waited
    /// for, at most `waitForMissingRooms`. Cancel safe.
    ///
    /// # Errors
    /// When no node has the room, or this one has too many.
    pub async fn join(&self, connection: ConnectionId, room: RoomId) -> Result<Subscribed, JoinError> {
        let join = || self.inner.with_engine(|engine, now| engine.join(now, connection, room));
        match join() {
            Err(JoinError::UnknownRoom { .. }) if self.wait_for_room(&room).await => join(),
            joined => joined,
        }
    }

    /// Takes a connection out of a room.
    ///
    /// # Errors
    /// When it is not in it.
    pub fn unsubscribe(&self, connection: ConnectionId, room: RoomId) -> Result<Left, NotSubscribed> {
        self.inner.with_engine(|engine, now| engine.unsubscribe(now, connection, room))
    }

    /// Takes a connection out of all its rooms.
    pub fn disconnect(&self, connection: ConnectionId) -> Vec<Left> {
        self.inner.with_engine(|engine, now| engine.disconnect(now, connection))
    }

    /// How many connections are in a room, on all nodes that do not drain; `None` if there is no such room. At once when all
    /// members agree, else an unknown room is waited for, at most `waitForMissingRooms`. Cancel safe.
    pub async fn count(&self, room: &RoomId) -> Option<u64> {
        let count = || self.inner.read(|engine| engine.state().count(room));
        match count() {
            None if self.wait_for_room(room).await => count(),
            known => known,
        }
    }

    /// How many connections are in a room on nodes that drain: clients that are about to be elsewhere, and that
    /// [`count`](Self::count) leaves out. Answered from memory.
    pub fn moving(&self, room: &RoomId) -> u64 {
        self.inner.read(|engine| engine.state().moving(room))
    }

    /// Whether an unknown room came to be known while something was on its way.
    async fn wait_for_room(&self, room: &RoomId) -> bool {
        let is_known = |engine: &crate::engine::Engine| engine.state().count(room).is_some();
        let settled = |engine: &crate::engine::Engine| is_known(engine) || engine.members().is_converged();
        let wait = self.inner.wait_until(|inner| inner.read(settled));
        let _ = tokio::time::timeout(self.inner.config().wait_for_missing_rooms(), wait).await;
        self.inner.read(is_known)
    }

    /// What is known of a room.
    pub fn room(&self, room: &RoomId) -> Option<RoomInfo> {
        self.inner.read(|engine| engine.state().room(room))
    }

    /// The collections that have rooms, sorted, after this one; at most `limit` of them.
    pub fn collections(&self, after: Option<&CollectionName>, limit: usize) -> Vec<CollectionName> {
        self.inner.read(|engine| engine.state().collections(after).take(limit).cloned().collect())
    }

    /// The rooms of a collection with their counts, sorted.
    pub fn rooms_of(&self, collection: &CollectionName) -> Vec<RoomCount> {
        self.inner.read(|engine| engine.state().list(collection))
    }

    /// Waits until every peer in session that is not in doubt has applied this node's state up to `version`: from then on, what is
    /// published on any of them reaches the subscriber. One round trip. Cancel safe.
    ///
    /// # Errors
    /// When the deadline passes first; the error names who is behind.
    pub async fn heard(&self, version: u64, deadline: Duration) -> Result<(), NotHeard> {
        let wait = self.inner.wait_until(|inner| inner.read(|engine| engine.unheard(version).is_empty()));
        if tokio::time::timeout(deadline, wait).await.is_ok() {
            return Ok(());
        }
        let by = self.inner.read(|engine| engine.unheard(version));
        if by.is_empty() { Ok(()) } else { Err(NotHeard { by, waited: deadline }) }
    }
}

/// Notifications and events.
impl Cluster {
    /// Sends a document notification to the other nodes that hold a subscriber in any of the rooms. Never waits: a node that is
    /// too far behind loses its oldest notifications, and both hosts are told. Own clients are the host's own business.
    pub fn notify_document(&self, rooms: &[RoomId], payload: &[u8]) -> Notified {
        self.notify(NotificationKind::Document, rooms, payload)
    }

    /// Sends a user notification to the other nodes that hold a subscriber in the room. Never waits, as
    /// [`notify_document`](Self::notify_document).
    pub fn notify_user(&self, room: &RoomId, payload: &[u8]) -> Notified {
        self.notify(NotificationKind::User, std::slice::from_ref(room), payload)
    }

    fn notify(&self, kind: NotificationKind, rooms: &[RoomId], payload: &[u8]) -> Notified {
        let mut sent = Notified::default();
        for rooms in rooms.chunks(notification::MAX_ROOMS) {
            // Sent under the engine's lock, so that nobody is removed or added between the decision and the sending.
            let head = notification::head(kind, rooms);
            let part = self.inner.with_peers_of(rooms, |interest, sessions| {
                let mut part = Notified { nodes: interest.nodes.len(), ..Notified::default() };
                part.avoided = interest.avoided;
                for session in sessions {
                    let pushed = session.send(Lane::Notifications, &head, Payload::Copied(payload));
                    // One that is longer than the lane takes is lost as much as one that gave way.
                    let shed = pushed.map_or(1, |pushed| pushed.shed);
                    if shed > 0 {
                        part.lose(session.peer(), shed);
                    }
                }
                let lost = part.shed_at.clone();
                (part, lost)
            });
            sent.merge(part);
        }
        self.inner.counters.count_notified(&sent);
        sent
    }

    /// Tells every other member. Sent and applied whether anybody is ready or not. Never waits: at a node that is too far behind the
    /// oldest events give way; the answer names it, and its host is told that its caches are stale.
    ///
    /// # Errors
    /// When the event is longer than a message may be.
    pub fn publish_event(&self, event: &ClusterEvent) -> Result<Notified, SendFailure> {
        let message = event.encode();
        let mut sent = Notified::default();
        for peer in self.inner.all_peers() {
            let pushed = peer.session.send(Lane::Events, &[], Payload::Shared(message.clone()))?;
            sent.nodes += 1;
            if pushed.shed > 0 {
                sent.lose(peer.session.peer(), pushed.shed);
            }
        }
        Ok(sent)
    }

    /// The members besides this one, sorted.
    pub fn members(&self) -> Vec<NodeId> {
        self.inner.read(|engine| engine.members().members().map(|(node, _)| node.clone()).collect())
    }
}

impl Counters {
    pub(super) fn count_notified(&self, notified: &Notified) {
        let count = |counter: &AtomicU64, n: usize| {
            counter.fetch_add(u64::try_from(n).unwrap_or(u64::MAX), Ordering::Relaxed);
        };
        count(&self.notifications_sent, notified.nodes);
        count(&self.notifications_avoided, notified.avoided);
    }
}
