//! The acceptor's half of the handshake: `Hello` in, `Welcome` or `Refuse` out, `Go` in.

use rand::Rng;

use super::Endpoint;
use super::admission::Judge;
use super::callers::{Trouble, host_of};
use super::crowd::admits;
use super::establishing::Origin;
use super::event::{EndpointAction, EndpointEvent, HandshakeFailure, LinkId, NoLink};
use super::frames;
use super::handshake::{Caller, Offer, Stage};
use super::peers::{Room, Standing};
use crate::proto::body::{CloseCode, Go, Hello, Refuse, RefuseCode};
use crate::proto::credentials::PeerIdentity;
use crate::proto::{Instant, NodeId, SessionId};

impl Endpoint {
    /// Somebody dialled us and a byte link is there. `remote` is where from, as `host:port`.
    pub fn handle_accepted(&mut self, now: Instant, identity: PeerIdentity, remote: String) -> LinkId {
        self.accepted(now, Caller { remote, is_tunnelled: false, identity })
    }

    /// As [`handle_accepted`](Self::handle_accepted), for a link that came through a tunnel.
    pub fn handle_accepted_through(
        &mut self,
        now: Instant,
        identity: PeerIdentity,
        remote: String,
    ) -> LinkId {
        self.accepted(now, Caller { remote, is_tunnelled: true, identity })
    }

    fn accepted(&mut self, now: Instant, caller: Caller) -> LinkId {
        self.expire(now);
        let link = self.handshakes.next_link();
        let taken = self.handshakes.accepted();
        let of_host = self.handshakes.accepted_from(host_of(&caller.remote));
        if !admits(taken, of_host, self.settings.max_open_handshakes) {
            let text = format!("{taken} handshakes are open already, {of_host} of them from there");
            self.refuse_caller(link, &caller, None, super::admission::stranger(RefuseCode::BUSY, &text));
        } else {
            let deadline = now + self.settings.handshake_timeout;
            self.handshakes.insert(link, deadline, Stage::HelloAwaited(caller));
        }
        link
    }

    /// Somebody connected from `remote`, and no byte link came of it; `text` says why, with the remote end.
    pub fn handle_accept_failed(&mut self, now: Instant, remote: String, kind: NoLink, text: String) {
        self.expire(now);
        self.caller_failed(remote, HandshakeFailure::NoLink { kind, text });
        self.dial_due(now);
    }

    pub(super) fn on_hello(
        &mut self,
        now: Instant,
        link: LinkId,
        deadline: Instant,
        caller: Caller,
        hello: Hello,
    ) {
        let version = match self.admit(&caller, &hello) {
            Ok(version) => version,
            Err(refusal) => return self.refuse_caller(link, &caller, Some(hello.node), refusal),
        };
        let session = SessionId(self.rng.next_u64());
        if hello.replace.is_some() {
            // The old link could still deliver after the positions are stated.
            self.peers.fence(&hello.node, hello.incarnation, session);
        }
        let positions = self.peers.positions(&hello.node, hello.incarnation);
        self.send(link, frames::welcome(&self.settings, version, session, positions));
        let offer = Box::new(Offer::of_hello(session, version, hello));
        self.handshakes.insert(link, deadline, Stage::GoAwaited { caller, offer, heard: now });
    }

    fn admit(&mut self, caller: &Caller, hello: &Hello) -> Result<u16, Refuse> {
        let version = self.judge().hello(&caller.identity, hello).inspect_err(|refusal| {
            if refusal.code == RefuseCode::DUPLICATE_ID {
                self.note_duplicate(hello);
            }
        })?;
        if self.leaving {
            return Err(self.judge().refusal(RefuseCode::LEAVING, "this node is leaving the cluster"));
        }
        self.check_room(&hello.node)?;
        Ok(version)
    }

    /// The newer of two processes with one id stays: either the one in session proves that it lives, or it is us that go.
    fn note_duplicate(&mut self, hello: &Hello) {
        if hello.node != self.settings.node {
            self.doubt_session(&hello.node);
        } else if hello.incarnation > self.settings.incarnation {
            self.events.push_back(EndpointEvent::DuplicateId {
                epoch: hello.incarnation.epoch,
                other: hello.addresses.as_slice().first().cloned(),
                by: None,
            });
        }
    }

    pub(super) fn doubt_session(&mut self, node: &NodeId) {
        if let Some(held) = self.peers.session_with(node) {
            let doubt = EndpointEvent::DoubtSession { node: node.clone(), session: held.session };
            self.events.push_back(doubt);
        }
    }

    pub(super) fn check_room(&self, node: &NodeId) -> Result<(), Refuse> {
        let limit = self.settings.max_peers;
        match self.peers.room_for(node, limit) {
            Room::Free | Room::InPlaceOf(_) => Ok(()),
            Room::Full => {
                Err(self.judge().refusal(RefuseCode::BUSY, &format!("{limit} nodes are in session already")))
            }
        }
    }

    pub(super) fn on_go(
        &mut self,
        now: Instant,
        link: LinkId,
        caller: Caller,
        offer: Box<Offer>,
        heard: Instant,
        go: &Go,
    ) {
        if go.session != offer.session {
            let text = format!("Go for session {} on the link of {}", go.session, offer.session);
            let stage = Stage::GoAwaited { caller, offer, heard };
            return self.violated(now, link, stage, CloseCode::VIOLATION, text);
        }
        if self.is_outdated(&offer, heard) {
            self.send(link, frames::close(CloseCode::REPLACED, "a later handshake has a session"));
            self.actions.push_back(EndpointAction::Close { link });
            return self.offer_gone(now, &offer);
        }
        if let Err(refusal) = self.still_welcome(&offer) {
            if refusal.code == RefuseCode::DUPLICATE_ID {
                self.doubt_session(&offer.node);
            }
            self.refuse_caller(link, &caller, Some(offer.node.clone()), refusal);
            return self.offer_gone(now, &offer);
        }
        self.callers.clear(&caller.remote);
        self.establish(
            now,
            link,
            *offer,
            go.positions,
            caller.identity,
            Origin::Accepted { heard, is_tunnelled: caller.is_tunnelled },
        );
    }

    /// Whether this `Go` was overtaken by one that the same dialler sent later, on another link.
    ///
    /// A dialler answers no `Welcome` to a `Hello` that is older than its last `Go`, so its `Go`s come in the order of its
    /// `Hello`s. One whose `Hello` came before that of the session there is belongs to a session that it gave up since.
    fn is_outdated(&self, offer: &Offer, heard: Instant) -> bool {
        let held = self.peers.session_with(&offer.node);
        let held = held.filter(|held| held.incarnation == offer.incarnation);
        held.and_then(|held| held.heard).is_some_and(|later| heard < later)
    }

    /// A `Go` wins over any session of the pair; only a newer incarnation, or want of room, stands against it.
    fn still_welcome(&self, offer: &Offer) -> Result<(), Refuse> {
        match self.peers.standing(&offer.node, offer.incarnation) {
            Standing::InSession(_) => Ok(()),
            standing => self.judge().standing(&offer.node, standing, None),
        }?;
        self.check_room(&offer.node)
    }

    pub(super) fn refuse_caller(
        &mut self,
        link: LinkId,
        caller: &Caller,
        node: Option<NodeId>,
        refusal: Refuse,
    ) {
        let (code, text) = (refusal.code, refusal.text.as_str().to_owned());
        let remote = caller.remote.clone();
        // Members meet that way all the time: it is no trouble, and must not make other trouble look new.
        let routine = matches!(code, RefuseCode::ALREADY_CONNECTED | RefuseCode::SELF_CONNECTION);
        let changed = !routine && self.callers.note(&remote, Trouble::Refused(code));
        self.events.push_back(EndpointEvent::Refused { remote, node, code, text, changed });
        self.send(link, frames::refuse(refusal));
        self.actions.push_back(EndpointAction::Close { link });
    }

    pub(super) fn caller_failed(&mut self, remote: String, failure: HandshakeFailure) {
        let changed = self.callers.note(&remote, Trouble::Failed(failure.clone()));
        self.events.push_back(EndpointEvent::CallerFailed { remote, failure, changed });
    }

    pub(super) fn judge(&self) -> Judge<'_> {
        Judge { settings: &self.settings, peers: &self.peers }
    }
}
