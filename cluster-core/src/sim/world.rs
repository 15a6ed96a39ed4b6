//! The clock, and who acts at which moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cluster_transport::proto::endpoint::{Endpoint, EndpointSettings};
use cluster_transport::proto::lanes::LaneSettings;
use cluster_transport::proto::{Address, Incarnation, Instant, Lane, NodeId};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::clock::Drift;
use super::counters::Counters;
use super::host::{Host, Told};
use super::invariants::{self, Versions, Violation};
use super::model::Model;
use super::network::{Arrival, Listening, Network};
use super::process::Process;
use super::settings::SimSettings;
use super::tapes::Tapes;
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
    /// When its process is to be woken, as it stands in the timetable.
    due: Option<Instant>,
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
    timetable: BTreeSet<(Instant, usize)>,
    seed: u64,
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
            timetable: BTreeSet::new(),
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
        id.as_str().strip_prefix('n')?.parse().ok()
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
            let timer = self.timetable.first().map(|(at, _)| *at);
            let parcel = self.network.next_time();
            let Some(next) = timer.into_iter().chain(parcel).min().filter(|next| *next <= end) else { break };
            self.set_now(self.now.max(next));
            if parcel == Some(next) {
                if let Some((node, socket, arrival)) = self.network.advance() {
                    self.arrive(node, socket, arrival);
                }
            } else if let Some((_, node)) = self.timetable.first().copied() {
                self.trace.note(self.now, node, "wakes", &[]);
                self.act(node, |process, now, network| process.handle_timeout(now, network));
            }
        }
        self.set_now(end);
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
            slot.inbox.push_back((socket, arrival));
            return;
        }
        let bytes: &[u8] = if let Arrival::Bytes(bytes, _) = &arrival { bytes } else { &[] };
        let what = match &arrival {
            Arrival::Accepted { .. } => "accepts",
            Arrival::Connected => "is connected",
            Arrival::Refused => "is refused",
            Arrival::Bytes(..) => "reads",
            Arrival::Writable => "may write",
            Arrival::Closed => "reads the end of a link",
            Arrival::Reset => "reads a reset",
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
        for violation in process.host.violations.drain(..) {
            self.broken.push((node, violation));
        }
        let removed = std::mem::take(&mut process.host.removed);
        let has_left = slot.is_leaving && process.sessions.is_empty();
        self.plan(node);
        self.judge_removals(node, removed);
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
        let before = std::mem::replace(&mut slot.due, due);
        if due != before {
            if let Some(before) = before {
                self.timetable.remove(&(before, node));
            }
            if let Some(due) = due {
                self.timetable.insert((due, node));
            }
        }
    }
}

/// What can be read.
impl Sim {
    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The nodes whose processes run, stopped or not.
    pub fn running(&self) -> impl Iterator<Item = usize> {
        let runs = |(node, slot): (usize, &Slot)| slot.process.is_some().then_some(node);
        self.slots.iter().enumerate().filter_map(runs)
    }

    /// The engine of a node.
    ///
    /// # Panics
    /// When the node has no process.
    #[expect(clippy::panic, reason = "a test that asks for what is not there is wrong")]
    pub fn engine(&self, node: usize) -> &Engine {
        match self.process(node) {
            Some(process) => &process.engine,
            None => panic!("n{node} has no process"),
        }
    }

    /// The host of a node.
    ///
    /// # Panics
    /// When the node has no process.
    #[expect(clippy::panic, reason = "a test that asks for what is not there is wrong")]
    pub fn host(&self, node: usize) -> &Host {
        match self.process(node) {
            Some(process) => &process.host,
            None => panic!("n{node} has no process"),
        }
    }

    pub(super) fn process(&self, node: usize) -> Option<&Process> {
        self.slots.get(node)?.process.as_ref()
    }

    /// The truth about subscriptions.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What happened.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// How many bytes one node has sent to another.
    pub fn bytes_sent(&self, from: usize, to: usize) -> u64 {
        self.network.bytes_sent(from, to)
    }

    /// What the run really did.
    pub fn counters(&self) -> Counters {
        let mut counters = self.network.counters;
        for process in self.slots.iter().filter_map(|slot| slot.process.as_ref()) {
            counters.add_process(process);
        }
        counters
    }

    /// How many nodes are needed to be ready.
    pub fn minimum_nodes(&self) -> u32 {
        self.settings.minimum_nodes.get()
    }

    pub(super) fn owed(&self) -> &Owed {
        &self.owed
    }

    /// Whether discovery has answered a node.
    pub(super) fn has_discovered(&self, node: usize) -> bool {
        self.process(node).is_some_and(|process| process.discovered)
    }

    /// Whether the process of a node was told to drain.
    pub(super) fn drains(&self, node: usize) -> bool {
        self.process(node).is_some_and(|process| self.was_drained(process.engine.incarnation()))
    }

    /// Whether a process was told to drain, whose next lives have their nonce of it.
    pub(super) fn was_drained(&self, incarnation: Incarnation) -> bool {
        self.drained.contains(&incarnation.nonce)
    }

    pub(super) fn is_leaving(&self, node: usize) -> bool {
        self.slots.get(node).is_some_and(|slot| slot.is_leaving)
    }

    /// Whether there were two processes with this one's id at any time.
    pub(super) fn was_twinned(&self, node: usize) -> bool {
        self.twinned.contains(&node) || node >= self.settings.nodes
    }

    pub(super) fn life_of(&self, node: usize) -> Option<u64> {
        self.process(node).map(|process| process.life)
    }

    /// How many bytes each peer's lanes hold.
    pub(super) fn held_by_lanes(
        &self,
        node: usize,
    ) -> impl Iterator<Item = (&NodeId, Lane, usize, &LaneSettings)> {
        let lanes = self.process(node).into_iter().flat_map(|process| &process.lanes);
        lanes.flat_map(|(peer, lanes)| {
            Lane::ALL.into_iter().map(move |lane| (peer, lane, lanes.held(lane), lanes.settings()))
        })
    }

    /// How many tunnels end at a node, and how many it carries; none without a process.
    pub fn tunnels(&self, node: usize) -> (usize, usize) {
        self.process(node).map_or((0, 0), |process| process.tunnels.counts())
    }

    /// What each tunnel that ends at a node holds and was not read.
    pub(super) fn unread_in_tunnels(&self, node: usize) -> impl Iterator<Item = usize> {
        let tunnels = self.process(node).into_iter().flat_map(|process| process.tunnels.unread());
        tunnels.map(|(_, bytes)| bytes)
    }

    pub(super) fn has_nested_tunnel(&self, node: usize) -> bool {
        let nests =
            |process: &Process| process.tunnels.unread().any(|(leg, _)| process.is_tunnelled(leg.session));
        self.process(node).is_some_and(nests)
    }

    pub(super) fn first_violation(&self) -> Option<Violation> {
        self.broken.first().map(|(node, violation)| Violation::new(format!("n{node}: {violation}")))
    }
}
