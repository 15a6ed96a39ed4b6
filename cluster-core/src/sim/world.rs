//! The clock, and who acts at which moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cluster_transport::proto::endpoint::{Endpoint, EndpointSettings};
use cluster_transport::proto::{Address, Incarnation, Instant, NodeId};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::clock::Drift;
use super::host::Told;
use super::invariants::{self, Versions, Violation};
use super::model::Model;
use super::network::{Arrival, Listening, Network, Turn};
use super::process::Process;
use super::settings::SimSettings;
use super::tapes::Tapes;
use super::timetable::Timetable;
use super::trace::Trace;
use super::wires::Socket;
use crate::engine::members::{Discovery, MembersSettings};
use crate::engine::registers::StoreUse;
use crate::engine::{Engine, EngineSettings};

/// How often [`Sim::run_until`] looks.
const LOOK: Duration = Duration::from_millis(100);
/// For each so many nodes, [`Sim::run_until_calm`] looks at all pairs of them with one look more between.
const LOOK_NODES: usize = 32;

/// A host of the network, with or without a process.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) process: Option<Process>,
    pub(super) lives: u64,
    pub(super) is_stopped: bool,
    pub(super) is_leaving: bool,
    /// How far the host's wall clock was set back.
    pub(super) clock_behind: Duration,
    /// How many microseconds its clock gains in a second.
    pub(super) drift: i32,
    /// How long its host is busy with what it has taken.
    pub(super) host_lag: Duration,
    /// How much of each second its process gets, while it is starved.
    pub(super) starved: Option<Duration>,
    /// When its process was last stopped, or went on, or started.
    pub(super) disturbed: Instant,
    /// Whose id its process bears, if it is another node's.
    pub(super) twin_of: Option<usize>,
    /// What waits for a process that is stopped.
    pub(super) inbox: VecDeque<(Socket, Arrival)>,
}

impl Slot {
    /// Whether there is a process that acts for clients.
    pub(super) fn serves(&self) -> bool {
        self.process.is_some() && !self.is_stopped && !self.is_leaving
    }
}

/// What is owed, by publishing and receiving process.
pub(super) type Owed = BTreeMap<((usize, u64), (usize, u64)), Debt>;

/// Notifications that were handed to lanes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Debt {
    pub(super) count: u64,
    /// What the receiver's host had been told of this publisher before: at first contact it is told of the past.
    pub(super) told_before: Told,
}

/// A cluster in virtual time.
#[derive(Debug)]
pub struct Sim {
    pub(super) now: Instant,
    pub(super) rng: ChaCha8Rng,
    pub(super) settings: SimSettings,
    pub(super) slots: Vec<Slot>,
    pub(super) network: Network,
    pub(super) model: Model,
    pub(super) owed: Owed,
    pub(super) trace: Trace,
    pub(super) broken: Vec<(usize, Violation)>,
    /// The nonces of the processes that were told to drain.
    pub(super) drained: BTreeSet<u64>,
    /// Nodes of whose id there were two processes at once: nobody can say what was owed to which.
    pub(super) twinned: BTreeSet<usize>,
    pub(super) tapes: Tapes,
    versions: Versions,
    timetable: Timetable,
    pub(super) seed: u64,
}

impl Sim {
    /// What the wall clocks of all hosts show at the origin.
    const WALL_CLOCK: Duration = Duration::from_secs(1_000_000);

    /// Starts the nodes that are to run at the beginning.
    pub fn new(settings: SimSettings, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let now = Instant::ORIGIN + Duration::from_secs(1);
        // One host more than there are nodes, for a second process of one of them.
        let hosts = settings.nodes + 1;
        let mut network = Network::new(now, ChaCha8Rng::from_rng(&mut rng), hosts, settings.delay.clone());
        network.discovery.hosts = settings.nodes;
        let mut sim = Self {
            now,
            rng,
            slots: (0..hosts).map(|_| Slot::default()).collect(),
            network,
            model: Model::default(),
            owed: Owed::new(),
            trace: Trace::default(),
            broken: Vec::new(),
            drained: BTreeSet::new(),
            twinned: BTreeSet::new(),
            tapes: Tapes::default(),
            versions: Versions::default(),
            timetable: Timetable::new(hosts),
            seed,
            settings,
        };
        for node in 0..sim.settings.started {
            sim.start(node);
        }
        sim
    }

    /// Keeps a line of text for each happening from now on.
    pub fn keep_lines(&mut self) {
        self.trace.keep_lines();
    }

    /// The id of a node.
    pub fn id(node: usize) -> NodeId {
        match format!("n{node}").parse() {
            Ok(id) => id,
            Err(_) => unreachable!("a letter and digits are a label"),
        }
    }

    /// The number that a node has by its id.
    pub(super) fn number_in(id: &NodeId) -> Option<usize> {
        let digits = id.as_str().as_bytes().strip_prefix(b"n").filter(|digits| !digits.is_empty())?;
        let value = |digit: u8| digit.is_ascii_digit().then(|| usize::from(digit - b'0'));
        digits.iter().try_fold(0_usize, |number, digit| number.checked_mul(10)?.checked_add(value(*digit)?))
    }

    /// The address of a node.
    pub fn address(node: usize) -> Address {
        super::discovery::address(&format!("n{node}"))
    }

    /// Starts a process on a host that has none; whether it had none. It asks discovery for the others.
    pub fn start(&mut self, node: usize) -> bool {
        node < self.settings.nodes && self.start_process(node)
    }

    pub(super) fn start_process(&mut self, node: usize) -> bool {
        let life = match self.slots.get_mut(node) {
            Some(slot) if slot.process.is_none() => {
                slot.lives += 1;
                slot.is_leaving = false;
                slot.lives
            }
            _ => return false,
        };
        let Some(process) = self.make_process(node, life) else { return false };
        self.trace.note(self.now, node, "starts", &[]);
        self.disturb(node);
        if let Some(slot) = self.slots.get_mut(node) {
            slot.process = Some(process);
        }
        self.network.set_listening(node, Listening::Yes);
        self.act(node, |process, now, network| process.handle_timeout(now, network));
        true
    }

    fn make_process(&mut self, node: usize, life: u64) -> Option<Process> {
        let slot = self.slots.get(node)?;
        let id = Self::id(slot.twin_of.unwrap_or(node));
        let (behind, clock, lag) = (slot.clock_behind, Drift::new(self.now, slot.drift), slot.host_lag);
        let wall = Self::WALL_CLOCK + self.now.since_origin() - behind.min(Self::WALL_CLOCK);
        let epoch = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        let incarnation = Incarnation { epoch, nonce: self.rng.random() };
        let members = MembersSettings::builder(id.clone(), incarnation)
            .minimum_nodes(self.settings.minimum_nodes)
            .heartbeat(self.settings.heartbeat)
            .discovery(Discovery::Configured)
            .build()
            .ok()?;
        let limits = self.settings.limits;
        let settings =
            EngineSettings { node: id.clone(), incarnation, members, limits, store: StoreUse::Absent };
        let seed = self.rng.random();
        let mut engine = Engine::new(settings.clone(), self.now, seed);
        if self.settings.taped {
            self.tapes.tape(&mut engine, &settings, self.now, seed);
        }
        let settings = EndpointSettings::builder("simulated".parse().ok()?, id, incarnation)
            .advertised([Self::address(node)])
            .lanes(self.settings.lanes.clone())
            .build()
            .ok()?;
        let endpoint = Endpoint::new(settings, self.rng.random());
        let mut process = Process::new(node, life, clock, engine, endpoint);
        process.desk.lag = lag;
        Some(process)
    }

    /// Something befell a host that excuses others, and it, for a while.
    pub(super) fn disturb(&mut self, node: usize) {
        if let Some(slot) = self.slots.get_mut(node) {
            slot.disturbed = self.now;
        }
    }

    /// Lets this much time pass.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let timer = self.timetable.first().filter(|(at, _)| *at <= end);
            let parcel = self.network.next_time().filter(|at| *at <= end);
            match (parcel, timer) {
                (Some(at), timer) if timer.is_none_or(|(timer, _)| at <= timer) => {
                    self.set_now(self.now.max(at));
                    if let Some((node, socket, arrival)) = self.network.advance() {
                        self.arrive(node, socket, arrival);
                    }
                }
                (_, Some((at, node))) => {
                    self.set_now(self.now.max(at));
                    self.wake(node);
                }
                _ => break,
            }
        }
        self.set_now(end);
    }

    fn wake(&mut self, node: usize) {
        self.trace.note(self.now, node, "wakes", &[]);
        self.act(node, |process, now, network| process.handle_timeout(now, network));
    }

    fn set_now(&mut self, now: Instant) {
        self.now = now;
        self.network.now = now;
    }

    /// Lets time pass until a condition holds; whether it does within this time.
    pub fn run_until(&mut self, limit: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while !holds(self) {
            if self.now >= end {
                return false;
            }
            self.run_for(LOOK.min(end.since(self.now)));
        }
        true
    }

    /// Lets time pass until all invariants hold that are to hold after calm.
    ///
    /// # Errors
    /// The one that does not after this time, or one that is never to be broken.
    pub fn run_until_calm(&mut self, limit: Duration) -> Result<(), Violation> {
        // What two nodes think of each other and what waits between them takes a look at each pair. In a larger cluster that is taken less
        // often, and calm is seen a little later.
        let every = (self.settings.nodes / LOOK_NODES).max(1);
        let mut looks = 0_usize;
        self.run_until(limit, |sim| {
            looks += 1;
            match looks.is_multiple_of(every) {
                true => invariants::always(sim).is_err() || invariants::settled(sim).is_ok(),
                false => invariants::of_each_node(sim).is_err(),
            }
        });
        invariants::after_calm(self)
    }

    fn arrive(&mut self, node: usize, socket: Socket, arrival: Arrival) {
        let Some(slot) = self.slots.get_mut(node) else { return };
        if slot.is_stopped {
            slot.inbox.push_back((socket, arrival.into_waiting()));
            return;
        }
        let (what, bytes): (_, &[u8]) = match &arrival {
            Arrival::Bytes(bytes, _) => ("reads", bytes),
            Arrival::Turn(Turn::Accepted { .. }) => ("accepts", &[]),
            Arrival::Turn(Turn::Connected) => ("is connected", &[]),
            Arrival::Turn(Turn::Refused) => ("is refused", &[]),
            Arrival::Turn(Turn::Writable) => ("may write", &[]),
            Arrival::Turn(Turn::Closed) => ("reads the end of a link", &[]),
            Arrival::Turn(Turn::Reset) => ("reads a reset", &[]),
        };
        self.trace.note(self.now, node, what, bytes);
        self.act(node, |process, now, network| process.handle_arrival(now, socket, arrival, network));
    }

    /// Has a process do something, and everything that follows. Nothing without a process that runs.
    pub(super) fn act<T>(
        &mut self,
        node: usize,
        act: impl FnOnce(&mut Process, Instant, &mut Network) -> T,
    ) -> Option<T> {
        let slot = self.slots.get_mut(node).filter(|slot| !slot.is_stopped)?;
        let process = slot.process.as_mut()?;
        let now = process.clock.shows(self.now);
        let result = act(process, now, &mut self.network);
        process.settle(now, &mut self.network);
        let has_left = slot.is_leaving && process.sessions.is_empty();
        let has_news = process.host.has_news();
        self.plan(node);
        if has_news {
            self.judge(node);
        }
        if has_left {
            self.end_process(node);
        }
        Some(result)
    }

    /// Looks at everything that is to hold at any moment, and notes what is to hold from this moment to the next.
    ///
    /// # Errors
    /// The first promise that is broken.
    pub fn observe(&mut self) -> Result<(), Violation> {
        let mut versions = std::mem::take(&mut self.versions);
        let seen = versions.observe(self);
        self.versions = versions;
        invariants::always(self).and(seen)
    }

    /// As [`act`](Self::act), for a client: nothing either when the process is leaving.
    pub(super) fn serve<T>(
        &mut self,
        node: usize,
        act: impl FnOnce(&mut Process, Instant, &mut Network) -> T,
    ) -> Option<T> {
        self.slots.get(node).filter(|slot| slot.serves())?;
        self.act(node, act)
    }

    /// Puts the next deadline of a process into the timetable.
    pub(super) fn plan(&mut self, node: usize) {
        let Some(slot) = self.slots.get_mut(node) else { return };
        let due = |process: &mut Process| {
            let due = process.poll_timeout()?;
            Some(process.clock.reaches(due))
        };
        let due = slot.process.as_mut().filter(|_| !slot.is_stopped).and_then(due);
        self.timetable.set(node, due);
    }
}
