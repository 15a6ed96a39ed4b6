//! The rooms that a published message is matched against.

use std::collections::BTreeMap;

use cluster_core::engine::{RoomId, RoomInfo};

use crate::filter::{Matcher, NormalFilter};

/// All rooms of the cluster. A room is here while a client of this node is in it, or while the cluster says that somebody is.
///
/// The two are kept apart because they come by different ways: the own clients' rooms at once, with the request; the
/// cluster's, own ones included, some time later. Each way alternates strictly for a room, so neither needs to know how
/// far the other is.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    matcher: Matcher,
    holders: BTreeMap<RoomId, Holders>,
}

/// Through whom a room is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A client of this node.
    Client,
    /// The union of all nodes.
    Cluster,
}

#[derive(Clone, Copy, Debug, Default)]
struct Holders {
    clients: bool,
    cluster: bool,
}

impl Catalogue {
    /// A room is there. One whose filters are not in normal form is left out: nothing could match it.
    pub(super) fn appeared(&mut self, holder: Holder, room: &RoomInfo) {
        if let Some(holders) = self.holders.get_mut(&room.id()) {
            *holders.of(holder) = true;
            return;
        }
        match NormalFilter::from_bytes(room.filters()) {
            Ok(filter) => {
                *self.holders.entry(room.id()).or_default().of(holder) = true;
                self.matcher.insert(room.id(), room.index(), room.collection(), filter);
            }
            Err(error) => tracing::warn!("room {} cannot be matched: {error}", room.id()),
        }
    }

    /// A room is gone, for this holder.
    pub(super) fn disappeared(&mut self, holder: Holder, room: &RoomId) {
        let Some(holders) = self.holders.get_mut(room) else { return };
        *holders.of(holder) = false;
        if !holders.clients && !holders.cluster {
            self.holders.remove(room);
            self.matcher.remove(room);
        }
    }

    /// What finds the rooms of a message.
    pub(super) fn matcher(&self) -> &Matcher {
        &self.matcher
    }
}

impl Holders {
    fn of(&mut self, holder: Holder) -> &mut bool {
        match holder {
            Holder::Client => &mut self.clients,
            Holder::Cluster => &mut self.cluster,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::filter::Filter;

    fn room(n: u8) -> RoomInfo {
        let everything = Filter::parse(&json!({})).and_then(|filter| filter.normalize()).expect("a filter");
        RoomInfo::new(RoomId::new([n; 32]), "i", "c", everything.to_bytes()).expect("a room")
    }

    fn matching(catalogue: &Catalogue) -> Vec<RoomId> {
        catalogue.matcher().matches("i", "c", None, &json!({}))
    }

    #[test]
    fn a_room_is_there_while_anybody_holds_it() {
        use Holder::{Client, Cluster};
        let (mut catalogue, room) = (Catalogue::default(), room(1));
        catalogue.appeared(Client, &room);
        catalogue.appeared(Cluster, &room);
        catalogue.disappeared(Client, &room.id());
        assert_eq!(matching(&catalogue), [room.id()]);
        catalogue.appeared(Client, &room);
        catalogue.disappeared(Cluster, &room.id());
        assert_eq!(matching(&catalogue), [room.id()]);
        catalogue.disappeared(Client, &room.id());
        assert_eq!((matching(&catalogue), catalogue.holders.len()), (vec![], 0));
    }

    #[test]
    fn an_event_that_is_late_does_not_bring_a_room_back_for_good() {
        let (mut catalogue, room) = (Catalogue::default(), room(1));
        catalogue.appeared(Holder::Client, &room);
        catalogue.disappeared(Holder::Client, &room.id());
        catalogue.appeared(Holder::Cluster, &room);
        catalogue.disappeared(Holder::Cluster, &room.id());
        assert_eq!((matching(&catalogue), catalogue.holders.len()), (vec![], 0));
    }

    #[test]
    fn a_room_without_a_normal_filter_is_left_out() {
        let mut catalogue = Catalogue::default();
        let bad = RoomInfo::new(RoomId::new([1; 32]), "i", "c", "garbage").expect("a room");
        catalogue.appeared(Holder::Cluster, &bad);
        catalogue.disappeared(Holder::Cluster, &bad.id());
        assert_eq!((matching(&catalogue), catalogue.holders.len()), (vec![], 0));
    }
}
