//! What the engine has to say and to do, and when it wants to be called again.

use bytes::Bytes;
use cluster_transport::proto::{Instant, NodeId, SessionId};

use super::{Engine, EngineEvent, Transmit};
use crate::engine::deadline::earlier;
use crate::engine::greeting::Applied;
use crate::engine::members::Action;
use crate::engine::state::RoomEvent;
use crate::engine::tape::Input;

/// Outputs.
impl Engine {
    /// The next message for a peer's control lane.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        // What waits may be for nobody any more, and is cleared away without a word.
        if self.tape.is_some() && self.has_output() {
            self.taped_timeless(|| Input::PollTransmit);
        }
        let greeting = self.greetings.pop_front();
        let transmit = greeting.or_else(|| {
            let control = self.members.poll_control().or_else(|| self.registers.poll_control());
            control.map(|(to, message)| Transmit { to, message })
        })?;
        self.note(&transmit);
        Some(transmit)
    }

    /// The next message for a peer's control lane that says how far its state is applied here.
    ///
    /// To be sent once the host knows of all rooms that were [polled](Self::poll_room_event) before: the peer takes it to mean
    /// that what is published here reaches its subscribers.
    pub fn poll_applied(&mut self) -> Option<Transmit> {
        if self.has_applied() {
            self.taped_timeless(|| Input::PollApplied);
        }
        let (to, version) = self.state.poll_applied()?;
        let applied = Transmit { to, message: Applied { version }.encode() };
        self.note(&applied);
        Some(applied)
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
        self.taped_timeless(|| Input::PollState { to: to.clone(), session, limit });
        let message = self.registers.poll_offer(to, limit).or_else(|| self.state.poll_state(to, limit))?;
        self.note(&message);
        Some(message)
    }

    /// The next thing for the transport to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.members.poll_action();
        self.taped_output(action, Input::PollAction)
    }

    /// The next change of a room for the host.
    pub fn poll_room_event(&mut self) -> Option<RoomEvent> {
        let event = self.state.poll_room_event();
        self.taped_output(event, Input::PollRoomEvent)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<EngineEvent> {
        let event = self.events.pop_front();
        self.taped_output(event, Input::PollEvent)
    }

    /// Whether there is an action, a message for a control lane, an event or a turn to poll: what is not for the host and is not
    /// asked for by a lane with room.
    pub fn has_output(&self) -> bool {
        !self.greetings.is_empty()
            || !self.events.is_empty()
            || self.members.has_output()
            || self.registers.has_control()
            || self.state.has_turn()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let machines = earlier(self.continuity.poll_timeout(), self.registers.poll_timeout());
        earlier(self.members.poll_timeout(), earlier(machines, self.next_chore))
    }
}
