//! What peers let this node hear: their bytes, and the messages of the control and the state lane.

use cluster_transport::proto::{Instant, NodeId, SessionId};

use super::{Engine, EngineEvent, row};
use crate::engine::greeting::{APPLIED, Applied, Greeting};
use crate::engine::members::{self, Claims, GREETING, Member};
use crate::engine::registers::{OFFER, PULL, Raw, STANDING};
use crate::engine::state::Intake;
use crate::engine::tape::Input;
use crate::engine::wire::{PeerFault, split};

impl Engine {
    /// Bytes came from a peer. Called for each read, and cheap.
    pub fn handle_heard(&mut self, now: Instant, node: &NodeId, session: SessionId) {
        self.taped(now, || Input::Heard { node: node.clone(), session });
        self.members.handle_heard(now, node, session);
        if self.members.has_event() {
            self.settle(now);
        }
    }

    /// A message of the control lane. One of a session that does not count is ignored.
    pub fn handle_control(&mut self, now: Instant, from: &NodeId, session: SessionId, message: &[u8]) {
        self.taped(now, || Input::Control { from: from.clone(), session, message: Raw(message) });
        if members::is_heartbeat(message) {
            return self.handle_heartbeat(now, from, session, message);
        }
        if self.members.session_of(from) != Some(session) {
            return;
        }
        let taken = split(message).and_then(|(kind, body)| match kind {
            GREETING => Greeting::decode(body).map(|greeting| {
                self.members.handle_greeting(now, from, &greeting.claims);
                self.state.handle_position(from, greeting.position);
            }),
            APPLIED => {
                Applied::decode(body).and_then(|applied| self.state.handle_applied(from, applied.version))
            }
            STANDING | PULL => self.registers.handle_control(now, from, kind, body),
            _ => self.members.handle_control(now, from, message),
        });
        if let Some(claims) = self.members.member(from).map(Member::claims) {
            self.state.handle_claim(now, from, claims.version, claims.hash);
        }
        self.judge(from, session, taken);
        self.settle(now);
    }

    /// Of all messages nearly each is one of these, and of these nearly each says what the one before it said.
    fn handle_heartbeat(&mut self, now: Instant, from: &NodeId, session: SessionId, message: &[u8]) {
        match self.members.handle_heartbeat(now, from, session, message) {
            Ok(None) => {}
            Ok(Some(Claims { version, hash, .. })) => {
                self.state.handle_beat(now, from, version, hash, self.members.compares_after());
            }
            Err(fault) => self.judge(from, session, Err(fault)),
        }
        if self.members.has_event() || self.state.has_event() || !self.registers.is_read() {
            self.settle(now);
        }
    }

    /// A message of the state lane. What is over budget must not be acknowledged.
    pub fn handle_state(
        &mut self,
        now: Instant,
        from: &NodeId,
        session: SessionId,
        message: &[u8],
    ) -> Intake {
        self.taped(now, || Input::State { from: from.clone(), session, message: Raw(message) });
        if self.members.session_of(from) != Some(session) {
            return Intake::Taken;
        }
        if let Some((&OFFER, body)) = message.split_first() {
            let taken = split(message).and_then(|_| self.registers.handle_offer(now, from, body));
            self.judge(from, session, taken);
            self.settle(now);
            return Intake::Taken;
        }
        let taken = self.state.handle_state(now, from, message);
        if let Some(view) = self.state.replica(from) {
            self.members.handle_state(now, row(view));
        }
        let intake = match &taken {
            Ok(intake) => *intake,
            Err(_) => Intake::Taken,
        };
        self.judge(from, session, taken.map(|_| ()));
        self.settle(now);
        self.answered(intake)
    }

    /// The bytes of a lane were not what a member sends.
    pub fn handle_fault(&mut self, from: &NodeId, session: SessionId, fault: PeerFault) {
        self.taped_timeless(|| Input::Fault { from: from.clone(), session, fault: fault.clone() });
        self.judge(from, session, Err(fault));
    }

    fn judge(&mut self, from: &NodeId, session: SessionId, taken: Result<(), PeerFault>) {
        if let Err(fault) = taken {
            self.events.push_back(EngineEvent::Fault { node: from.clone(), session, fault });
        }
    }
}
