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

    /// In which row it is, and where there.
    fn place(self) -> (usize, usize) {
        let seat = self.0 as usize;
        (seat / ROW, seat % ROW)
    }
}

/// How many sessions have their memory together: whoever knows a seat finds it by few pointers, and hardly any memory is of nobody.
const ROW: usize = 16;

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    ids: NumberMap<SessionId, Seat>,
    rows: Vec<Box<[Option<Live>]>>,
    free: Vec<Seat>,
}

impl Sessions {
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// All of them, in no order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Live> {
        self.rows.iter_mut().flat_map(|row| row.iter_mut().flatten())
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Live> {
        let (row, place) = self.ids.get(&id)?.place();
        self.rows.get(row)?.get(place)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Live> {
        self.at(*self.ids.get(&id)?)
    }

    /// The session in a seat.
    pub(super) fn at(&mut self, seat: Seat) -> Option<&mut Live> {
        self.place_mut(seat)?.as_mut()
    }

    fn place_mut(&mut self, seat: Seat) -> Option<&mut Option<Live>> {
        let (row, place) = seat.place();
        self.rows.get_mut(row)?.get_mut(place)
    }

    /// Seats a session that begins.
    pub(super) fn insert(&mut self, session: Session, conduit: Conduit) -> Seat {
        let seat = self.free.pop().unwrap_or_else(|| self.add_row());
        self.ids.insert(session.id(), seat);
        if let Some(free) = self.place_mut(seat) {
            *free = Some(Live::new(session, conduit, seat));
        }
        seat
    }

    /// The first of a row of new seats, of which the others are free.
    fn add_row(&mut self) -> Seat {
        let first = u32::try_from(self.rows.len() * ROW).unwrap_or(u32::MAX);
        self.rows.push((0..ROW).map(|_| None).collect());
        self.free.extend((1_u32..).take(ROW - 1).map(|place| Seat(first.saturating_add(place))));
        Seat(first)
    }

    /// Takes a session out that has ended.
    pub(super) fn remove(&mut self, id: SessionId) -> Option<Live> {
        let seat = self.ids.remove(&id)?;
        self.free.push(seat);
        self.place_mut(seat)?.take()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use cluster_transport::proto::body::{Positions, VERSION};
    use cluster_transport::proto::lanes::{LaneSettings, PeerLanes};
    use cluster_transport::proto::session::SessionStart;
    use cluster_transport::proto::{Incarnation, Instant};

    use super::super::wires::{End, Wires};
    use super::*;

    fn session(number: u64) -> Session {
        let settings = LaneSettings::default();
        Session::new(SessionStart {
            session: SessionId(number),
            peer: "n1".parse().unwrap(),
            incarnation: Incarnation { epoch: 1, nonce: number },
            version: VERSION,
            we_dialled: true,
            peer_windows: settings.windows,
            peer_positions: Positions::default(),
            lanes: Arc::new(PeerLanes::new(&settings)),
        })
    }

    #[test]
    fn each_of_many_sessions_has_a_seat_of_its_own_until_it_ends() {
        let (mut sessions, mut wires) = (Sessions::default(), Wires::default());
        let mut conduit =
            || Conduit::Socket(wires.insert(Instant::ORIGIN, End::new(0, true), End::new(1, true)));
        let ids: Vec<SessionId> = (1..=40).map(SessionId).collect();
        let seats: Vec<Seat> = ids.iter().map(|id| sessions.insert(session(id.0), conduit())).collect();
        let is_found = |sessions: &mut Sessions, id: SessionId, seat: Seat| {
            let by_seat = sessions.at(seat).map(|live| (live.id(), live.seat()));
            let by_id = sessions.get(id).map(Live::seat);
            by_seat == Some((id, seat)) && by_id == Some(seat) && sessions.get_mut(id).is_some()
        };
        for (id, seat) in ids.iter().zip(&seats) {
            assert!(is_found(&mut sessions, *id, *seat), "session {id} in {seat:?}");
        }
        assert_eq!(sessions.iter_mut().map(|live| live.id()).collect::<BTreeSet<_>>().len(), 40);

        // One of the third row.
        let (gone, place) = (ids[36], seats[36]);
        assert_eq!(sessions.remove(gone).map(|live| live.id()), Some(gone));
        assert!(
            sessions.get(gone).is_none() && sessions.at(place).is_none() && sessions.remove(gone).is_none()
        );
        for (id, seat) in ids.iter().zip(&seats).filter(|(id, _)| **id != gone) {
            assert!(is_found(&mut sessions, *id, *seat), "session {id} in {seat:?}");
        }
        assert_eq!(sessions.insert(session(41), conduit()), place);
        assert!(is_found(&mut sessions, SessionId(41), place) && sessions.get(gone).is_none());
        assert!(sessions.at(Seat::NONE).is_none());
    }
}
