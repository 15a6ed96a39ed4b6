//! The sessions of one process, each in a seat of its own: whoever knows the seat need not look it up.

use cluster_transport::proto::session::Session;
use cluster_transport::proto::{NodeId, SessionId};

use super::links::Conduit;
use super::live::Live;
use super::numbers::NumberMap;
use super::world::Sim;

/// Where a session is, until it ends. Then the seat may be another one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat(u32);

impl Seat {
    /// No session's.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    ids: NumberMap<SessionId, Seat>,
    /// Boxed: half of the seats may be empty.
    seats: Vec<Option<Box<Live>>>,
    free: Vec<Seat>,
}

impl Sessions {
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// All of them, in no order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Live> {
        self.seats.iter_mut().flatten().map(|live| &mut **live)
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Live> {
        self.seats.get(self.ids.get(&id)?.0 as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Live> {
        self.at(*self.ids.get(&id)?)
    }

    /// The session in a seat.
    pub(super) fn at(&mut self, seat: Seat) -> Option<&mut Live> {
        self.seats.get_mut(seat.0 as usize)?.as_deref_mut()
    }

    /// Seats a session that begins.
    pub(super) fn insert(&mut self, session: Session, conduit: Conduit) -> Seat {
        let seat = self.free.pop().unwrap_or_else(|| {
            self.seats.push(None);
            Seat(u32::try_from(self.seats.len() - 1).unwrap_or(u32::MAX))
        });
        self.ids.insert(session.id(), seat);
        if let Some(free) = self.seats.get_mut(seat.0 as usize) {
            *free = Some(Box::new(Live::new(session, conduit, seat)));
        }
        seat
    }

    /// Takes a session out that has ended.
    pub(super) fn remove(&mut self, id: SessionId) -> Option<Box<Live>> {
        let seat = self.ids.remove(&id)?;
        self.free.push(seat);
        self.seats.get_mut(seat.0 as usize)?.take()
    }
}

/// The newest session with each node, by the node's number. The endpoint knows them too, by name.
#[derive(Debug, Default)]
pub(super) struct Seats(Vec<Seat>);

impl Seats {
    pub(super) fn seat_of(&self, node: &NodeId) -> Option<Seat> {
        self.0.get(Sim::number_in(node)?).copied()
    }

    /// A session with the node begins.
    pub(super) fn set(&mut self, node: &NodeId, seat: Seat) {
        let Some(number) = Sim::number_in(node) else { return };
        if self.0.len() <= number {
            self.0.resize(number + 1, Seat::NONE);
        }
        if let Some(place) = self.0.get_mut(number) {
            *place = seat;
        }
    }

    /// A session with the node ended; if it is the newest, there is none.
    pub(super) fn clear(&mut self, node: &NodeId, seat: Seat) {
        if self.seat_of(node) == Some(seat) {
            self.set(node, Seat::NONE);
        }
    }
}
