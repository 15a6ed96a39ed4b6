//! What the engine has to say and to do, and when it wants to be called again.

use bytes::Bytes;
use cluster_transport::proto::{Instant, NodeId, SessionId};

use super::{Applied, Engine, EngineEvent, Transmit};
use crate::engine::members::Action;
use crate::engine::state::RoomEvent;

/// Outputs.
impl Engine {
    /// The next message for a peer's control lane.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(greeting) = self.greetings.pop_front() {
            return Some(greeting);
        }
        let control = self.members.poll_control().or_else(|| self.registers.poll_control());
        control.map(|(to, message)| Transmit { to, message })
    }

    /// The next message for a peer's control lane that says how far its state is applied here.
    ///
    /// To be sent once the host knows of all rooms that were [polled](Self::poll_room_event) before: the peer takes it to mean
    /// that what is published here reaches its subscribers.
    pub fn poll_applied(&mut self) -> Option<Transmit> {
        let (to, version) = self.state.poll_applied()?;
        Some(Transmit { to, message: Applied { version }.encode() })
    }

    /// Whether [`poll_applied`](Self::poll_applied) has something to say.
    pub fn has_applied(&self) -> bool {
        self.state.has_applied()
    }

    /// The next message for a peer's state lane, of at most `limit` bytes: asked for when the lane has room.
    pub fn poll_state(&mut self, to: &NodeId, session: SessionId, limit: usize) -> Option<Bytes> {
        if self.members.session_of(to) != Some(session) {
            return None;
        }
        self.registers.poll_offer(to, limit).or_else(|| self.state.poll_state(to, limit))
    }

    /// The next thing for the transport to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.members.poll_action()
    }

    /// The next change of a room for the host.
    pub fn poll_room_event(&mut self) -> Option<RoomEvent> {
        self.state.poll_room_event()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<EngineEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let members = self.members.poll_timeout();
        let machines =
            [members, self.continuity.poll_timeout(), self.registers.poll_timeout(), self.next_chore];
        machines.into_iter().flatten().min()
    }
}
