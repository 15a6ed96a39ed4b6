//! The seeded network: byte links between hosts, each way ordered, with a delay, a bounded buffer and rules.
//!
//! A link behaves as TCP does: what is lost is sent again after 200 ms and then less and less often, in order; a host whose
//! process is stopped still accepts, and buffers what comes until its buffer is full.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use cluster_transport::proto::Instant;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::counters::Counters;
use super::rule::{Passage, Rule, Verdict, Way, Ways};

/// How many bytes are on their way or unread in one direction of a link, before its sender has to wait.
pub(super) const SOCKET_BUFFER: usize = 256 * 1024;
/// What was lost is sent again after this long, and twice as long each further time, up to the cap.
const RETRANSMIT: Duration = Duration::from_millis(200);
const RETRANSMIT_CAP: Duration = Duration::from_secs(3);

/// One end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Socket {
    wire: u64,
    side: usize,
}

impl Socket {
    fn other(self) -> Self {
        Self { side: 1 - self.side, ..self }
    }
}

/// What a process learns from its host.
#[derive(Clone, Debug)]
pub(super) enum Arrival {
    Accepted {
        from: usize,
    },
    Connected,
    Refused,
    Bytes(Bytes),
    /// The sending buffer has room again.
    Writable,
    Closed,
    Reset,
}

#[derive(Clone, Debug)]
enum Parcel {
    Open,
    Opened,
    Refused,
    Bytes(Bytes),
    Writable,
    Close,
    Reset,
}

#[derive(Debug)]
struct Pipe {
    parcels: VecDeque<(Instant, Parcel)>,
    /// When the last parcel arrives at the earliest.
    last: Instant,
    /// How often the first parcel was lost.
    lost: u32,
    /// A rule has held the first parcel back already.
    is_judged: bool,
    is_scheduled: bool,
    /// Bytes that were sent and not read.
    unread: usize,
    /// Whether the sender waits for room.
    is_blocked: bool,
}

#[derive(Clone, Copy, Debug)]
struct End {
    node: usize,
    is_open: bool,
}

#[derive(Debug)]
struct Wire {
    ends: [End; 2],
    /// By the side that they lead to.
    pipes: [Pipe; 2],
}

/// The network.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) rng: ChaCha8Rng,
    pub(super) counters: Counters,
    pub(super) bytes: BTreeMap<(usize, usize), u64>,
    delay: RangeInclusive<Duration>,
    rules: Vec<Box<dyn Rule>>,
    ways: Ways,
    listening: Vec<bool>,
    wires: BTreeMap<u64, Wire>,
    /// The first parcel of each pipe, by its time.
    queue: BTreeMap<(Instant, u64), Socket>,
    sequence: u64,
}

impl Network {
    pub(super) fn new(rng: ChaCha8Rng, hosts: usize, delay: RangeInclusive<Duration>) -> Self {
        Self {
            rng,
            counters: Counters::default(),
            bytes: BTreeMap::new(),
            delay,
            rules: Vec::new(),
            ways: Ways::default(),
            listening: vec![false; hosts],
            wires: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
        }
    }

    pub(super) fn add_rule(&mut self, rule: Box<dyn Rule>) {
        self.rules.push(rule);
    }

    pub(super) fn clear_rules(&mut self) {
        self.rules.clear();
    }

    /// Cuts or refuses one way, or opens it.
    pub(super) fn set_way(&mut self, from: usize, to: usize, way: Option<Way>) {
        match way {
            Some(way) => {
                let before = self.ways.0.insert((from, to), way);
                self.counters.cuts += u64::from(before != Some(way));
            }
            None => drop(self.ways.0.remove(&(from, to))),
        }
    }

    pub(super) fn open_all_ways(&mut self) {
        self.ways.0.clear();
    }

    pub(super) fn set_listening(&mut self, node: usize, listens: bool) {
        if let Some(listening) = self.listening.get_mut(node) {
            *listening = listens;
        }
    }

    /// Resets every link between two nodes.
    pub(super) fn break_links(&mut self, now: Instant, a: usize, b: usize) {
        let joins = |wire: &Wire| matches!(wire.ends.map(|end| end.node), [x, y] if (x, y) == (a, b) || (y, x) == (a, b));
        let wires: Vec<u64> = self.wires.iter().filter(|(_, w)| joins(w)).map(|(id, _)| *id).collect();
        for wire in wires {
            self.reset(now, wire);
        }
    }

    /// Begins a connection; the socket is the dialler's.
    pub(super) fn connect(&mut self, now: Instant, from: usize, to: usize) -> Socket {
        self.counters.dials += 1;
        self.sequence += 1;
        let wire = self.sequence;
        let pipe = || Pipe {
            parcels: VecDeque::new(),
            last: now,
            lost: 0,
            is_judged: false,
            is_scheduled: false,
            unread: 0,
            is_blocked: false,
        };
        let ends = [from, to].map(|node| End { node, is_open: true });
        self.wires.insert(wire, Wire { ends, pipes: [pipe(), pipe()] });
        let socket = Socket { wire, side: 0 };
        self.send(now, socket.other(), Parcel::Open);
        socket
    }

    /// Whether a write now would be taken; if not, the process is told when it would.
    pub(super) fn has_room(&mut self, socket: Socket) -> bool {
        let Some(pipe) = self.pipe_mut(socket.other()) else { return true };
        let has_room = pipe.unread < SOCKET_BUFFER;
        if !has_room && !pipe.is_blocked {
            pipe.is_blocked = true;
            self.counters.blocked += 1;
        }
        has_room
    }

    pub(super) fn write(&mut self, now: Instant, socket: Socket, bytes: Bytes) {
        let to = socket.other();
        if let Some(wire) = self.wires.get_mut(&socket.wire) {
            let nodes = wire.ends.map(|end| end.node);
            if let (Some(from), Some(to)) = (nodes.get(socket.side), nodes.get(to.side)) {
                *self.bytes.entry((*from, *to)).or_default() += bytes.len() as u64;
            }
        }
        if let Some(pipe) = self.pipe_mut(to) {
            pipe.unread += bytes.len();
        }
        self.send(now, to, Parcel::Bytes(bytes));
    }

    /// The process has read this much.
    pub(super) fn consumed(&mut self, now: Instant, socket: Socket, bytes: usize) {
        let Some(pipe) = self.pipe_mut(socket) else { return };
        pipe.unread = pipe.unread.saturating_sub(bytes);
        if pipe.is_blocked && pipe.unread < SOCKET_BUFFER / 2 {
            pipe.is_blocked = false;
            self.send(now, socket.other(), Parcel::Writable);
        }
    }

    /// The process closes its end: what it has written still arrives. One that dies with unread bytes resets the link.
    pub(super) fn close(&mut self, now: Instant, socket: Socket) {
        let unread = self.pipe_mut(socket).map_or(0, |pipe| pipe.unread);
        if self.shut(socket) {
            self.send(now, socket.other(), if unread > 0 { Parcel::Reset } else { Parcel::Close });
        }
        self.forget(socket.wire);
    }

    /// All links of a process that has died.
    pub(super) fn close_all(&mut self, now: Instant, node: usize) {
        let ends = |(id, wire): (&u64, &Wire)| {
            let side = wire.ends.iter().position(|end| end.node == node && end.is_open)?;
            Some(Socket { wire: *id, side })
        };
        for socket in self.wires.iter().filter_map(ends).collect::<Vec<_>>() {
            self.close(now, socket);
        }
    }

    pub(super) fn next_time(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next parcel off its pipe; what a process learns of it, if it arrives and concerns one.
    pub(super) fn advance(&mut self, now: Instant) -> Option<(usize, Socket, Arrival)> {
        let ((_, _), socket) = self.queue.pop_first()?;
        self.pipe_mut(socket)?.is_scheduled = false;
        let wire = self.wires.get(&socket.wire)?;
        let (from, to) = (wire.ends.get(1 - socket.side)?.node, *wire.ends.get(socket.side)?);
        let pipe = wire.pipes.get(socket.side)?;
        let bytes = match pipe.parcels.front()? {
            (_, Parcel::Bytes(bytes)) => bytes.len(),
            _ => 0,
        };
        let is_judged = pipe.is_judged || from == to.node;
        let passage = Passage { from, to: to.node, bytes };
        match if is_judged { Verdict::Pass } else { self.judge(now, passage) } {
            Verdict::Pass => self.deliver(now, socket, from, to),
            Verdict::Delay(span) => {
                self.counters.delayed += 1;
                self.pipe_mut(socket)?.is_judged = true;
                self.schedule(now + span, socket);
                None
            }
            Verdict::Drop => {
                self.counters.dropped += 1;
                let pipe = self.pipe_mut(socket)?;
                let wait = RETRANSMIT.saturating_mul(1 << pipe.lost.min(8)).min(RETRANSMIT_CAP);
                pipe.lost += 1;
                self.schedule(now + wait, socket);
                None
            }
            Verdict::Break => {
                self.reset(now, socket.wire);
                None
            }
        }
    }

    fn judge(&mut self, now: Instant, passage: Passage) -> Verdict {
        match self.ways.judge(passage) {
            Verdict::Pass => {}
            verdict => return verdict,
        }
        let rng = &mut self.rng;
        let mut verdicts = self.rules.iter_mut().map(|rule| rule.judge(now, passage, rng));
        verdicts.find(|verdict| *verdict != Verdict::Pass).unwrap_or(Verdict::Pass)
    }

    fn deliver(
        &mut self,
        now: Instant,
        socket: Socket,
        from: usize,
        to: End,
    ) -> Option<(usize, Socket, Arrival)> {
        let listens = self.listening.get(to.node).copied().unwrap_or(false);
        let pipe = self.pipe_mut(socket)?;
        let (_, parcel) = pipe.parcels.pop_front()?;
        (pipe.lost, pipe.is_judged) = (0, false);
        if let Some((at, _)) = pipe.parcels.front() {
            let at = (*at).max(now);
            self.schedule(at, socket);
        }
        let arrival = match parcel {
            Parcel::Open if listens => {
                self.send(now, socket.other(), Parcel::Opened);
                Arrival::Accepted { from }
            }
            Parcel::Open => {
                self.shut(socket);
                self.counters.refused += 1;
                self.send(now, socket.other(), Parcel::Refused);
                return None;
            }
            Parcel::Opened => Arrival::Connected,
            Parcel::Bytes(bytes) => Arrival::Bytes(bytes),
            Parcel::Writable => Arrival::Writable,
            closing @ (Parcel::Refused | Parcel::Close | Parcel::Reset) => {
                let was_open = self.shut_or_keep(socket, &closing);
                self.forget(socket.wire);
                return was_open.then_some((
                    to.node,
                    socket,
                    match closing {
                        Parcel::Refused => Arrival::Refused,
                        Parcel::Close => Arrival::Closed,
                        _ => Arrival::Reset,
                    },
                ));
            }
        };
        to.is_open.then_some((to.node, socket, arrival))
    }

    /// A closed link can still be written to; a reset one cannot. Whether the end was open.
    fn shut_or_keep(&mut self, socket: Socket, closing: &Parcel) -> bool {
        if matches!(closing, Parcel::Close) {
            let wire = self.wires.get(&socket.wire);
            return wire.and_then(|wire| wire.ends.get(socket.side)).is_some_and(|end| end.is_open);
        }
        self.shut(socket)
    }

    /// Both ends of a link learn that it is broken; a connection that is not there yet is refused.
    fn reset(&mut self, now: Instant, wire: u64) {
        let [dialler, acceptor] = [0, 1].map(|side| Socket { wire, side });
        let Some(to_acceptor) = self.pipe_mut(acceptor) else { return };
        if matches!(to_acceptor.parcels.front(), Some((_, Parcel::Open))) {
            to_acceptor.parcels.clear();
            self.counters.refused += 1;
            self.shut(acceptor);
            self.replace(now, dialler, Parcel::Refused);
        } else {
            self.counters.broken += 1;
            self.replace(now, dialler, Parcel::Reset);
            self.replace(now, acceptor, Parcel::Reset);
        }
    }

    /// Puts a parcel in the place of all that are on their way.
    fn replace(&mut self, now: Instant, to: Socket, parcel: Parcel) {
        let Some(pipe) = self.pipe_mut(to) else { return };
        pipe.parcels.clear();
        pipe.parcels.push_back((now, parcel));
        pipe.is_judged = true;
        self.schedule(now, to);
    }

    fn send(&mut self, now: Instant, to: Socket, parcel: Parcel) {
        let delay = self.rng.random_range(self.delay.clone());
        let Some(pipe) = self.pipe_mut(to) else { return };
        let at = (now + delay).max(pipe.last);
        pipe.last = at;
        pipe.parcels.push_back((at, parcel));
        self.schedule(at, to);
    }

    /// Has the first parcel of a pipe arrive then, if that is not planned already.
    fn schedule(&mut self, at: Instant, socket: Socket) {
        self.sequence += 1;
        let sequence = self.sequence;
        if let Some(pipe) = self.pipe_mut(socket)
            && !std::mem::replace(&mut pipe.is_scheduled, true)
        {
            self.queue.insert((at, sequence), socket);
        }
    }

    fn pipe_mut(&mut self, socket: Socket) -> Option<&mut Pipe> {
        self.wires.get_mut(&socket.wire)?.pipes.get_mut(socket.side)
    }

    /// Closes an end; whether it was open.
    fn shut(&mut self, socket: Socket) -> bool {
        let end = self.wires.get_mut(&socket.wire).and_then(|wire| wire.ends.get_mut(socket.side));
        end.is_some_and(|end| std::mem::replace(&mut end.is_open, false))
    }

    /// A link with both ends closed is no more, once nothing is on its way that somebody waits for.
    fn forget(&mut self, wire: u64) {
        if self.wires.get(&wire).is_some_and(|wire| wire.ends.iter().all(|end| !end.is_open)) {
            self.wires.remove(&wire);
        }
    }
}
