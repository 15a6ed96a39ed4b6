//! Several nodes in one virtual time, with links that lose everything, or refuse, or end.

use rand::RngExt as _;

use super::*;

const SEEDS: std::ops::Range<u64> = 0..20;
/// How often a node dials targets that it has no session with.
const DIAL_EVERY: u64 = 1_000;
const CONNECT_TIMEOUT: u64 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Open,
    /// Swallows everything.
    Silent,
    /// Refuses connections, and has ended those that were.
    Refusing,
}

enum Happening {
    Bytes { to: usize, from: usize, session: SessionId, message: Bytes },
    Up { at: usize, peer: usize, session: SessionId, from: usize },
    Down { at: usize, peer: usize, session: SessionId, cause: DownCause },
    Outcome { at: usize, to: usize, outcome: DialOutcome },
    State { at: usize, owner: usize },
    DialRound { at: usize },
}

struct Peer {
    members: Members,
    events: Vec<(u64, MemberEvent)>,
    targets: BTreeSet<Address>,
    sessions: BTreeMap<usize, SessionId>,
    stopped: Option<u64>,
    dead: bool,
}

struct Mesh {
    peers: Vec<Peer>,
    now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    links: BTreeMap<(usize, usize), Link>,
    rng: ChaCha8Rng,
    sequence: u64,
    seed: u64,
}

fn name(i: usize) -> String {
    format!("n{i}")
}

fn own_row(i: usize) -> StateRow {
    StateRow { owner: node(&name(i)), incarnation: life(1), version: 1, hash: 1 }
}

impl Mesh {
    /// Nodes that know the first one's address alone.
    fn new(count: usize, minimum: u32, seed: u64) -> Self {
        let peer = |i: usize| {
            let settings = MembersSettings::builder(node(&name(i)), life(1))
                .minimum_nodes(NonZeroU32::new(minimum).unwrap())
                .discovery(Discovery::Configured)
                .build()
                .unwrap();
            let rng = ChaCha8Rng::seed_from_u64(seed * 1_000 + i as u64);
            let mut members = Members::new(settings, at(0), rng);
            members.handle_state(at(0), own_row(i));
            members.handle_discovered(at(0), "seeds", Ok(&[address(&name(0))]));
            let (targets, sessions) = (BTreeSet::new(), BTreeMap::new());
            Peer { members, events: Vec::new(), targets, sessions, stopped: None, dead: false }
        };
        let mut mesh = Self {
            peers: (0..count).map(peer).collect(),
            now: 0,
            queue: BTreeMap::new(),
            links: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            sequence: 0,
            seed,
        };
        for i in 0..count {
            mesh.after(i as u64, Happening::DialRound { at: i });
            mesh.drain(i);
        }
        mesh
    }

    /// A mesh that is formed, at ten seconds.
    fn formed(count: usize, minimum: u32, seed: u64) -> Self {
        let mut mesh = Self::new(count, minimum, seed);
        mesh.run_to(10_000);
        mesh.assert_whole();
        mesh.peers.iter_mut().for_each(|peer| peer.events.clear());
        mesh
    }

    fn after(&mut self, ms: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + ms, self.sequence), happening);
    }

    fn latency(&mut self) -> u64 {
        self.rng.random_range(1..20)
    }

    fn link(&self, a: usize, b: usize) -> Link {
        *self.links.get(&(a.min(b), a.max(b))).unwrap_or(&Link::Open)
    }

    fn set_link(&mut self, a: usize, b: usize, link: Link) {
        self.links.insert((a.min(b), a.max(b)), link);
        if link == Link::Refusing {
            self.end(a, b);
            self.end(b, a);
        }
    }

    /// Tells a node that its session with another has ended.
    fn end(&mut self, at: usize, peer: usize) {
        if let Some(session) = self.peers[at].sessions.remove(&peer) {
            let latency = self.latency();
            self.after(latency, Happening::Down { at, peer, session, cause: DownCause::Eof });
        }
    }

    fn kill(&mut self, i: usize) {
        self.peers[i].dead = true;
        for other in 0..self.peers.len() {
            self.end(other, i);
        }
    }

    fn stop(&mut self, i: usize, ms: u64) {
        self.peers[i].stopped = Some(self.now + ms);
    }

    fn is_running(&self, i: usize) -> bool {
        !self.peers[i].dead && self.peers[i].stopped.is_none_or(|until| until <= self.now)
    }

    fn run_to(&mut self, end: u64) {
        while self.now < end {
            let timer = |(i, peer): (usize, &Peer)| {
                let due = peer.members.poll_timeout()?.since(at(0)).as_nanos().div_ceil(1_000_000);
                let due = u64::try_from(due).ok()?.max(peer.stopped.unwrap_or(0));
                (!peer.dead).then_some((due, i))
            };
            let timer = self.peers.iter().enumerate().filter_map(timer).min();
            let queued = self.queue.keys().next().map(|(ms, _)| *ms);
            match (timer, queued) {
                (Some((due, i)), queued) if due <= end && queued.is_none_or(|ms| due < ms) => {
                    self.now = self.now.max(due);
                    self.peers[i].members.handle_timeout(at(self.now));
                    self.drain(i);
                }
                (_, Some(ms)) if ms <= end => {
                    self.now = self.now.max(ms);
                    if let Some((_, happening)) = self.queue.pop_first() {
                        self.happen(happening);
                    }
                }
                _ => self.now = end,
            }
        }
    }

    /// Lets something happen at a node, or later if that node is stopped.
    fn happen(&mut self, happening: Happening) {
        let i = match &happening {
            Happening::Bytes { to, .. } => *to,
            Happening::Up { at, .. }
            | Happening::Down { at, .. }
            | Happening::Outcome { at, .. }
            | Happening::State { at, .. }
            | Happening::DialRound { at } => *at,
        };
        if self.peers[i].dead {
            return;
        }
        if !self.is_running(i) {
            let wait = self.peers[i].stopped.unwrap_or(0) - self.now;
            return self.after(wait, happening);
        }
        let now = at(self.now);
        match happening {
            Happening::Bytes { from, session, message, .. } => {
                let (members, from) = (&mut self.peers[i].members, node(&name(from)));
                members.handle_heard(now, &from, session);
                assert_eq!(hear(members, now, &from, session, &message), Ok(()));
            }
            Happening::Up { peer, session, from, .. } => self.establish(i, peer, session, from),
            Happening::Down { peer, session, cause, .. } => {
                self.peers[i].members.handle_session_down(now, &node(&name(peer)), session, cause);
            }
            Happening::Outcome { to, outcome, .. } => {
                self.peers[i].members.handle_dial_outcome(now, &address(&name(to)), &outcome);
            }
            Happening::State { owner, .. } => self.peers[i].members.handle_state(now, own_row(owner)),
            Happening::DialRound { .. } => {
                let targets: Vec<Address> = self.peers[i].targets.iter().cloned().collect();
                for target in targets {
                    self.dial(i, &target);
                }
                self.after(DIAL_EVERY, Happening::DialRound { at: i });
            }
        }
        self.drain(i);
    }

    fn establish(&mut self, i: usize, peer: usize, session: SessionId, dialler: usize) {
        let now = at(self.now);
        self.peers[i].sessions.insert(peer, session);
        let addresses = vec![address(&name(peer))];
        let dialled = (dialler == i).then(|| address(&name(peer)));
        let up = SessionUp { node: node(&name(peer)), incarnation: life(1), session, addresses, dialled };
        self.peers[i].members.handle_session_up(now, up);
        let claims = Claims { version: 1, ..Claims::default() };
        self.peers[i].members.handle_greeting(now, &node(&name(peer)), &claims);
        let latency = self.latency();
        self.after(latency * 2, Happening::State { at: i, owner: peer });
    }

    fn dial(&mut self, i: usize, target: &Address) {
        let Some(to) = (0..self.peers.len()).find(|j| address(&name(*j)) == *target) else { return };
        self.peers[i].members.handle_dial_started(at(self.now), target);
        let latency = self.latency();
        let outcome = match self.link(i, to) {
            _ if to == i => DialOutcome::Myself,
            Link::Silent => {
                return self.after(
                    CONNECT_TIMEOUT,
                    Happening::Outcome { at: i, to, outcome: DialOutcome::NoAnswer },
                );
            }
            Link::Refusing => DialOutcome::ConnectionRefused,
            Link::Open if self.peers[to].dead => DialOutcome::ConnectionRefused,
            Link::Open if !self.is_running(to) => {
                self.peers[i].members.handle_dial_connected(at(self.now), target);
                let outcome = DialOutcome::NoWelcome;
                return self.after(CONNECT_TIMEOUT, Happening::Outcome { at: i, to, outcome });
            }
            Link::Open => {
                let both = (self.peers[i].sessions.get(&to), self.peers[to].sessions.get(&i));
                if matches!(both, (Some(ours), Some(theirs)) if ours == theirs) {
                    DialOutcome::Alias { node: node(&name(to)) }
                } else {
                    let session = SessionId(self.rng.random());
                    self.peers[i].sessions.insert(to, session);
                    self.peers[to].sessions.insert(i, session);
                    self.after(latency, Happening::Up { at: to, peer: i, session, from: i });
                    self.after(latency, Happening::Up { at: i, peer: to, session, from: i });
                    DialOutcome::Session { node: node(&name(to)) }
                }
            }
        };
        self.after(latency, Happening::Outcome { at: i, to, outcome });
    }

    fn drain(&mut self, i: usize) {
        while let Some((to, message)) = self.peers[i].members.poll_control() {
            let Some(to) = (0..self.peers.len()).find(|j| node(&name(*j)) == to) else { continue };
            let session = self.peers[i].sessions.get(&to).copied();
            if let (Some(session), Link::Open) = (session, self.link(i, to)) {
                // One fixed latency, since a lane keeps its order.
                self.after(5, Happening::Bytes { to, from: i, session, message });
            }
        }
        while let Some(action) = self.peers[i].members.poll_action() {
            match action {
                Action::AddTarget(address) => {
                    self.peers[i].targets.insert(address);
                }
                Action::RemoveTarget(address) => {
                    self.peers[i].targets.remove(&address);
                }
                Action::ProbeNow(address) => self.dial(i, &address),
                Action::CloseSession { node: peer, session, .. } => {
                    let Some(peer) = (0..self.peers.len()).find(|j| node(&name(*j)) == peer) else {
                        continue;
                    };
                    if self.peers[i].sessions.get(&peer) == Some(&session) {
                        self.peers[i].sessions.remove(&peer);
                    }
                    if self.link(i, peer) == Link::Open && self.peers[peer].sessions.get(&i) == Some(&session)
                    {
                        self.end(peer, i);
                    }
                }
            }
        }
        while let Some(event) = self.peers[i].members.poll_event() {
            let now = self.now;
            self.peers[i].events.push((now, event));
        }
    }

    /// All live nodes have all live nodes in session, agree and are ready.
    fn assert_whole(&self) {
        let live: Vec<usize> = (0..self.peers.len()).filter(|i| !self.peers[*i].dead).collect();
        for &i in &live {
            let members = &self.peers[i].members;
            let known: Vec<&NodeId> = members.members().map(|(node, _)| node).collect();
            let mut expected: Vec<NodeId> =
                live.iter().filter(|j| **j != i).map(|j| node(&name(*j))).collect();
            expected.sort();
            assert_eq!(known, expected.iter().collect::<Vec<_>>(), "seed {}: members of n{i}", self.seed);
            assert_eq!(members.reasons(), [], "seed {}: reasons of n{i}", self.seed);
            assert!(members.is_converged(), "seed {}: n{i} does not agree", self.seed);
        }
    }

    /// When and why this node removed others.
    fn removals(&self, i: usize) -> Vec<(u64, NodeId, RemovalReason)> {
        let removal = |(at, event): &(u64, MemberEvent)| match event {
            MemberEvent::Removed { node, why, .. } => Some((*at, node.clone(), why.clone())),
            _ => None,
        };
        self.peers[i].events.iter().filter_map(removal).collect()
    }

    fn assert_no_removals(&self) {
        for i in 0..self.peers.len() {
            assert_eq!(self.removals(i), [], "seed {}: removals of n{i}", self.seed);
        }
    }
}

#[test]
fn nodes_that_know_one_seed_find_each_other_and_agree() {
    for seed in SEEDS {
        let mut mesh = Mesh::new(7, 4, seed);
        mesh.run_to(4_000);
        mesh.assert_whole();
        mesh.assert_no_removals();
    }
}

#[test]
fn a_killed_node_is_gone_everywhere_within_half_a_second_and_no_other_is() {
    for seed in SEEDS {
        let mut mesh = Mesh::formed(6, 3, seed);
        mesh.kill(2);
        mesh.run_to(10_500);
        for i in [0, 1, 3, 4, 5] {
            let gone: Vec<_> = mesh.removals(i).into_iter().map(|(_, node, why)| (node, why)).collect();
            assert_eq!(gone, [(node("n2"), RemovalReason::Refused)], "seed {seed}: n{i}");
        }
        mesh.run_to(15_000);
        mesh.assert_whole();
    }
}

#[test]
fn half_of_the_nodes_killed_at_once_are_gone_and_nobody_doubts_itself() {
    for seed in SEEDS {
        let mut mesh = Mesh::formed(8, 3, seed);
        (4..8).for_each(|i| mesh.kill(i));
        mesh.run_to(10_500);
        for i in 0..4 {
            let unsure = |event: &(u64, MemberEvent)| matches!(event.1, MemberEvent::SelfDoubt { .. });
            assert_eq!(mesh.removals(i).len(), 4, "seed {seed}: n{i}");
            assert!(!mesh.peers[i].events.iter().any(unsure), "seed {seed}: n{i}");
            assert!(mesh.peers[i].members.is_ready(), "seed {seed}: n{i}");
        }
    }
}

#[test]
fn a_silent_split_is_judged_by_the_majority_at_once_by_the_minority_late_and_heals_by_itself() {
    for seed in SEEDS {
        let mut mesh = Mesh::formed(10, 6, seed);
        for (minority, majority) in (0..3).flat_map(|a| (3..10).map(move |b| (a, b))) {
            mesh.set_link(minority, majority, Link::Silent);
        }
        mesh.run_to(13_000);
        for i in 0..3 {
            assert_eq!(mesh.removals(i), [], "seed {seed}: n{i}");
            assert_eq!(mesh.peers[i].members.reasons(), [Reason::SelfDoubt], "seed {seed}: n{i}");
        }
        for i in 3..10 {
            assert_eq!(mesh.removals(i).len(), 3, "seed {seed}: n{i}");
            assert!(mesh.peers[i].members.is_ready(), "seed {seed}: n{i}");
        }
        mesh.run_to(24_000);
        for i in 0..3 {
            assert_eq!(mesh.removals(i).len(), 7, "seed {seed}: n{i}");
            let quorum = Reason::Quorum { nodes: 3, minimum: 6 };
            assert_eq!(mesh.peers[i].members.reasons(), [quorum], "seed {seed}: n{i}");
        }
        mesh.links.clear();
        mesh.run_to(30_000);
        mesh.assert_whole();
    }
}

#[test]
fn a_pair_that_cannot_reach_each_other_is_kept_by_the_word_of_the_others() {
    for (seed, link) in SEEDS.flat_map(|seed| [(seed, Link::Silent), (seed, Link::Refusing)]) {
        let mut mesh = Mesh::formed(5, 3, seed);
        mesh.set_link(1, 2, link);
        mesh.run_to(19_000);
        mesh.assert_no_removals();
        assert!(mesh.peers.iter().all(|peer| peer.members.is_ready()), "seed {seed}, {link:?}");
        mesh.set_link(1, 2, Link::Open);
        mesh.run_to(26_000);
        mesh.assert_no_removals();
        mesh.assert_whole();
    }
}

#[test]
fn a_stopped_process_is_kept_and_is_ready_again_once_it_caught_up() {
    for seed in SEEDS {
        let mut mesh = Mesh::formed(5, 3, seed);
        mesh.stop(2, 10_000);
        mesh.run_to(25_000);
        mesh.assert_no_removals();
        mesh.assert_whole();
        let readiness: Vec<bool> = mesh.peers[2]
            .events
            .iter()
            .filter_map(|(_, event)| match event {
                MemberEvent::Ready => Some(true),
                MemberEvent::NotReady { .. } => Some(false),
                _ => None,
            })
            .collect();
        assert_eq!(readiness, [false, true], "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let history = |seed| {
        let mut mesh = Mesh::formed(6, 3, seed);
        mesh.kill(1);
        mesh.set_link(2, 3, Link::Silent);
        mesh.run_to(30_000);
        mesh.peers.into_iter().map(|peer| peer.events).collect::<Vec<_>>()
    };
    assert_eq!(history(4), history(4));
}
