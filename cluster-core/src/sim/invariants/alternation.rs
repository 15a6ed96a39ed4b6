//! Per room, appearances and disappearances alternate at a host, beginning with an appearance, and `at` grows.

use std::collections::BTreeMap;

use super::Violation;
use crate::engine::state::{Change, RoomEvent};
use crate::engine::{RoomId, RoomInfo};

/// The rooms that a host knows from what it was told.
#[derive(Debug, Default)]
pub struct Alternation {
    rooms: BTreeMap<RoomId, RoomInfo>,
    last: u64,
}

impl Alternation {
    /// Takes note of one change.
    ///
    /// # Errors
    /// A change that does not alternate with the one before it, or is older.
    pub fn observe(&mut self, event: &RoomEvent) -> Result<(), Violation> {
        if event.at < self.last {
            return Err(Violation::new(format!("a change of {} after one of {}", event.at, self.last)));
        }
        self.last = event.at;
        match &event.change {
            Change::Appeared(room) => match self.rooms.insert(room.id(), room.clone()) {
                None => Ok(()),
                Some(_) => Err(Violation::new(format!("room {} appeared twice", room.id()))),
            },
            Change::Disappeared(room) => match self.rooms.remove(room) {
                Some(_) => Ok(()),
                None => Err(Violation::new(format!("room {room} disappeared, and was not there"))),
            },
        }
    }

    /// The rooms that are there.
    pub fn present(&self) -> &BTreeMap<RoomId, RoomInfo> {
        &self.rooms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appeared(at: u64) -> RoomEvent {
        let room = RoomInfo::new(RoomId::new([1; 32]), "i", "c", "{}").unwrap();
        RoomEvent { at, change: Change::Appeared(room) }
    }

    fn disappeared(at: u64) -> RoomEvent {
        RoomEvent { at, change: Change::Disappeared(RoomId::new([1; 32])) }
    }

    #[test]
    fn it_bites_on_whatever_does_not_alternate() {
        let judge = |history: &[RoomEvent]| {
            let mut rooms = Alternation::default();
            history.iter().try_for_each(|event| rooms.observe(event))
        };
        assert_eq!(judge(&[appeared(1), disappeared(2), appeared(3)]), Ok(()));
        assert!(judge(&[disappeared(1)]).is_err());
        assert!(judge(&[appeared(1), appeared(2)]).is_err());
        assert!(judge(&[appeared(2), disappeared(1)]).is_err());
    }
}
