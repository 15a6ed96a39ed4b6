//! What the engine has for the host, taken in one hold of its lock.

use super::inner::Inner;
use super::reasons;
use crate::engine::registers::RegisterChange;
use crate::engine::state::RoomEvent;
use crate::engine::{Engine, Transmit};
use crate::host::Readiness;

/// What there is for the host besides what waits in its queue.
pub(super) struct ForHost {
    pub(super) rooms: Vec<RoomEvent>,
    /// What peers may hear once the host knows these rooms and all before them.
    pub(super) applied: Vec<Transmit>,
    pub(super) registers: Vec<RegisterChange>,
    pub(super) readiness: Readiness,
    /// There are no more changes.
    pub(super) is_all: bool,
}

impl Inner {
    /// The next changes for the host, at most so many of each kind.
    pub(super) fn take_for_host(&self, limit: usize) -> ForHost {
        let mut engine = self.engine();
        let rooms: Vec<_> = std::iter::from_fn(|| engine.poll_room_event()).take(limit).collect();
        let are_all_rooms = rooms.len() < limit;
        let applied =
            if are_all_rooms { std::iter::from_fn(|| engine.poll_applied()).collect() } else { Vec::new() };
        let registers: Vec<_> = std::iter::from_fn(|| engine.poll_register_change()).take(limit).collect();
        let is_all = are_all_rooms && registers.len() < limit;
        ForHost { rooms, applied, registers, readiness: self.readiness_of(&engine), is_all }
    }

    pub(super) fn readiness(&self) -> Readiness {
        self.read(|engine| self.readiness_of(engine))
    }

    fn readiness_of(&self, engine: &Engine) -> Readiness {
        Readiness { ready: engine.members().is_ready(), reasons: reasons::of(self, engine) }
    }
}
