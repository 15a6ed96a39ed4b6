//! The beginnings and ends of sessions, as far as the pair and its addresses are concerned.

use super::Endpoint;
use super::event::{DialOutcome, EndpointAction, EndpointEvent, LinkId, SessionEnd};
use super::handshake::{Dial, Offer};
use super::peers::{Displaced, Established, Room};
use crate::proto::body::{CloseCode, Positions};
use crate::proto::credentials::PeerIdentity;
use crate::proto::session::SessionStart;
use crate::proto::{Incarnation, Instant, NodeId, SessionId};

/// Who began the handshake of a session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin<'a> {
    /// This side, with this dial.
    Dialled(&'a Dial),
    /// The peer, whose `Hello` came then.
    Accepted { heard: Instant, is_tunnelled: bool },
}

impl Endpoint {
    /// A link comes into session: whatever stood in the way of the one session of its pair ends first.
    pub(super) fn establish(
        &mut self,
        now: Instant,
        link: LinkId,
        offer: Offer,
        peer_positions: Positions,
        identity: PeerIdentity,
        origin: Origin<'_>,
    ) {
        let Offer { session, version, node, incarnation, addresses, windows, features } = offer;
        if let Room::InPlaceOf(idle) = self.peers.room_for(&node, self.settings.max_peers) {
            self.forget(now, &idle);
        }
        let (dial, heard, shared_from, is_tunnelled) = match origin {
            Origin::Dialled(dial) => {
                (Some(dial), None, now + self.settings.handshake_timeout, dial.is_tunnel())
            }
            Origin::Accepted { heard, is_tunnelled } => (None, Some(heard), now, is_tunnelled),
        };
        let established = Established {
            session,
            incarnation,
            addresses: addresses.clone(),
            since: now,
            shared_from,
            heard,
            is_tunnelled,
            features,
        };
        let before = self.peers.newest(&node).filter(|old| *old < incarnation);
        let (lanes, displaced) = self.peers.establish(&node, established);
        let replaced = self.displace(now, &node, (session, is_tunnelled), incarnation, displaced);
        if let Some(old) = before {
            let node = node.clone();
            self.events.push_back(EndpointEvent::NewerIncarnation { node, old, new: incarnation });
        }
        let start = SessionStart {
            session,
            peer: node.clone(),
            incarnation,
            peer_windows: windows,
            peer_positions,
            lanes,
            we_dialled: dial.is_some(),
            version,
        };
        self.actions.push_back(EndpointAction::Establish { link, start });
        let dialled = dial.map(|dial| dial.address.clone());
        self.events.push_back(EndpointEvent::SessionUp {
            node: node.clone(),
            incarnation,
            session,
            addresses,
            dialled,
            identity,
            version,
            replaced,
        });
        if let Some(dial) = dial {
            let outcome = DialOutcome::InSession { node: node.clone(), incarnation, session };
            self.conclude(now, dial, outcome);
        }
        self.settle_withheld(now, &node);
    }

    /// Ends the session that a new one took the place of; its id, if it was of the same pair of incarnations.
    fn displace(
        &mut self,
        now: Instant,
        node: &NodeId,
        (by, is_tunnelled): (SessionId, bool),
        incarnation: Incarnation,
        displaced: Displaced,
    ) -> Option<SessionId> {
        let (old, code) = match &displaced {
            Displaced::Nothing => return None,
            Displaced::Same(old) => (old, CloseCode::REPLACED),
            Displaced::Older(old) => (old, CloseCode::SUPERSEDED),
        };
        self.actions.push_back(EndpointAction::EndSession { session: old.session, code });
        if matches!(displaced, Displaced::Same(_)) {
            if is_tunnelled {
                // A direct link would be better: its addresses are dialled on.
                self.dialler.wake(now, old.session, now.since(old.since), &mut self.rng);
            } else {
                self.dialler.pass_on(old.session, by);
            }
            return Some(old.session);
        }
        self.session_down(now, node.clone(), old, SessionEnd::Superseded(incarnation));
        None
    }

    pub(super) fn end_session(&mut self, now: Instant, session: SessionId, cause: SessionEnd) {
        if let Some((node, old)) = self.peers.end(now, session) {
            self.session_down(now, node, &old, cause);
        }
    }

    fn session_down(&mut self, now: Instant, node: NodeId, old: &Established, cause: SessionEnd) {
        let Established { session, incarnation, since, .. } = *old;
        self.dialler.wake(now, session, now.since(since), &mut self.rng);
        self.events.push_back(EndpointEvent::SessionDown { node, incarnation, session, cause });
    }
}
