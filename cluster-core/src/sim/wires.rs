//! The links of the network, each in a place of its own that is used again after it.
//!
//! Of a million ways hardly any carries something at a moment. So a way is one cache line, and what travels is apart from it, in
//! places that are used again at once and are still at hand.

use std::num::NonZeroU32;

use bytes::Bytes;
use cluster_transport::proto::Instant;

use super::sessions::Seat;

/// One end of a link: which link, and in which place of a side. The dialler's side is the even one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Socket {
    link: NonZeroU32,
    place: u32,
}

impl Socket {
    pub(super) fn other(self) -> Self {
        Self { place: self.place ^ 1, ..self }
    }

    /// Which link it is of.
    pub(super) fn link(self) -> u64 {
        self.link.get().into()
    }

    /// The end of whoever opened the link.
    pub(super) fn dialler(self) -> Self {
        Self { place: self.place & !1, ..self }
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

/// One end of a link, as the way knows it that leads there.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    node: u32,
    /// Where the session was when it began: whoever is there now may be another.
    pub(super) seat: Seat,
    pub(super) is_open: bool,
}

impl End {
    pub(super) fn new(node: usize, is_open: bool) -> Self {
        Self { node: u32::try_from(node).unwrap_or(u32::MAX), seat: Seat::NONE, is_open }
    }

    pub(super) fn node(self) -> usize {
        self.node as usize
    }
}

/// One way of a link.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Pipe {
    /// Which link it is of, if it is of any.
    link: Option<NonZeroU32>,
    /// When the last parcel arrives at the earliest.
    pub(super) last: Instant,
    /// Bytes that were sent and not read.
    pub(super) unread: usize,
    pub(super) to: End,
    from: u32,
    first: Berth,
    newest: Berth,
    /// How often the first parcel was lost.
    pub(super) lost: u32,
    /// A rule has held the first parcel back already.
    pub(super) is_judged: bool,
    pub(super) is_scheduled: bool,
    /// Whether the sender waits for room.
    pub(super) is_blocked: bool,
}

impl Pipe {
    fn new(link: NonZeroU32, now: Instant, from: End, to: End) -> Self {
        Self {
            link: Some(link),
            last: now,
            unread: 0,
            to,
            from: from.node,
            first: Berth::NONE,
            newest: Berth::NONE,
            lost: 0,
            is_judged: false,
            is_scheduled: false,
            is_blocked: false,
        }
    }

    /// The node that sends on it.
    pub(super) fn from(&self) -> usize {
        self.from as usize
    }
}

/// Where a parcel is while it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Berth(u32);

impl Berth {
    /// No parcel's.
    const NONE: Self = Self(u32::MAX);
}

/// What travels on all links.
#[derive(Debug)]
pub(super) struct Parcels {
    berths: Vec<Travelling>,
    /// The one that was left last, and so on.
    free: Berth,
}

/// A parcel, when it arrives, and what comes after it on its way; or a berth that is free, and the next one that is.
#[derive(Debug)]
struct Travelling {
    due: Instant,
    parcel: Parcel,
    next: Berth,
}

impl Default for Parcels {
    fn default() -> Self {
        Self { berths: Vec::new(), free: Berth::NONE }
    }
}

impl Parcels {
    /// The parcel that arrives next, and when.
    pub(super) fn front(&self, pipe: &Pipe) -> Option<(Instant, &Parcel)> {
        self.berths.get(pipe.first.0 as usize).map(|first| (first.due, &first.parcel))
    }

    pub(super) fn push(&mut self, pipe: &mut Pipe, due: Instant, parcel: Parcel) {
        let berth = self.take_berth(Travelling { due, parcel, next: Berth::NONE });
        match self.berths.get_mut(pipe.newest.0 as usize) {
            Some(newest) => newest.next = berth,
            None => pipe.first = berth,
        }
        pipe.newest = berth;
    }

    fn take_berth(&mut self, travelling: Travelling) -> Berth {
        let berth = self.free;
        match self.berths.get_mut(berth.0 as usize) {
            Some(free) => {
                self.free = free.next;
                *free = travelling;
                berth
            }
            None => {
                self.berths.push(travelling);
                Berth(u32::try_from(self.berths.len() - 1).unwrap_or(u32::MAX))
            }
        }
    }

    pub(super) fn pop(&mut self, pipe: &mut Pipe) -> Option<Parcel> {
        let berth = pipe.first;
        let left = self.berths.get_mut(berth.0 as usize)?;
        let parcel = std::mem::replace(&mut left.parcel, Parcel::Close);
        pipe.first = std::mem::replace(&mut left.next, self.free);
        self.free = berth;
        if pipe.first == Berth::NONE {
            pipe.newest = Berth::NONE;
        }
        Some(parcel)
    }

    pub(super) fn clear(&mut self, pipe: &mut Pipe) {
        while self.pop(pipe).is_some() {}
    }
}

/// All links.
#[derive(Debug, Default)]
pub(super) struct Wires {
    /// The two ways of each, by the side that they lead to.
    pipes: Vec<Pipe>,
    parcels: Parcels,
    /// The diallers' places of links that are no more.
    free: Vec<u32>,
    /// How many there were. No run makes four billions.
    links: u32,
}

impl Wires {
    /// Takes a link between two ends in; the socket is the dialler's.
    pub(super) fn insert(&mut self, now: Instant, dialler: End, acceptor: End) -> Socket {
        self.links = self.links.saturating_add(1);
        let link = NonZeroU32::MIN.saturating_add(self.links - 1);
        let pipes = [Pipe::new(link, now, acceptor, dialler), Pipe::new(link, now, dialler, acceptor)];
        let place = self.free.pop().unwrap_or_else(|| u32::try_from(self.pipes.len()).unwrap_or(u32::MAX));
        match self.pipes.get_mut(place as usize..).and_then(|free| free.first_chunk_mut()) {
            Some(free) => *free = pipes,
            None => self.pipes.extend(pipes),
        }
        Socket { link, place }
    }

    /// The diallers' ends of all links between nodes of which this holds, in the order of their places.
    pub(super) fn between(&self, holds: impl Fn([&End; 2]) -> bool) -> Vec<Socket> {
        let (links, _) = self.pipes.as_chunks();
        let wanted = (0..).step_by(2).zip(links).filter_map(|(place, [to_dialler, to_acceptor])| {
            let link = to_dialler.link?;
            holds([&to_dialler.to, &to_acceptor.to]).then_some(Socket { link, place })
        });
        wanted.collect()
    }

    /// What leads to a socket, and what travels there and elsewhere.
    pub(super) fn way(&mut self, to: Socket) -> Option<(&mut Pipe, &mut Parcels)> {
        let pipe = self.pipes.get_mut(to.place as usize)?;
        (pipe.link == Some(to.link)).then_some((pipe, &mut self.parcels))
    }

    /// What leads to a socket.
    pub(super) fn pipe_mut(&mut self, to: Socket) -> Option<&mut Pipe> {
        self.way(to).map(|(pipe, _)| pipe)
    }

    /// Closes an end; whether it was open.
    pub(super) fn shut(&mut self, socket: Socket) -> bool {
        self.pipe_mut(socket).is_some_and(|pipe| std::mem::replace(&mut pipe.to.is_open, false))
    }

    /// A link with both ends closed is no more.
    pub(super) fn forget(&mut self, socket: Socket) {
        let ends = [socket.dialler(), socket.dialler().other()];
        if !ends.iter().all(|end| self.pipe_mut(*end).is_some_and(|pipe| !pipe.to.is_open)) {
            return;
        }
        for end in ends {
            if let Some((pipe, parcels)) = self.way(end) {
                parcels.clear(pipe);
                pipe.link = None;
            }
        }
        self.free.push(socket.dialler().place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(wires: &mut Wires, from: usize, to: usize) -> Socket {
        wires.insert(Instant::ORIGIN, End::new(from, true), End::new(to, true))
    }

    #[test]
    fn a_place_is_used_again_and_the_socket_of_the_link_before_leads_nowhere() {
        let mut wires = Wires::default();
        let first = insert(&mut wires, 0, 1);
        assert!(wires.shut(first) && wires.shut(first.other()));
        wires.forget(first);
        let second = insert(&mut wires, 2, 3);
        assert_eq!(second.place, first.place);
        assert!(wires.pipe_mut(first).is_none() && !wires.shut(first));
        assert_eq!(wires.way(second).map(|(pipe, _)| (pipe.from(), pipe.to.node())), Some((3, 2)));
        wires.forget(first);
        assert_eq!(wires.between(|_| true), [second]);
    }

    #[test]
    fn parcels_of_all_ways_share_their_berths_and_arrive_in_the_order_of_each_way() {
        let mut wires = Wires::default();
        let sockets = [insert(&mut wires, 0, 1), insert(&mut wires, 2, 3)];
        let bytes = |number: u8| Parcel::Bytes(vec![number].into());
        for round in 0..3 {
            for number in 0..6 {
                let (pipe, parcels) = wires.way(sockets[usize::from(number % 2)]).unwrap();
                parcels.push(pipe, Instant::ORIGIN, bytes(round * 6 + number));
            }
            for (side, socket) in (0..).zip(sockets) {
                let (pipe, parcels) = wires.way(socket).unwrap();
                assert!(matches!(parcels.front(pipe), Some((_, Parcel::Bytes(_)))));
                for number in [side, side + 2, side + 4] {
                    let Some(Parcel::Bytes(bytes)) = parcels.pop(pipe) else { panic!("nothing arrives") };
                    assert_eq!(bytes, vec![round * 6 + number]);
                }
                assert!(parcels.front(pipe).is_none() && parcels.pop(pipe).is_none());
            }
        }
        assert_eq!(wires.parcels.berths.len(), 6);
    }

    #[test]
    fn a_way_is_one_cache_line() {
        assert_eq!(size_of::<Pipe>(), 64);
    }
}
