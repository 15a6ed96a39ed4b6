//! A host that writes down what it is told.

use std::sync::Arc;

use bytes::Bytes;
use cluster_core::engine::RoomId;
use cluster_core::engine::members::MemberEvent;
use cluster_core::engine::state::{Change, RoomEvent};
use cluster_core::host::{Host, Readiness};
use cluster_transport::proto::NodeId;
use tokio::sync::watch;

use crate::GIVE_UP;

/// Something that a host was told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// A room appeared in the cluster.
    Appeared(RoomId),
    /// A room disappeared from the cluster.
    Disappeared(RoomId),
    /// A document notification came, from this node with this payload.
    Document(String, Vec<u8>),
    /// This node joined.
    Joined(String),
    /// This node was removed, with the reason in words.
    Removed(String, String),
    /// The node became ready.
    Ready,
    /// The node stopped being ready, with the reasons in words.
    NotReady(Vec<String>),
}

/// Writes down what a member's host is told. Clones are the same host.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<watch::Sender<Vec<Told>>>);

impl Default for Recorder {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }
}

impl Recorder {
    /// Everything so far, in order.
    pub fn told(&self) -> Vec<Told> {
        self.0.borrow().clone()
    }

    /// The payloads of the document notifications so far, in order.
    pub fn documents(&self) -> Vec<Vec<u8>> {
        let document = |told: &Told| match told {
            Told::Document(_, payload) => Some(payload.clone()),
            _ => None,
        };
        self.0.borrow().iter().filter_map(document).collect()
    }

    /// Waits until the host was told something that fits.
    pub async fn was_told(&self, fits: impl Fn(&Told) -> bool) {
        self.wait(|told| told.iter().any(&fits)).await;
    }

    /// Waits until so many document notifications have come.
    pub async fn documents_are(&self, count: u64) {
        let is_document = |told: &&Told| matches!(told, Told::Document(..));
        self.wait(|told| told.iter().filter(is_document).count() as u64 >= count).await;
    }

    async fn wait(&self, fits: impl FnMut(&Vec<Told>) -> bool) {
        let mut told = self.0.subscribe();
        if tokio::time::timeout(GIVE_UP, told.wait_for(fits)).await.is_err() {
            panic!("the host was told only {:?}", *self.0.borrow());
        }
    }

    fn write(&self, told: Told) {
        self.0.send_modify(|all| all.push(told));
    }
}

impl Host for Recorder {
    fn rooms_changed(&self, changes: &[RoomEvent]) {
        for event in changes {
            self.write(match &event.change {
                Change::Appeared(room) => Told::Appeared(room.id()),
                Change::Disappeared(room) => Told::Disappeared(*room),
            });
        }
    }

    fn document_notification(&self, from: &NodeId, _: &[RoomId], payload: &Bytes) {
        self.write(Told::Document(from.to_string(), payload.to_vec()));
    }

    fn member_event(&self, event: &MemberEvent) {
        match event {
            MemberEvent::Joined { node, .. } => self.write(Told::Joined(node.to_string())),
            MemberEvent::Removed { node, why, .. } => {
                self.write(Told::Removed(node.to_string(), why.to_string()));
            }
            _ => {}
        }
    }

    fn readiness_changed(&self, readiness: &Readiness) {
        let reasons = || Told::NotReady(readiness.reasons.clone());
        self.write(if readiness.ready { Told::Ready } else { reasons() });
    }
}
