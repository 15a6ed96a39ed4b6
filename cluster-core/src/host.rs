//! What a node implementation gives to the cluster: the [`Host`], told of everything that concerns its clients and caches.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use cluster_transport::endpoint::SessionHandle;
use cluster_transport::proto::NodeId;
use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::requests::{FailureCode, RequestId};
use cluster_transport::proto::session::{Direction, Missed};

use crate::engine::members::MemberEvent;
use crate::engine::registers::RegisterChange;
use crate::engine::state::RoomEvent;
use crate::engine::{IndexEntry, RoomId, RoomInfo};

/// Whether this node serves clients, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it does.
    pub ready: bool,
    /// Why it does not; empty when it does.
    pub reasons: Vec<String>,
}

/// A host does not do what another node asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Why, in words for whoever asked.
    pub reason: String,
}

/// Takes in what happens in the cluster. Every method does nothing unless it is implemented.
///
/// All are called from one thread that does nothing else, within the runtime that the member was started in, each kind in its order, and never under a lock of the cluster: they may call any method of
/// [`Cluster`](crate::runtime::Cluster). They should return soon. A slow host costs no memory beyond the windows of its peers:
/// room changes are conflated, and publishers are told what it missed.
///
/// What a node does itself is not told to its own host, but for rooms: those of its own clients are part of the union.
#[expect(unused_variables, reason = "the default is to do nothing")]
pub trait Host: Send + Sync + 'static {
    /// Rooms came into the union of all nodes, or left it. Per room the two alternate strictly; short-lived rooms may be
    /// left out. Each change carries `at`: apply it only if nothing newer is known of that room, from a verb's answer say.
    /// In a flood, what this node's own clients did is told a millisecond or two later, together.
    fn rooms_changed(&self, changes: &[RoomEvent]) {}

    /// A document entered or left rooms: deliver it to this node's subscribers of them.
    fn document_notification(&self, from: &NodeId, rooms: &[RoomId], payload: &Bytes) {}

    /// A user entered or left a room: deliver it to this node's subscribers of it.
    fn user_notification(&self, from: &NodeId, room: &RoomId, payload: &Bytes) {}

    /// An index or collection was added: read this entry again.
    fn index_cache_added(&self, from: &NodeId, entry: &IndexEntry) {}

    /// An index or collection was removed: read this entry again.
    fn index_cache_removed(&self, from: &NodeId, entry: &IndexEntry) {}

    /// A profile changed: drop it from the cache.
    fn profile_invalidated(&self, from: &NodeId, id: &str) {}

    /// A role changed: drop it from the cache.
    fn role_invalidated(&self, from: &NodeId, id: &str) {}

    /// The specifications of a collection changed: load the validators again.
    fn validators_changed(&self, from: &NodeId) {}

    /// All rights were reset: drop every profile and role.
    fn security_reset(&self, from: &NodeId) {}

    /// Registers have other values than before, because of other nodes or because what this one wrote before it was ready takes
    /// effect now. Only the newest value of each is told. Each change carries `at`: apply it only if nothing newer is known of
    /// that register, from a verb's answer say.
    fn registers_changed(&self, changes: &[RegisterChange]) {}

    /// An event of the application.
    fn custom_event(&self, from: &NodeId, name: &str, payload: &[u8]) {}

    /// Another node asks for a dump.
    ///
    /// # Errors
    /// When this host does not make one; the reason goes back to whoever asked.
    fn dump(&self, from: &NodeId, suffix: &str) -> Result<(), Refusal> {
        Err(Refusal { reason: "this node makes no dumps".to_owned() })
    }

    /// Another node asks this one to shut down.
    ///
    /// # Errors
    /// When this host does not; the reason goes back to whoever asked.
    fn shutdown(&self, from: &NodeId) -> Result<(), Refusal> {
        Err(Refusal { reason: "this node does not shut down on request".to_owned() })
    }

    /// A request of the application. Answer it now or later; an [`Answer`] that is dropped tells the asker that there is none.
    fn request(&self, from: &NodeId, name: &str, payload: Bytes, answer: Answer) {
        answer.refuse("this node answers no such request");
    }

    /// Events of this peer may have been missed: whatever was cached may be stale. At most about once a second for each peer.
    fn caches_stale(&self, peer: &NodeId) {}

    /// Notifications from or to this peer were lost. At most about once a second for each peer.
    fn lagged(&self, peer: &NodeId, direction: Direction, missed: Missed) {}

    /// Somebody joined, left, or is in doubt.
    fn member_event(&self, event: &MemberEvent) {}

    /// This node became ready, or stopped being ready.
    fn readiness_changed(&self, readiness: &Readiness) {}

    /// Whether a room's id is the one that its filters give. A room that another node describes wrongly is not handed out.
    fn verify_room(&self, room: &RoomInfo) -> bool {
        true
    }
}

/// The answer to a request of another node: given once, or dropped.
pub struct Answer {
    session: Option<(Arc<SessionHandle>, RequestId)>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("given", &self.session.is_none()).finish()
    }
}

impl Answer {
    pub(crate) fn new(session: Arc<SessionHandle>, id: RequestId) -> Self {
        Self { session: Some((session, id)) }
    }

    /// Replies. False if the asker does not wait any more, or the reply does not fit into the lane.
    pub fn reply(mut self, payload: Bytes) -> bool {
        self.session.take().is_some_and(|(session, id)| session.reply(id, Payload::Shared(payload)))
    }

    /// Tells the asker that there is no reply, and why. False if it does not wait any more.
    pub fn refuse(mut self, reason: &str) -> bool {
        self.session.take().is_some_and(|(session, id)| session.fail(id, FailureCode::APPLICATION, reason))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some((session, id)) = self.session.take() {
            session.fail(id, FailureCode::ABANDONED, "the request was given up without an answer");
        }
    }
}
