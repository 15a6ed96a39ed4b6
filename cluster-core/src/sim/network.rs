//! The seeded network: byte links between hosts, each way ordered, with a delay, a bounded buffer and rules.
//!
//! A link behaves as TCP does: what is lost is sent again after 200 ms and then less and less often, in order; a host whose
//! process is stopped still accepts, and buffers what comes until its buffer is full.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cluster_transport::proto::Instant;
use rand::distr::{Distribution as _, Uniform};
use rand_chacha::ChaCha8Rng;

use super::counters::Counters;
use super::discovery::Discovery;
use super::rule::{Passage, Rule, Verdict, Way, Ways};
use super::sessions::Seat;
use super::wires::{End, Parcel, Pipe, Socket, Wire, Wires};

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
    Accepted {
        from: usize,
    },
    Connected,
    Refused,
    /// With the seat of the session that its end had when they came.
    Bytes(Bytes, Seat),
    /// The sending buffer has room again.
    Writable,
    Closed,
    Reset,
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
    /// Where little parcels are put together.
    block: BytesMut,
    /// For what a session writes at once: only what has to wait takes memory of its own.
    pub(super) spare: VecDeque<Bytes>,
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
            block: BytesMut::new(),
            spare: VecDeque::new(),
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
        let joins = |wire: &Wire| matches!(wire.ends.map(|end| end.node), [x, y] if (x, y) == (a, b) || (y, x) == (a, b));
        let ends: Vec<Socket> = self.wires.iter().filter(|(_, w)| joins(w)).map(|(end, _)| end).collect();
        for end in ends {
            self.reset(end);
        }
    }

    /// Begins a connection; the socket is the dialler's.
    pub(super) fn connect(&mut self, from: usize, to: usize) -> Socket {
        self.counters.dials += 1;
        let ends = [from, to].map(|node| End::new(node, true));
        let socket = self.wires.insert(Wire { ends, pipes: [Pipe::new(self.now), Pipe::new(self.now)] });
        self.send(socket.other(), Parcel::Open);
        socket
    }

    /// Writes if the buffer has room; if not, the process is told when it has.
    pub(super) fn offer(&mut self, socket: Socket, bytes: impl FnOnce(&mut BytesMut) -> Bytes) -> bool {
        if let Some(pipe) = self.wires.pipe_mut(socket.other())
            && pipe.unread >= SOCKET_BUFFER
        {
            self.counters.blocked += u64::from(!std::mem::replace(&mut pipe.is_blocked, true));
            return false;
        }
        let bytes = bytes(&mut self.block);
        self.write(socket, bytes);
        true
    }

    /// Where the session is that reads from a socket.
    pub(super) fn note_seat(&mut self, socket: Socket, seat: Seat) {
        if let Some(end) = self.wires.end_mut(socket) {
            end.seat = seat;
        }
    }

    pub(super) fn write(&mut self, socket: Socket, bytes: Bytes) {
        let to = socket.other();
        if let Some((from, end, pipe)) = self.wires.way(to) {
            self.traffic.add(from, end.node, bytes.len());
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
        let ends = |(end, wire): (Socket, &Wire)| {
            let side = wire.ends.iter().position(|end| end.node == node && end.is_open)?;
            Some(if side == 0 { end } else { end.other() })
        };
        for socket in self.wires.iter().filter_map(ends).collect::<Vec<_>>() {
            self.close(socket);
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
        let (from, to, pipe) = self.wires.way(socket)?;
        pipe.is_scheduled = false;
        let bytes = match pipe.front()? {
            (_, Parcel::Bytes(bytes)) => bytes.len(),
            _ => 0,
        };
        let has_law = !self.rules.is_empty() || !self.ways.0.is_empty();
        let is_judged = !has_law || pipe.is_judged || from == to.node;
        let passage = Passage { from, to: to.node, link: socket.link(), bytes };
        match if is_judged { Verdict::Pass } else { self.judge(passage) } {
            Verdict::Pass => self.deliver(socket, from, to),
            Verdict::Delay(span) => {
                self.counters.delayed += 1;
                let pipe = self.wires.pipe_mut(socket)?;
                pipe.is_judged = true;
                let due = pipe.front()?.0 + span;
                if due > self.now {
                    self.queue.schedule(due, socket, pipe);
                    return None;
                }
                self.deliver(socket, from, to)
            }
            Verdict::Duplicate => {
                self.duplicate(socket, from, to.node);
                self.deliver(socket, from, to)
            }
            Verdict::Drop => {
                self.counters.dropped += 1;
                let pipe = self.wires.pipe_mut(socket)?;
                let wait = RETRANSMIT.saturating_mul(1 << pipe.lost.min(8)).min(RETRANSMIT_CAP);
                pipe.lost += 1;
                self.queue.schedule(self.now + wait, socket, pipe);
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

    fn deliver(&mut self, socket: Socket, from: usize, to: End) -> Option<(usize, Socket, Arrival)> {
        let listening = self.listening.get(to.node).copied().unwrap_or(Listening::No);
        let pipe = self.wires.pipe_mut(socket)?;
        let parcel = pipe.pop()?;
        (pipe.lost, pipe.is_judged) = (0, false);
        if let Some((at, _)) = pipe.front() {
            let at = (*at).max(self.now);
            self.queue.schedule(at, socket, pipe);
        }
        let arrival = match parcel {
            Parcel::Open if listening == Listening::Yes => {
                self.send(socket.other(), Parcel::Opened);
                Arrival::Accepted { from }
            }
            Parcel::Open if matches!(listening, Listening::DyingUntil(end) if self.now < end) => {
                self.wires.shut(socket);
                self.send(socket.other(), Parcel::Opened);
                self.send(socket.other(), Parcel::Reset);
                return None;
            }
            Parcel::Open => {
                self.wires.shut(socket);
                self.counters.refused += 1;
                self.send(socket.other(), Parcel::Refused);
                return None;
            }
            Parcel::Opened => Arrival::Connected,
            Parcel::Bytes(bytes) => Arrival::Bytes(bytes, to.seat),
            Parcel::Writable => Arrival::Writable,
            closing @ (Parcel::Refused | Parcel::Close | Parcel::Reset) => {
                let was_open = self.shut_or_keep(socket, &closing);
                self.wires.forget(socket);
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

    /// What opens a connection arrives twice: the second link is nobody's, and nothing is ever said on it. Of anything else the
    /// receiver's system drops the copy.
    fn duplicate(&mut self, socket: Socket, from: usize, to: usize) {
        self.counters.duplicated += 1;
        let opens = |pipe: &mut Pipe| matches!(pipe.front(), Some((_, Parcel::Open)));
        if self.wires.pipe_mut(socket).is_some_and(opens) {
            let ends = [End::new(from, false), End::new(to, true)];
            let pipes = [Pipe::new(self.now), Pipe::new(self.now)];
            let copy = self.wires.insert(Wire { ends, pipes }).other();
            self.send(copy, Parcel::Open);
        }
    }

    /// A closed link can still be written to; a reset one cannot. Whether the end was open.
    fn shut_or_keep(&mut self, socket: Socket, closing: &Parcel) -> bool {
        if matches!(closing, Parcel::Close) {
            return self.wires.way(socket).is_some_and(|(_, end, _)| end.is_open);
        }
        self.wires.shut(socket)
    }

    /// Both ends of a link learn that it is broken; a connection that is not there yet is refused.
    fn reset(&mut self, end: Socket) {
        let (dialler, acceptor) = (end.dialler(), end.dialler().other());
        let Some(to_acceptor) = self.wires.pipe_mut(acceptor) else { return };
        if matches!(to_acceptor.front(), Some((_, Parcel::Open))) {
            to_acceptor.clear();
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
        let Some(pipe) = self.wires.pipe_mut(to) else { return };
        pipe.clear();
        pipe.push(self.now, parcel);
        pipe.is_judged = true;
        self.queue.schedule(self.now, to, pipe);
    }

    fn send(&mut self, to: Socket, parcel: Parcel) {
        let delay = self.delay.map_or(Duration::ZERO, |delay| delay.sample(&mut self.rng));
        let Some(pipe) = self.wires.pipe_mut(to) else { return };
        let at = (self.now + delay).max(pipe.last);
        pipe.last = at;
        pipe.push(at, parcel);
        self.queue.schedule(at, to, pipe);
    }
}

/// The first parcel of each pipe, by its time; of those with the same, the one that was scheduled first.
#[derive(Debug, Default)]
struct Queue {
    heap: BinaryHeap<Reverse<(Instant, u64, Socket)>>,
    sequence: u64,
}

impl Queue {
    fn next_time(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    fn pop(&mut self) -> Option<Socket> {
        self.heap.pop().map(|Reverse((_, _, socket))| socket)
    }

    /// Has the first parcel of a pipe arrive then, if that is not planned already.
    fn schedule(&mut self, at: Instant, socket: Socket, pipe: &mut Pipe) {
        if !std::mem::replace(&mut pipe.is_scheduled, true) {
            self.sequence += 1;
            self.heap.push(Reverse((at, self.sequence, socket)));
        }
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
