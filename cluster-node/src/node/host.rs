//! What the cluster tells a node.

use bytes::Bytes;
use cluster_core::engine::members::MemberEvent;
use cluster_core::engine::state::{Change, RoomEvent};
use cluster_core::engine::{RoomId, RoomInfo};
use cluster_core::host::{Host, Readiness, Refusal};
use cluster_transport::proto::NodeId;
use cluster_transport::proto::session::{Direction as Way, Missed};

use super::catalogue::Holder;
use super::local::Local;
use crate::notification::{DocumentNotification, UserNotification};

impl Host for Local {
    fn rooms_changed(&self, changes: &[RoomEvent]) {
        self.change_catalogue(|catalogue| {
            for event in changes {
                match &event.change {
                    Change::Appeared(room) => catalogue.appeared(Holder::Cluster, room),
                    Change::Disappeared(room) => catalogue.disappeared(Holder::Cluster, room),
                }
            }
        });
        self.tell_news();
    }

    fn document_notification(&self, from: &NodeId, rooms: &[RoomId], payload: &Bytes) {
        match DocumentNotification::decode(payload) {
            Ok(notification) => {
                self.deliver_document(rooms, notification.scope, &notification.render());
            }
            Err(error) => self.complain(from, &format!("a document notification that is none: {error}")),
        }
    }

    fn user_notification(&self, from: &NodeId, room: &RoomId, payload: &Bytes) {
        match UserNotification::decode(payload) {
            Ok(notification) => self.deliver_user(room, notification.user, &notification.render()),
            Err(error) => self.complain(from, &format!("a user notification that is none: {error}")),
        }
    }

    fn shutdown(&self, from: &NodeId) -> Result<(), Refusal> {
        tracing::info!("{from} asks this node to shut down");
        Self::shutdown(self).cancel();
        Ok(())
    }

    fn lagged(&self, peer: &NodeId, direction: Way, missed: Missed) {
        match missed {
            Missed::Known(count) => tracing::warn!(%peer, "{count} notifications were lost, {direction:?}"),
            // So it is with every new member: what it published before is not this node's.
            other => tracing::debug!(%peer, "notifications may have been lost, {direction:?}: {other:?}"),
        }
    }

    fn member_event(&self, event: &MemberEvent) {
        if let MemberEvent::Draining { .. } = event {
            self.draining().cancel();
        }
        self.tell_news();
    }

    fn readiness_changed(&self, _: &Readiness) {
        self.tell_news();
    }

    fn verify_room(&self, room: &RoomInfo) -> bool {
        self.key().verifies(&room.id(), room.index(), room.collection(), room.filters())
    }
}
