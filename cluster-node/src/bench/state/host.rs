//! A host that only counts, and remembers when it was told what.

use std::collections::BTreeMap;

use cluster_core::engine::members::MemberEvent;
use cluster_core::engine::state::{Change, RoomEvent};
use cluster_core::host::{Host, Readiness};
use tokio::sync::watch;

use super::super::stamp::nanos;

/// What the host was told. Times are those of [`nanos`].
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// How many rooms there are.
    pub(super) rooms: u64,
    /// When that changed last.
    pub(super) rooms_at: u64,
    /// When the node became ready, if it is.
    pub(super) ready_at: Option<u64>,
    /// When a node that is no member any more was removed.
    pub(super) removed_at: BTreeMap<String, u64>,
}

/// The host of a member that is measured.
#[derive(Debug)]
pub(super) struct Counting(watch::Sender<Told>);

impl Counting {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Told::default()))
    }

    pub(super) fn told(&self) -> watch::Receiver<Told> {
        self.0.subscribe()
    }
}

impl Host for Counting {
    fn rooms_changed(&self, changes: &[RoomEvent]) {
        self.0.send_modify(|told| {
            for event in changes {
                match event.change {
                    Change::Appeared(_) => told.rooms += 1,
                    Change::Disappeared(_) => told.rooms = told.rooms.saturating_sub(1),
                }
            }
            told.rooms_at = nanos();
        });
    }

    fn member_event(&self, event: &MemberEvent) {
        self.0.send_if_modified(|told| match event {
            MemberEvent::Removed { node, .. } => told.removed_at.insert(node.to_string(), nanos()).is_none(),
            MemberEvent::Joined { node, .. } => told.removed_at.remove(node.as_str()).is_some(),
            _ => false,
        });
    }

    fn readiness_changed(&self, readiness: &Readiness) {
        self.0.send_modify(|told| told.ready_at = readiness.ready.then(nanos));
    }
}
