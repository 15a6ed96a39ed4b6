//! Dialling, handshakes, and the rule of one session per pair of nodes.
//!
//! An [`Endpoint`] decides which addresses are dialled when, runs every handshake and hands each link that comes out of it
//! over to a session. Data is not its business. It refuses strangers, older incarnations and whatever is over its
//! limits, always with a typed reason.
//!
//! Invariants: at most one session a node; a session is ended for another one only by a received `Go`, by a `Welcome` that
//! proves that the peer has lost it, or by a newer incarnation; a link has one deadline until it has a session.
//! Drivers drain [`poll_action`](Endpoint::poll_action) after each call and before they hand in more of a link's bytes.

use std::collections::VecDeque;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

mod accepting;
mod admission;
mod callers;
pub(crate) mod crowd;
mod dialler;
mod dialling;
mod ending;
mod establishing;
mod event;
mod frames;
mod handshake;
mod patience;
mod peers;
pub mod settings;

use callers::CallerLog;
use dialler::Dialler;
use handshake::{Handshakes, Purpose, Stage};
use patience::Patience;
use peers::Peers;

pub use dialler::DialError;
pub use event::{
    ConnectFailure, DialOutcome, EndpointAction, EndpointEvent, HandshakeFailure, LinkId, NoLink, SessionEnd,
};
pub use settings::{DialSettings, EndpointSettings, EndpointSettingsBuilder, SettingsError};

use super::body::CloseCode;
use super::frame::{Frame, FrameError};
use super::{Address, Incarnation, Instant, NodeId, SessionId};

/// How many probes run at a time, besides the dials to targets.
pub const MAX_PROBES: usize = 64;

/// The machine of one node's links until they have a session.
#[derive(Debug)]
pub struct Endpoint {
    settings: EndpointSettings,
    rng: ChaCha8Rng,
    dialler: Dialler,
    handshakes: Handshakes,
    peers: Peers,
    callers: CallerLog,
    patience: Patience,
    leaving: bool,
    actions: VecDeque<EndpointAction>,
    events: VecDeque<EndpointEvent>,
}

/// What the world did.
impl Endpoint {
    /// Starts without targets. The seed feeds session ids, jitter and grease: unguessable outside simulations.
    pub fn new(settings: EndpointSettings, seed: [u8; 32]) -> Self {
        Self {
            dialler: Dialler::new(settings.dial),
            peers: Peers::new(settings.lanes.clone()),
            settings,
            rng: ChaCha8Rng::from_seed(seed),
            handshakes: Handshakes::default(),
            callers: CallerLog::default(),
            patience: Patience::default(),
            leaving: false,
            actions: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// A frame came on a link that has no session yet; on other links it is ignored.
    pub fn handle_frame(&mut self, now: Instant, link: LinkId, frame: Frame) {
        self.expire(now);
        let Some((deadline, stage)) = self.handshakes.take(link) else { return };
        match (stage, frame) {
            (Stage::HelloAwaited(caller), Frame::Hello(hello, _)) => {
                self.on_hello(now, link, deadline, caller, hello);
            }
            (Stage::GoAwaited { caller, offer, heard }, Frame::Go(go, _)) => {
                self.on_go(now, link, caller, offer, heard, &go);
            }
            (Stage::WelcomeAwaited(question), Frame::Welcome(welcome, _)) => {
                self.on_welcome(now, link, deadline, question, welcome);
            }
            (Stage::WelcomeAwaited(question), Frame::Refuse(refuse, _)) => {
                self.on_refused(now, link, &question.dial, refuse);
            }
            (Stage::GoWithheld(welcomed), Frame::Refuse(refuse, _)) => {
                self.on_refused(now, link, &welcomed.question.dial, refuse);
            }
            (stage @ Stage::GoAwaited { .. }, Frame::Refuse(refuse, _)) => {
                self.note_refusal(now, &refuse);
                self.actions.push_back(EndpointAction::Close { link });
                self.fail(now, stage, HandshakeFailure::Refused(Box::new(refuse)));
            }
            (stage, Frame::Close(close, _)) => {
                self.actions.push_back(EndpointAction::Close { link });
                let text = close.text.as_str().to_owned();
                self.fail(now, stage, HandshakeFailure::Closed { code: close.code, text });
            }
            (stage, frame) => {
                let text = format!("frame of kind {:#04x} out of turn", frame.kind());
                self.violated(now, link, stage, CloseCode::VIOLATION, text);
            }
        }
        self.dial_due(now);
    }

    /// Bytes came on a link that are not a frame.
    pub fn handle_bad_frame(&mut self, now: Instant, link: LinkId, error: &FrameError) {
        self.expire(now);
        if let Some((_, stage)) = self.handshakes.take(link) {
            let code = match error {
                FrameError::UnknownKind { .. } => CloseCode::UNKNOWN_KIND,
                _ => CloseCode::VIOLATION,
            };
            self.violated(now, link, stage, code, error.to_string());
        }
        self.dial_due(now);
    }

    /// Bytes came on a link that cannot be cut into frames; `why` says what is wrong with them.
    pub fn handle_unframed(&mut self, now: Instant, link: LinkId, why: &str) {
        self.expire(now);
        if let Some((_, stage)) = self.handshakes.take(link) {
            self.violated(now, link, stage, CloseCode::VIOLATION, why.to_owned());
        }
        self.dial_due(now);
    }

    /// A link that has no session is gone. An alert before the `Welcome` belongs in the reason.
    pub fn handle_link_closed(&mut self, now: Instant, link: LinkId, reason: String) {
        self.expire(now);
        if let Some((_, stage)) = self.handshakes.take(link) {
            self.fail(now, stage, HandshakeFailure::LinkClosed(reason));
        }
        self.dial_due(now);
    }

    /// A session ended. One that this endpoint ended itself, or never had, is ignored.
    pub fn handle_session_ended(&mut self, now: Instant, session: SessionId, cause: SessionEnd) {
        self.expire(now);
        self.end_session(now, session, cause);
        self.dial_due(now);
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
        for (node, lane, messages) in self.peers.tick(now) {
            self.events.push_back(EndpointEvent::Shed { node, lane, messages });
        }
        self.dial_due(now);
    }
}

/// What the application wants.
impl Endpoint {
    /// Dials an address until somebody there is in session, and again whenever that session ends.
    ///
    /// # Errors
    /// When there are too many targets.
    pub fn add_target(&mut self, now: Instant, address: Address) -> Result<(), DialError> {
        self.dialler.add(now, address)?;
        self.dial_due(now);
        Ok(())
    }

    /// Dials an address no more; whether it was a target. A session with who is there stays.
    pub fn remove_target(&mut self, now: Instant, address: &Address) -> bool {
        let removed = self.dialler.remove(address);
        let dials = self.handshakes.dialling(address);
        self.abandon(now, dials);
        self.dial_due(now);
        removed
    }

    /// Dials an address at once and once, whether or not it is a target, waits or rests; its outcome is an event.
    ///
    /// A dial of that address that is under way is as good.
    ///
    /// # Errors
    /// When this node is leaving, or too many probes are under way.
    pub fn probe(&mut self, now: Instant, address: Address) -> Result<(), DialError> {
        if self.leaving {
            return Err(DialError::Leaving { address });
        }
        if !self.handshakes.dialling(&address).is_empty() {
            return Ok(());
        }
        if self.handshakes.dials(Purpose::Probe) >= MAX_PROBES {
            return Err(DialError::TooManyProbes { address, limit: MAX_PROBES });
        }
        self.start_dial(now, address, Purpose::Probe);
        Ok(())
    }

    /// Ends the session with a node; whether there was one.
    pub fn close_session(&mut self, now: Instant, node: &NodeId, code: CloseCode) -> bool {
        let Some(session) = self.session_with(node) else { return false };
        self.actions.push_back(EndpointAction::EndSession { session, code });
        self.end_session(now, session, SessionEnd::ClosedHere(code));
        self.dial_due(now);
        true
    }

    /// The life line of a session was cut.
    pub fn handle_life_line_cut(&mut self, session: SessionId) {
        if let Some(node) = self.peers.node_of(session) {
            self.events.push_back(EndpointEvent::LifeLineCut { node: node.clone(), session });
        }
    }

    /// Dials nobody any more and refuses everybody; sessions stay until they are closed.
    pub fn set_leaving(&mut self, now: Instant) {
        self.leaving = true;
        let links = self.handshakes.all();
        self.abandon(now, links);
    }

    /// Goes on as another life of this node: all sessions and handshakes end, and targets are dialled anew.
    pub fn set_incarnation(&mut self, now: Instant, incarnation: Incarnation) {
        self.settings.incarnation = incarnation;
        let links = self.handshakes.all();
        self.abandon(now, links);
        let nodes: Vec<NodeId> = self.peers.sessions().map(|(node, _)| node.clone()).collect();
        for node in nodes {
            self.close_session(now, &node, CloseCode::APPLICATION);
        }
        self.peers.renew_lanes();
        self.dial_due(now);
    }

    /// Forgets the incarnation and the numbers of a node; one that is in session stays as it is.
    pub fn forget(&mut self, now: Instant, node: &NodeId) {
        if self.session_with(node).is_some() {
            return;
        }
        // What a handshake said about positions would no longer be true.
        let links = self.handshakes.with(node);
        self.abandon(now, links);
        self.peers.forget(node);
        self.dial_due(now);
    }
}

/// Outputs and getters.
impl Endpoint {
    /// The next thing to do, in order.
    pub fn poll_action(&mut self) -> Option<EndpointAction> {
        self.actions.pop_front()
    }

    /// The next thing to know, in order.
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        self.events.pop_front()
    }

    /// Whether there is an action or an event to poll.
    #[inline]
    pub fn has_output(&self) -> bool {
        !self.actions.is_empty() || !self.events.is_empty()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.dialler.next_due().filter(|_| self.may_dial());
        due.into_iter().chain(self.handshakes.next_deadline()).chain(self.peers.next_tick()).min()
    }

    /// The session with a node.
    pub fn session_with(&self, node: &NodeId) -> Option<SessionId> {
        self.peers.session_with(node).map(|held| held.session)
    }

    /// All sessions and their nodes, sorted by node.
    pub fn sessions(&self) -> impl Iterator<Item = (&NodeId, SessionId)> {
        self.peers.sessions().map(|(node, held)| (node, held.session))
    }

    /// The optional abilities that every node in session has, and this one too: what needs all members is on for these alone.
    ///
    /// A member without one of them switches it off with the beginning of its session, and on with the end of it.
    pub fn common_features(&self) -> u64 {
        self.peers.sessions().fold(self.settings.features, |common, (_, held)| common & held.features)
    }

    /// How often this node did not believe that it had been superseded, because it was told so too often.
    pub fn disbelieved(&self) -> u64 {
        self.patience.exhausted()
    }

    /// Which life of this node it is.
    pub fn incarnation(&self) -> Incarnation {
        self.settings.incarnation
    }
}

impl Endpoint {
    fn send(&mut self, link: LinkId, frame: Frame) {
        self.actions.push_back(EndpointAction::Send { link, frame });
    }
}

#[cfg(test)]
mod tests;
