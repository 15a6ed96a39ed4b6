//! The seeded network: byte links between hosts, each way ordered, with a delay, a bounded buffer and rules.
//!
//! A link behaves as TCP does: what is lost is sent again after 200 ms and then less and less often, in order; a host whose
//! process is stopped still accepts, and buffers what comes until its buffer is full.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use cluster_transport::proto::Instant;
use rand::distr::{Distribution as _, Uniform};
use rand_chacha::ChaCha8Rng;

use super::blocks::{Blocks, apart};
use super::counters::Counters;
use super::discovery::Discovery;
use super::queue::Queue;
use super::rule::{Passage, Rule, Verdict, Way, Ways};
use super::sessions::Seat;
use super::wires::{End, Parcel, Socket, Wires};

/// How many bytes are on their way or unread in one direction of a link, before its sender has to wait.
pub(super) const SOCKET_BUFFER: usize = 256 * 1024;
/// What was lost is sent again after this long, and twice as long each further time, up to the cap.
const RETRANSMIT: Duration = Duration::from_millis(200);
const RETRANSMIT_CAP: Duration = Duration::from_secs(3);

/// What becomes of a connection to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listening {
    /// It is refused.
    No,
    /// The process there takes it.
    Yes,
    /// The process is dead, and its system has not closed everything yet: until then it is accepted and cut off.
    DyingUntil(Instant),
}

/// What a process learns from its host.
#[derive(Clone, Debug)]
pub(super) enum Arrival {
    /// With the seat of the session that its end had when they came.
    Bytes(Bytes, Seat),
    Turn(Turn),
}

/// What becomes of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Accepted {
        from: usize,
    },
    Connected,
    Refused,
    /// The sending buffer has room again.
    Writable,
    Closed,
    Reset,
}

impl Arrival {
    /// The same, to wait until its process goes on.
    pub(super) fn into_waiting(self) -> Self {
        match self {
            Self::Bytes(bytes, seat) => Self::Bytes(apart(bytes), seat),
            Self::Turn(turn) => Self::Turn(turn),
        }
    }
}

/// The network.
#[derive(Debug)]
pub(super) struct Network {
    /// The time of the simulation; the clocks of hosts may run at other rates.
    pub(super) now: Instant,
    pub(super) rng: ChaCha8Rng,
    pub(super) counters: Counters,
    pub(super) discovery: Discovery,
    /// When a way was closed or opened last, or a rule added or forgotten.
    disturbed: Instant,
    /// When a rule was there last.
    ruled: Instant,
    /// When the ways between two nodes, the smaller number first, were last not open, or their links reset.
    closed: BTreeMap<(usize, usize), Instant>,
    traffic: Traffic,
    /// None if the range had nothing in it.
    delay: Option<Uniform<Duration>>,
    rules: Vec<Box<dyn Rule>>,
    ways: Ways,
    listening: Vec<Listening>,
    wires: Wires,
    queue: Queue,
    blocks: Blocks,
}

impl Network {
    pub(super) fn new(now: Instant, rng: ChaCha8Rng, hosts: usize, delay: RangeInclusive<Duration>) -> Self {
        Self {
            now,
            disturbed: now,
            ruled: now,
            closed: BTreeMap::new(),
            discovery: Discovery::default(),
            rng,
            counters: Counters::default(),
            traffic: Traffic::new(hosts),
            delay: Uniform::try_from(delay).ok(),
            rules: Vec::new(),
            ways: Ways::default(),
            listening: vec![Listening::No; hosts],
            wires: Wires::default(),
            queue: Queue::default(),
            blocks: Blocks::default(),
        }
    }

    pub(super) fn add_rule(&mut self, rule: Box<dyn Rule>) {
        self.rules.push(rule);
        self.disturbed = self.now;
    }

    pub(super) fn clear_rules(&mut self) {
        self.disturbed = self.disturbed();
        if !self.rules.is_empty() {
            self.ruled = self.now;
        }
        self.rules.clear();
    }

    /// When anything last was between any two nodes that is not there in a healthy network.
    pub(super) fn disturbed(&self) -> Instant {
        let is_whole = self.rules.is_empty() && self.ways.0.is_empty();
        if is_whole { self.disturbed } else { self.now }
    }

    /// Since when two nodes have reached each other as in a healthy network.
    pub(super) fn whole_since(&self, a: usize, b: usize) -> Instant {
        let is_closed = [(a, b), (b, a)].iter().any(|way| self.ways.0.contains_key(way));
        if is_closed || !self.rules.is_empty() {
            return self.now;
        }
        let closed = self.closed.get(&(a.min(b), a.max(b))).copied().unwrap_or_default();
        closed.max(self.ruled)
    }

    fn note_closed(&mut self, a: usize, b: usize) {
        self.closed.insert((a.min(b), a.max(b)), self.now);
    }

    /// Cuts or refuses one way, or opens it.
    pub(super) fn set_way(&mut self, from: usize, to: usize, way: Option<Way>) {
        self.disturbed = self.disturbed();
        self.note_closed(from, to);
        match way {
            Some(way) => {
                let before = self.ways.0.insert((from, to), way);
                self.counters.cuts += u64::from(before != Some(way));
            }
            None => drop(self.ways.0.remove(&(from, to))),
        }
    }

    pub(super) fn open_all_ways(&mut self) {
        self.disturbed = self.disturbed();
        for (a, b) in std::mem::take(&mut self.ways.0).into_keys() {
            self.note_closed(a, b);
        }
    }

    pub(super) fn set_listening(&mut self, node: usize, listening: Listening) {
        if let Some(now) = self.listening.get_mut(node) {
            *now = listening;
        }
    }

    /// Resets every link between two nodes.
    pub(super) fn break_links(&mut self, a: usize, b: usize) {
        self.disturbed = self.now;
        self.note_closed(a, b);
        for link in self.wires.between(|ends| [[a, b], [b, a]].contains(&ends.map(|end| end.node()))) {
            self.reset(link);
        }
    }

    /// Begins a connection; the socket is the dialler's.
    pub(super) fn connect(&mut self, from: usize, to: usize) -> Socket {
        self.counters.dials += 1;
        let socket = self.wires.insert(self.now, End::new(from, true), End::new(to, true));
        self.send(socket.other(), Parcel::Open);
        socket
    }

    /// Writes what it asks for, if the buffer has room; if not, it asks for nothing, and the process is told when it has.
    pub(super) fn offer(&mut self, socket: Socket, bytes: impl FnOnce(&mut Blocks) -> Bytes) -> bool {
        if let Some(pipe) = self.wires.pipe_mut(socket.other())
            && pipe.unread >= SOCKET_BUFFER
        {
            self.counters.blocked += u64::from(!std::mem::replace(&mut pipe.is_blocked, true));
            return false;
        }
        let bytes = bytes(&mut self.blocks);
        self.write(socket, bytes);
        true
    }

    /// Where the session is that reads from a socket.
    pub(super) fn note_seat(&mut self, socket: Socket, seat: Seat) {
        if let Some(pipe) = self.wires.pipe_mut(socket) {
            pipe.to.seat = seat;
        }
    }

    pub(super) fn write(&mut self, socket: Socket, bytes: Bytes) {
        let to = socket.other();
        if let Some(pipe) = self.wires.pipe_mut(to) {
            self.traffic.add(pipe.from(), pipe.to.node(), bytes.len());
            pipe.unread += bytes.len();
        }
        self.send(to, Parcel::Bytes(bytes));
    }

    /// The process has read this much.
    pub(super) fn consumed(&mut self, socket: Socket, bytes: usize) {
        let Some(pipe) = self.wires.pipe_mut(socket) else { return };
        pipe.unread = pipe.unread.saturating_sub(bytes);
        if pipe.is_blocked && pipe.unread < SOCKET_BUFFER / 2 {
            pipe.is_blocked = false;
            self.send(socket.other(), Parcel::Writable);
        }
    }

    /// The process closes its end: what it has written still arrives. One that dies with unread bytes resets the link.
    pub(super) fn close(&mut self, socket: Socket) {
        let unread = self.wires.pipe_mut(socket).map_or(0, |pipe| pipe.unread);
        if self.wires.shut(socket) {
            self.send(socket.other(), if unread > 0 { Parcel::Reset } else { Parcel::Close });
        }
        self.wires.forget(socket);
    }

    /// All links of a process that has died.
    pub(super) fn close_all(&mut self, node: usize) {
        let is_its = |end: &End| end.node() == node && end.is_open;
        for link in self.wires.between(|ends| ends.into_iter().any(is_its)) {
            let dials = self.wires.pipe_mut(link).is_some_and(|pipe| is_its(&pipe.to));
            self.close(if dials { link } else { link.other() });
        }
    }

    /// How many bytes one node has sent to another.
    pub(super) fn bytes_sent(&self, from: usize, to: usize) -> u64 {
        self.traffic.bytes.get(from * self.traffic.nodes + to).copied().unwrap_or_default()
    }

    pub(super) fn next_time(&self) -> Option<Instant> {
        self.queue.next_time()
    }

    /// Takes the next parcel off its pipe; what a process learns of it, if it arrives and concerns one.
    pub(super) fn advance(&mut self) -> Option<(usize, Socket, Arrival)> {
        let socket = self.queue.pop()?;
        let pipe = self.wires.pipe_mut(socket)?;
        pipe.is_scheduled = false;
        let has_law = !self.rules.is_empty() || !self.ways.0.is_empty();
        match has_law && !pipe.is_judged && pipe.from() != pipe.to.node() {
            true => self.advance_by_law(socket),
            false => self.deliver(socket),
        }
    }

    #[inline(never)]
    fn advance_by_law(&mut self, socket: Socket) -> Option<(usize, Socket, Arrival)> {
        let (pipe, parcels) = self.wires.way(socket)?;
        let bytes = match parcels.front(pipe)? {
            (_, Parcel::Bytes(bytes)) => bytes.len(),
            _ => 0,
        };
        let passage = Passage { from: pipe.from(), to: pipe.to.node(), link: socket.link(), bytes };
        match self.judge(passage) {
            Verdict::Pass => self.deliver(socket),
            Verdict::Delay(span) => {
                self.counters.delayed += 1;
                let (pipe, parcels) = self.wires.way(socket)?;
                pipe.is_judged = true;
                let due = parcels.front(pipe)?.0 + span;
                if due > self.now {
                    self.queue.schedule(self.now, due, socket, pipe);
                    return None;
                }
                self.deliver(socket)
            }
            Verdict::Duplicate => {
                self.duplicate(socket, passage);
                self.deliver(socket)
            }
            Verdict::Drop => {
                self.counters.dropped += 1;
                let pipe = self.wires.pipe_mut(socket)?;
                let wait = RETRANSMIT.saturating_mul(1 << pipe.lost.min(8)).min(RETRANSMIT_CAP);
                pipe.lost += 1;
                self.queue.schedule(self.now, self.now + wait, socket, pipe);
                None
            }
            Verdict::Break => {
                self.reset(socket);
                None
            }
        }
    }

    fn judge(&mut self, passage: Passage) -> Verdict {
        match self.ways.judge(passage) {
            Verdict::Pass => {}
            verdict => return verdict,
        }
        let (now, rng) = (self.now, &mut self.rng);
        let mut verdicts = self.rules.iter_mut().map(|rule| rule.judge(now, passage, rng));
        verdicts.find(|verdict| *verdict != Verdict::Pass).unwrap_or(Verdict::Pass)
    }

    fn deliver(&mut self, socket: Socket) -> Option<(usize, Socket, Arrival)> {
        let (pipe, parcels) = self.wires.way(socket)?;
        let parcel = parcels.pop(pipe)?;
        (pipe.lost, pipe.is_judged) = (0, false);
        if let Some((at, _)) = parcels.front(pipe) {
            self.queue.schedule(self.now, at.max(self.now), socket, pipe);
        }
        let to = pipe.to;
        let arrival = match parcel {
            Parcel::Bytes(bytes) => Arrival::Bytes(bytes, to.seat),
            Parcel::Opened => Arrival::Turn(Turn::Connected),
            Parcel::Writable => Arrival::Turn(Turn::Writable),
            Parcel::Open => {
                let from = pipe.from();
                self.open(socket, to.node()).then_some(Arrival::Turn(Turn::Accepted { from }))?
            }
            closing @ (Parcel::Refused | Parcel::Close | Parcel::Reset) => {
                let was_open = self.shut_or_keep(socket, &closing);
                self.wires.forget(socket);
                let turn = match closing {
                    Parcel::Refused => Turn::Refused,
                    Parcel::Close => Turn::Closed,
                    _ => Turn::Reset,
                };
                return was_open.then_some((to.node(), socket, Arrival::Turn(turn)));
            }
        };
        to.is_open.then_some((to.node(), socket, arrival))
    }

    /// A connection has arrived at a node; whether its process learns of it.
    fn open(&mut self, socket: Socket, node: usize) -> bool {
        let dialler = socket.other();
        match self.listening.get(node).copied().unwrap_or(Listening::No) {
            Listening::Yes => {
                self.send(dialler, Parcel::Opened);
                return true;
            }
            Listening::DyingUntil(end) if self.now < end => {
                self.wires.shut(socket);
                self.send(dialler, Parcel::Opened);
                self.send(dialler, Parcel::Reset);
            }
            Listening::DyingUntil(_) | Listening::No => {
                self.wires.shut(socket);
                self.counters.refused += 1;
                self.send(dialler, Parcel::Refused);
            }
        }
        false
    }

    /// What opens a connection arrives twice: the second link is nobody's, and nothing is ever said on it. Of anything else the
    /// receiver's system drops the copy.
    fn duplicate(&mut self, socket: Socket, passage: Passage) {
        self.counters.duplicated += 1;
        let way = self.wires.way(socket);
        if way.is_some_and(|(pipe, parcels)| matches!(parcels.front(pipe), Some((_, Parcel::Open)))) {
            let (from, to) = (End::new(passage.from, false), End::new(passage.to, true));
            let copy = self.wires.insert(self.now, from, to).other();
            self.send(copy, Parcel::Open);
        }
    }

    /// A closed link can still be written to; a reset one cannot. Whether the end was open.
    fn shut_or_keep(&mut self, socket: Socket, closing: &Parcel) -> bool {
        if matches!(closing, Parcel::Close) {
            return self.wires.pipe_mut(socket).is_some_and(|pipe| pipe.to.is_open);
        }
        self.wires.shut(socket)
    }

    /// Both ends of a link learn that it is broken; a connection that is not there yet is refused.
    fn reset(&mut self, end: Socket) {
        let (dialler, acceptor) = (end.dialler(), end.dialler().other());
        let Some((to_acceptor, parcels)) = self.wires.way(acceptor) else { return };
        if matches!(parcels.front(to_acceptor), Some((_, Parcel::Open))) {
            parcels.clear(to_acceptor);
            self.counters.refused += 1;
            self.wires.shut(acceptor);
            self.replace(dialler, Parcel::Refused);
        } else {
            self.counters.broken += 1;
            self.replace(dialler, Parcel::Reset);
            self.replace(acceptor, Parcel::Reset);
        }
    }

    /// Puts a parcel in the place of all that are on their way.
    fn replace(&mut self, to: Socket, parcel: Parcel) {
        let Some((pipe, parcels)) = self.wires.way(to) else { return };
        parcels.clear(pipe);
        parcels.push(pipe, self.now, parcel);
        pipe.is_judged = true;
        self.queue.schedule(self.now, self.now, to, pipe);
    }

    fn send(&mut self, to: Socket, parcel: Parcel) {
        let delay = self.delay.map_or(Duration::ZERO, |delay| delay.sample(&mut self.rng));
        let Some((pipe, parcels)) = self.wires.way(to) else { return };
        let at = (self.now + delay).max(pipe.last);
        pipe.last = at;
        parcels.push(pipe, at, parcel);
        self.queue.schedule(self.now, at, to, pipe);
    }
}

/// How many bytes each node has sent to each other.
#[derive(Debug)]
struct Traffic {
    nodes: usize,
    bytes: Vec<u64>,
}

impl Traffic {
    fn new(nodes: usize) -> Self {
        Self { nodes, bytes: vec![0; nodes * nodes] }
    }

    fn add(&mut self, from: usize, to: usize, bytes: usize) {
        if let Some(sum) = self.bytes.get_mut(from * self.nodes + to) {
            *sum += bytes as u64;
        }
    }
}
