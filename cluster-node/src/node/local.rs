//! What a node has to itself: its clients, what they listen to, and the rooms that messages are matched against.
//!
//! It sends nothing to other nodes. Locks are held for one step and never across an await; where two are held, the
//! subscriptions' comes first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use cluster_core::engine::{ConnectionId, RoomId, RoomInfo};
use cluster_core::seldom::Seldom;
use cluster_transport::proto::NodeId;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::catalogue::{Catalogue, Holder};
use super::outbox::{Outbox, Text};
use crate::api::Channel;
use crate::filter::RoomKey;
use crate::load::Load;
use crate::notification::{Direction, Rendered};
use crate::subscriptions::{
    Audience, Departure, SubscribeError, Subscribed, SubscriptionLimits, Subscriptions,
};

/// The part of a node that the cluster's host task and the clients' tasks share.
#[derive(Debug)]
pub(super) struct Local {
    key: RoomKey,
    subscriptions: Mutex<Subscriptions>,
    catalogue: RwLock<Catalogue>,
    clients: RwLock<BTreeMap<ConnectionId, Arc<Outbox>>>,
    next_connection: AtomicU64,
    news: watch::Sender<()>,
    shutdown: CancellationToken,
    draining: CancellationToken,
    complaints: Seldom,
    load: Load,
    relieving: Mutex<()>,
}

impl Local {
    pub(super) fn new(key: RoomKey, limits: SubscriptionLimits, load: Load) -> Self {
        Self {
            key,
            subscriptions: Mutex::new(Subscriptions::new(limits)),
            catalogue: RwLock::default(),
            clients: RwLock::default(),
            next_connection: AtomicU64::new(1),
            news: watch::Sender::new(()),
            shutdown: CancellationToken::new(),
            draining: CancellationToken::new(),
            complaints: Seldom::default(),
            load,
            relieving: Mutex::default(),
        }
    }

    /// What the clients cost.
    pub(super) fn load(&self) -> &Load {
        &self.load
    }

    /// One line a minute for each peer that sends what this node does not understand.
    pub(super) fn complain(&self, from: &NodeId, what: &str) {
        if let Some(unsaid) = self.complaints.worth_a_line(from) {
            tracing::warn!("{from} sent {what} ({unsaid} more since the last line about it)");
        }
    }

    /// What rooms are named with.
    pub(super) fn key(&self) -> &RoomKey {
        &self.key
    }

    /// Cancelled when another node asked this one to shut down.
    pub(super) fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Cancelled when this node was told to drain.
    pub(super) fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Changes whenever the cluster told this node something of rooms, members or readiness.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    pub(super) fn tell_news(&self) {
        self.news.send_replace(());
    }

    /// Takes in a client, whose texts wait in this queue.
    pub(super) fn connect(&self, outbox: Arc<Outbox>) -> ConnectionId {
        let connection = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        self.clients.write().unwrap_or_else(PoisonError::into_inner).insert(connection, outbox);
        connection
    }

    /// Lets a client go, with all its subscriptions.
    pub(super) fn disconnect(&self, connection: ConnectionId) -> Vec<Departure> {
        self.clients.write().unwrap_or_else(PoisonError::into_inner).remove(&connection);
        let mut subscriptions = self.subscriptions();
        let departures = subscriptions.disconnect(connection);
        self.forget_empty(&departures);
        departures
    }

    /// Puts a client on a channel of a room.
    ///
    /// # Errors
    /// When the client or the node is full; nothing has changed then.
    pub(super) fn enter(
        &self,
        connection: ConnectionId,
        channel: Channel,
        room: &RoomInfo,
        volatile: Option<Value>,
    ) -> Result<Subscribed, SubscribeError> {
        let mut subscriptions = self.subscriptions();
        let (index, collection) = (room.index(), room.collection());
        let subscribed = subscriptions.subscribe(connection, channel, index, collection, volatile)?;
        if matches!(subscribed, Subscribed::Entered { connections: 1, .. }) {
            self.change_catalogue(|catalogue| catalogue.appeared(Holder::Client, room));
        }
        Ok(subscribed)
    }

    /// Takes a client off all channels of a room; `None` if it is on none.
    pub(super) fn leave(&self, connection: ConnectionId, room: RoomId) -> Option<Departure> {
        let mut subscriptions = self.subscriptions();
        let departure = subscriptions.unsubscribe(connection, room);
        self.forget_empty(departure.as_slice());
        departure
    }

    /// The rooms of the cluster that a message is for.
    pub(super) fn matches(
        &self,
        index: &str,
        collection: &str,
        id: Option<&str>,
        source: &Value,
    ) -> Vec<RoomId> {
        let catalogue = self.catalogue.read().unwrap_or_else(PoisonError::into_inner);
        catalogue.matcher().matches(index, collection, id, source)
    }

    pub(super) fn change_catalogue(&self, change: impl FnOnce(&mut Catalogue)) {
        change(&mut self.catalogue.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Gives a document notification to this node's clients.
    pub(super) fn deliver_document(&self, rooms: &[RoomId], scope: Direction, notification: &Rendered) {
        let audiences = self.subscriptions().document_audiences(rooms, scope);
        self.deliver(&audiences, notification);
    }

    /// Gives a user notification to this node's clients.
    pub(super) fn deliver_user(&self, room: &RoomId, user: Direction, notification: &Rendered) {
        let audiences = self.subscriptions().user_audiences(room, user);
        self.deliver(&audiences, notification);
    }

    /// Gives a notification to these clients. One that is gone meanwhile is left out.
    pub(super) fn deliver(&self, audiences: &[Audience], notification: &Rendered) {
        if audiences.is_empty() {
            return;
        }
        let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        for audience in audiences {
            let text = Text::new(notification.for_channel(&audience.channel).into(), &self.load);
            for outbox in audience.connections.iter().filter_map(|connection| clients.get(connection)) {
                outbox.push(text.clone());
            }
        }
        drop(clients);
        self.relieve();
    }

    /// Has the clients go that take up most of the memory, if more waits for all together than may.
    pub(super) fn relieve(&self) {
        let reserve = self.load.reserve();
        while reserve.is_exceeded() {
            // One at a time: two would send twice as many away as need be.
            let Ok(_relieving) = self.relieving.try_lock() else { return };
            let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
            let mut shares: Vec<_> = clients.values().map(|outbox| (outbox.share(), outbox)).collect();
            shares.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
            let slow = shares.into_iter().take_while(|(bytes, _)| *bytes > 0 && !reserve.is_relieved());
            if slow.map(|(_, outbox)| outbox.give_way()).count() == 0 {
                return;
            }
        }
    }

    fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called under the lock of the subscriptions, so that the two never disagree.
    fn forget_empty(&self, departures: &[Departure]) {
        let mut empty = departures.iter().filter(|departure| departure.connections == 0).peekable();
        if empty.peek().is_some() {
            self.change_catalogue(|catalogue| {
                empty.for_each(|departure| catalogue.disappeared(Holder::Client, &departure.room));
            });
        }
    }
}
