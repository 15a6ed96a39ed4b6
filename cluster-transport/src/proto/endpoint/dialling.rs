//! The dialler's half of the handshake: `Hello` out, `Welcome` or `Refuse` in, `Go` out or withheld.

use super::Endpoint;
use super::establishing::Origin;
use super::event::{ConnectFailure, DialOutcome, EndpointAction, EndpointEvent, HandshakeFailure, LinkId};
use super::frames;
use super::handshake::{Dial, Offer, Purpose, Question, Stage, Welcomed};
use super::peers::Standing;
use crate::proto::body::{CloseCode, Refuse, RefuseCode, Welcome};
use crate::proto::credentials::PeerIdentity;
use crate::proto::{Address, Instant, NodeId, SessionId};

impl Endpoint {
    /// Somebody accepted a dial of ours; the link is being secured.
    pub fn handle_reached(&mut self, now: Instant, link: LinkId) {
        self.expire(now);
        if let Some(Stage::Connecting(dial)) = self.handshakes.stage_mut(link)
            && !std::mem::replace(&mut dial.reached, true)
        {
            self.events.push_back(EndpointEvent::DialConnected { address: dial.address.clone() });
        }
        self.dial_due(now);
    }

    /// A dial of ours has its byte link.
    pub fn handle_connected(&mut self, now: Instant, link: LinkId, identity: PeerIdentity) {
        self.expire(now);
        match self.handshakes.take(link) {
            Some((_, Stage::Connecting(dial))) => {
                let hello = frames::hello(&self.settings, dial.replace, &mut self.rng);
                self.send(link, hello);
                if !dial.reached {
                    self.events.push_back(EndpointEvent::DialConnected { address: dial.address.clone() });
                }
                let stage = Stage::WelcomeAwaited(Question { dial, identity, asked: now });
                self.handshakes.insert(link, now + self.settings.handshake_timeout, stage);
            }
            Some((deadline, stage)) => self.handshakes.insert(link, deadline, stage),
            None => {}
        }
        self.dial_due(now);
    }

    /// A dial of ours has no byte link.
    pub fn handle_connect_failed(&mut self, now: Instant, link: LinkId, failure: ConnectFailure) {
        self.expire(now);
        match self.handshakes.take(link) {
            Some((_, Stage::Connecting(dial))) => {
                self.conclude(now, &dial, DialOutcome::NotConnected(failure));
            }
            Some((deadline, stage)) => self.handshakes.insert(link, deadline, stage),
            None => {}
        }
        self.dial_due(now);
    }

    /// Starts the dials whose time has come, as far as there is room for them.
    pub(super) fn dial_due(&mut self, now: Instant) {
        while self.may_dial()
            && let Some(address) = self.dialler.take_due(now)
        {
            self.start_dial(now, address, Purpose::Target);
        }
    }

    pub(super) fn may_dial(&self) -> bool {
        !self.leaving && self.handshakes.dials(Purpose::Target) < self.settings.dial.concurrent
    }

    pub(super) fn start_dial(&mut self, now: Instant, address: Address, purpose: Purpose) {
        self.events.push_back(EndpointEvent::DialStarted { address: address.clone() });
        // A tunnel is asked for when the session with its other end has fallen silent: it is to take that one's place.
        let held = address.as_tunnel().and_then(|(_, to)| self.session_with(&to));
        self.connect(now, Dial { address, purpose, replace: held, reached: false });
    }

    fn connect(&mut self, now: Instant, dial: Dial) {
        let link = self.handshakes.next_link();
        self.actions.push_back(EndpointAction::Connect { link, address: dial.address.clone() });
        let deadline = now + self.settings.dial.connect_timeout;
        self.handshakes.insert(link, deadline, Stage::Connecting(dial));
    }

    pub(super) fn on_welcome(
        &mut self,
        now: Instant,
        link: LinkId,
        deadline: Instant,
        question: Question,
        welcome: Welcome,
    ) {
        if self.holder_of(welcome.session).is_some() {
            let text = format!("session {} of the Welcome is there already", welcome.session);
            return self.violated(now, link, Stage::WelcomeAwaited(question), CloseCode::VIOLATION, text);
        }
        let positions = welcome.positions;
        let welcomed = Welcomed { question, offer: Offer::of_welcome(welcome), positions };
        match self.judge().offer(&welcomed.question.identity, &welcomed.offer) {
            Ok(()) => self.settle(now, link, deadline, welcomed),
            Err(refusal) => self.decline(now, link, &welcomed, refusal),
        }
    }

    /// Decides about a `Welcome`: go, withhold, or leave it at the session that is there.
    fn settle(&mut self, now: Instant, link: LinkId, deadline: Instant, welcomed: Welcomed) {
        let offer = &welcomed.offer;
        let standing = self.peers.standing(&offer.node, offer.incarnation);
        if let Standing::InSession(session) = standing
            && welcomed.question.dial.replace != Some(session)
            && !self.lost_by_peer(&welcomed)
        {
            let node = offer.node.clone();
            self.actions.push_back(EndpointAction::Close { link });
            return self.conclude(now, &welcomed.question.dial, DialOutcome::Alias { node, session });
        }
        if self.peers.last_go(&offer.node).is_some_and(|last| welcomed.question.asked < last) {
            // The session of that `Go` is over already. A fresh `Hello` keeps our `Go`s in the order of our `Hello`s.
            self.actions.push_back(EndpointAction::Close { link });
            return self.connect(now, Dial { replace: None, reached: false, ..welcomed.question.dial });
        }
        let against = match standing {
            Standing::InSession(_) => Ok(()),
            standing => self.judge().standing(&offer.node, standing, None),
        };
        if let Err(refusal) = against.and_then(|()| self.check_room(&offer.node)) {
            return self.decline(now, link, &welcomed, refusal);
        }
        let theirs_first = self.settings.node > offer.node;
        if theirs_first && self.handshakes.awaits_go_of(&offer.node, offer.incarnation) {
            self.handshakes.insert(link, deadline, Stage::GoWithheld(Box::new(welcomed)));
        } else {
            self.go(now, link, welcomed);
        }
    }

    /// Whether a `Welcome` proves that the peer has no end of the session that we hold.
    ///
    /// It does if the peer had that session, or had given it up, before our `Hello` went out. Else our `Go` for that
    /// session may still be on its way.
    fn lost_by_peer(&self, welcomed: &Welcomed) -> bool {
        let held = self.peers.session_with(&welcomed.offer.node);
        held.is_some_and(|held| held.shared_from < welcomed.question.asked)
    }

    fn go(&mut self, now: Instant, link: LinkId, welcomed: Welcomed) {
        let Welcomed { question, offer, positions } = welcomed;
        self.peers.fence(&offer.node, offer.incarnation, offer.session);
        let ours = self.peers.positions(&offer.node, offer.incarnation);
        self.send(link, frames::go(offer.session, ours));
        self.establish(now, link, offer, positions, question.identity, Origin::Dialled(&question.dial));
    }

    /// Decides again about each `Go` to this node that was withheld.
    pub(super) fn settle_withheld(&mut self, now: Instant, node: &NodeId) {
        for link in self.handshakes.withheld_from(node) {
            match self.handshakes.take(link) {
                Some((deadline, Stage::GoWithheld(welcomed))) if deadline > now => {
                    self.settle(now, link, deadline, *welcomed);
                }
                Some((deadline, stage)) => self.handshakes.insert(link, deadline, stage),
                None => {}
            }
        }
    }

    fn decline(&mut self, now: Instant, link: LinkId, welcomed: &Welcomed, refusal: Refuse) {
        if refusal.code == RefuseCode::DUPLICATE_ID {
            self.doubt_session(&welcomed.offer.node);
        }
        let (node, code) = (welcomed.offer.node.clone(), refusal.code);
        let text = refusal.text.as_str().to_owned();
        self.send(link, frames::refuse(refusal));
        self.actions.push_back(EndpointAction::Close { link });
        self.conclude(now, &welcomed.question.dial, DialOutcome::Declined { node, code, text });
    }

    pub(super) fn on_refused(&mut self, now: Instant, link: LinkId, dial: &Dial, refuse: Refuse) {
        self.actions.push_back(EndpointAction::Close { link });
        self.note_refusal(now, &refuse);
        let known = refuse.session.filter(|_| refuse.code == RefuseCode::ALREADY_CONNECTED);
        if let Some(session) = known {
            let is_better = !dial.is_tunnel() && self.is_tunnelled(session);
            if let Some(node) = self.holder_of(session).filter(|_| !is_better || dial.replace.is_some()) {
                return self.conclude(now, dial, DialOutcome::Alias { node, session });
            }
            // Once only: a peer that names another session each time waits for the next attempt.
            if dial.replace.is_none() {
                return self.connect(now, Dial { replace: Some(session), reached: false, ..dial.clone() });
            }
        }
        let outcome = match refuse.code {
            RefuseCode::SELF_CONNECTION => DialOutcome::ToSelf,
            _ => DialOutcome::Failed(HandshakeFailure::Refused(Box::new(refuse))),
        };
        self.conclude(now, dial, outcome);
    }

    fn is_tunnelled(&self, session: SessionId) -> bool {
        let held = self.peers.node_of(session).and_then(|node| self.peers.session_with(node));
        held.is_some_and(|held| held.session == session && held.is_tunnelled)
    }

    /// Who is at the other end of a session that we have, or will have with the `Go` that we wait for.
    fn holder_of(&self, session: SessionId) -> Option<NodeId> {
        self.peers.node_of(session).or_else(|| self.handshakes.awaits_go_for(session)).cloned()
    }

    /// Passes on that this process is not the newest with its id, unless the peer's word for it is outdated or comes too often.
    pub(super) fn note_refusal(&mut self, now: Instant, refuse: &Refuse) {
        let own = self.settings.incarnation.epoch;
        let Some(epoch) = refuse.epoch.filter(|epoch| *epoch >= own) else { return };
        let by = refuse.node.clone();
        match refuse.code {
            RefuseCode::SUPERSEDED if self.patience.believe(now) => {
                self.events.push_back(EndpointEvent::Superseded { epoch, by });
            }
            RefuseCode::DUPLICATE_ID => {
                let by = by.filter(|by| *by != self.settings.node);
                let other = refuse.address.clone();
                self.events.push_back(EndpointEvent::DuplicateId { epoch, other, by });
            }
            _ => {}
        }
    }

    /// Ends a dial: the schedule and the layer above learn its outcome.
    pub(super) fn conclude(&mut self, now: Instant, dial: &Dial, outcome: DialOutcome) {
        let Dial { address, purpose, .. } = dial;
        let mut backing_off = None;
        match &outcome {
            DialOutcome::InSession { session, .. } | DialOutcome::Alias { session, .. } => {
                self.dialler.rest(address, *session);
            }
            failure if *purpose == Purpose::Target => {
                backing_off = self.dialler.retry(now, address, failure, &mut self.rng);
            }
            _ => {}
        }
        let changed = self.dialler.note(address, &outcome);
        self.events.push_back(EndpointEvent::DialOutcome { address: address.clone(), outcome, changed });
        if let Some(attempts) = backing_off {
            let (address, cap) = (address.clone(), self.settings.dial.cap);
            self.events.push_back(EndpointEvent::BackingOff { address, attempts, cap });
        }
    }
}
