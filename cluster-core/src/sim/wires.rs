//! The links of the network, each in a place of its own that is used again after it.

use std::collections::VecDeque;

use bytes::Bytes;
use cluster_transport::proto::Instant;

use super::sessions::Seat;

/// One end of a link: which link, in which place, and which side of it. The dialler's side is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Socket {
    link: u64,
    place: u32,
    side: u32,
}

impl Socket {
    pub(super) fn other(self) -> Self {
        Self { side: 1 - self.side, ..self }
    }

    fn place(self) -> usize {
        self.place as usize
    }

    fn side(self) -> usize {
        self.side as usize
    }

    /// Which link it is of.
    pub(super) fn link(self) -> u64 {
        self.link
    }

    /// The end of whoever opened the link.
    pub(super) fn dialler(self) -> Self {
        Self { side: 0, ..self }
    }
}

/// What travels on a link.
#[derive(Clone, Debug)]
pub(super) enum Parcel {
    Open,
    Opened,
    Refused,
    Bytes(Bytes),
    Writable,
    Close,
    Reset,
}

/// One way of a link.
#[derive(Debug)]
pub(super) struct Pipe {
    /// The first parcel, which is mostly the only one: it has no memory of its own.
    first: Option<(Instant, Parcel)>,
    behind: VecDeque<(Instant, Parcel)>,
    /// When the last parcel arrives at the earliest.
    pub(super) last: Instant,
    /// How often the first parcel was lost.
    pub(super) lost: u32,
    /// A rule has held the first parcel back already.
    pub(super) is_judged: bool,
    pub(super) is_scheduled: bool,
    /// Bytes that were sent and not read.
    pub(super) unread: usize,
    /// Whether the sender waits for room.
    pub(super) is_blocked: bool,
}

impl Pipe {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            first: None,
            behind: VecDeque::new(),
            last: now,
            lost: 0,
            is_judged: false,
            is_scheduled: false,
            unread: 0,
            is_blocked: false,
        }
    }

    /// The parcel that arrives next, and when.
    pub(super) fn front(&self) -> Option<&(Instant, Parcel)> {
        self.first.as_ref()
    }

    pub(super) fn push(&mut self, at: Instant, parcel: Parcel) {
        match &self.first {
            None => self.first = Some((at, parcel)),
            Some(_) => self.behind.push_back((at, parcel)),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Parcel> {
        let (_, parcel) = self.first.take()?;
        self.first = self.behind.pop_front();
        if self.behind.is_empty() && self.behind.capacity() > 0 {
            // Hundreds of thousands of pipes carry more than one parcel at a time only when they are made.
            self.behind = VecDeque::new();
        }
        Some(parcel)
    }

    pub(super) fn clear(&mut self) {
        (self.first, self.behind) = (None, VecDeque::new());
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) node: usize,
    /// Where the session was when it began: whoever is there now may be another.
    pub(super) seat: Seat,
    pub(super) is_open: bool,
}

impl End {
    pub(super) fn new(node: usize, is_open: bool) -> Self {
        Self { node, seat: Seat::NONE, is_open }
    }
}

#[derive(Debug)]
pub(super) struct Wire {
    pub(super) ends: [End; 2],
    /// By the side that they lead to.
    pub(super) pipes: [Pipe; 2],
}

/// All links.
#[derive(Debug, Default)]
pub(super) struct Wires {
    places: Vec<Option<(u64, Wire)>>,
    free: Vec<usize>,
    links: u64,
}

impl Wires {
    /// Takes a link in; the socket is the dialler's.
    pub(super) fn insert(&mut self, wire: Wire) -> Socket {
        self.links += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        if let Some(free) = self.places.get_mut(place) {
            *free = Some((self.links, wire));
        }
        Self::dialler(place, self.links)
    }

    fn dialler(place: usize, link: u64) -> Socket {
        Socket { link, place: u32::try_from(place).unwrap_or(u32::MAX), side: 0 }
    }

    /// All links with their diallers' ends, in the order of their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Socket, &Wire)> {
        let used = self.places.iter().enumerate();
        used.filter_map(|(place, used)| {
            let (link, wire) = used.as_ref()?;
            Some((Self::dialler(place, *link), wire))
        })
    }

    fn get(&self, socket: Socket) -> Option<&Wire> {
        let (link, wire) = self.places.get(socket.place())?.as_ref()?;
        (*link == socket.link).then_some(wire)
    }

    fn get_mut(&mut self, socket: Socket) -> Option<&mut Wire> {
        let (link, wire) = self.places.get_mut(socket.place())?.as_mut()?;
        (*link == socket.link).then_some(wire)
    }

    /// From which node something comes that arrives at a socket, the end where it does, and what leads there.
    pub(super) fn way(&mut self, to: Socket) -> Option<(usize, End, &mut Pipe)> {
        let wire = self.get_mut(to)?;
        let (from, end) = (wire.ends.get(to.other().side())?.node, *wire.ends.get(to.side())?);
        Some((from, end, wire.pipes.get_mut(to.side())?))
    }

    /// What leads to a socket.
    pub(super) fn pipe_mut(&mut self, to: Socket) -> Option<&mut Pipe> {
        self.get_mut(to)?.pipes.get_mut(to.side())
    }

    pub(super) fn end_mut(&mut self, socket: Socket) -> Option<&mut End> {
        self.get_mut(socket)?.ends.get_mut(socket.side())
    }

    /// Closes an end; whether it was open.
    pub(super) fn shut(&mut self, socket: Socket) -> bool {
        let end = self.end_mut(socket);
        end.is_some_and(|end| std::mem::replace(&mut end.is_open, false))
    }

    /// A link with both ends closed is no more.
    pub(super) fn forget(&mut self, socket: Socket) {
        if self.get(socket).is_some_and(|wire| wire.ends.iter().all(|end| !end.is_open)) {
            if let Some(used) = self.places.get_mut(socket.place()) {
                *used = None;
            }
            self.free.push(socket.place());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(from: usize, to: usize) -> Wire {
        let now = Instant::ORIGIN;
        let ends = [from, to].map(|node| End::new(node, true));
        Wire { ends, pipes: [Pipe::new(now), Pipe::new(now)] }
    }

    #[test]
    fn a_place_is_used_again_and_the_socket_of_the_link_before_leads_nowhere() {
        let mut wires = Wires::default();
        let first = wires.insert(wire(0, 1));
        assert!(wires.shut(first) && wires.shut(first.other()));
        wires.forget(first);
        let second = wires.insert(wire(2, 3));
        assert_eq!(second.place, first.place);
        assert!(wires.pipe_mut(first).is_none() && !wires.shut(first));
        assert_eq!(wires.way(second).map(|(from, end, _)| (from, end.node)), Some((3, 2)));
        wires.forget(first);
        assert_eq!(wires.iter().count(), 1);
    }
}
