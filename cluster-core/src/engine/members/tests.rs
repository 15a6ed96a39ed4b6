//! One node in virtual time among peers that the test plays.

mod doubts;
mod laws;
mod lives;
mod mesh;
mod protocol_md;
mod readiness;
mod talk;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use cluster_transport::proto::{Address, Incarnation};
use rand::SeedableRng as _;

use super::wire::{Heard, Message, Opinion, Pong, is_heartbeat};
use super::*;
use crate::engine::input::{DialOutcome, DownCause, SessionUp};
use crate::engine::wire::PeerFault;

fn at(ms: u64) -> Instant {
    Instant::after_origin(Duration::from_millis(ms))
}

fn node(text: &str) -> NodeId {
    text.parse().unwrap()
}

fn life(epoch: u64) -> Incarnation {
    Incarnation { epoch, nonce: 0 }
}

/// The address of a node: its name and a port.
fn address(name: &str) -> Address {
    format!("{name}:7511").parse().unwrap()
}

fn settings(minimum: u32, discovery: Discovery) -> MembersSettings {
    let minimum = NonZeroU32::new(minimum).unwrap();
    MembersSettings::builder(node("me"), life(1)).minimum_nodes(minimum).discovery(discovery).build().unwrap()
}

/// Hands a control message to a node as its engine does.
fn hear(
    members: &mut Members,
    now: Instant,
    from: &NodeId,
    session: SessionId,
    message: &[u8],
) -> Result<(), PeerFault> {
    if is_heartbeat(message) {
        return members.handle_heartbeat(now, from, session, message).map(drop);
    }
    members.handle_control(now, from, message)
}

/// How an address answers a probe.
#[derive(Clone, Debug)]
enum Answer {
    At(u64, DialOutcome),
    ConnectsAndIsSilent,
}

/// A node, what it did, and the peers that go on by themselves.
struct World {
    members: Members,
    now: u64,
    /// Peers that send bytes every 100 ms.
    talking: BTreeMap<NodeId, SessionId>,
    /// What a peer answers to questions about others; who is not named does not answer.
    opinions: BTreeMap<NodeId, Heard>,
    /// What becomes of probes, and after how many milliseconds.
    answers: BTreeMap<Address, Answer>,
    dials: Vec<(u64, Address, DialOutcome)>,
    events: Vec<(u64, MemberEvent)>,
    actions: Vec<Action>,
    sent: Vec<(NodeId, Message)>,
}

impl World {
    fn new(settings: MembersSettings) -> Self {
        let members = Members::new(settings, at(0), ChaCha8Rng::seed_from_u64(7));
        let mut world = Self {
            members,
            now: 0,
            talking: BTreeMap::new(),
            opinions: BTreeMap::new(),
            answers: BTreeMap::new(),
            dials: Vec::new(),
            events: Vec::new(),
            actions: Vec::new(),
            sent: Vec::new(),
        };
        world.drain();
        world
    }

    /// A world of a node that is ready with these peers, each talking, at one second.
    fn with_peers(names: &[&str]) -> Self {
        let mut world = Self::new(settings(1, Discovery::Absent));
        for name in names {
            world.up(name, 1);
        }
        world.run_to(1_000);
        world.clear();
        assert!(world.members.is_ready());
        world
    }

    /// A session, caught up with at once, whose peer talks.
    fn up(&mut self, name: &str, epoch: u64) -> SessionId {
        let session = self.up_behind(name, epoch, 0);
        self.talking.insert(node(name), session);
        session
    }

    /// A session whose peer has this version of its own state.
    fn up_behind(&mut self, name: &str, epoch: u64, version: u64) -> SessionId {
        let session = SessionId(epoch * 1_000 + self.now);
        let up = SessionUp {
            node: node(name),
            incarnation: life(epoch),
            session,
            addresses: vec![address(name)],
            dialled: None,
        };
        self.members.handle_session_up(at(self.now), up);
        let claims = Claims { version, ready: true, ..Claims::default() };
        self.members.handle_greeting(at(self.now), &node(name), &claims);
        self.drain();
        session
    }

    fn down(&mut self, name: &str, cause: DownCause) {
        let session = self.members.session_of(&node(name)).unwrap();
        self.talking.remove(&node(name));
        self.members.handle_session_down(at(self.now), &node(name), session, cause);
        self.drain();
    }

    /// The peer's bytes do not come any more.
    fn silence(&mut self, name: &str) {
        self.talking.remove(&node(name));
    }

    fn probes_give(&mut self, name: &str, outcome: DialOutcome) {
        self.answers.insert(address(name), Answer::At(1, outcome));
    }

    fn control(&mut self, from: &str, message: &Message) {
        let (now, from, message) = (at(self.now), node(from), message.encode());
        let session = self.members.session_of(&from).unwrap_or(SessionId(0));
        assert_eq!(hear(&mut self.members, now, &from, session, &message), Ok(()));
        self.drain();
    }

    /// Runs from one moment of interest to the next, so that every deadline is met in time.
    fn run_to(&mut self, end: u64) {
        while self.now < end {
            self.now = self.next_moment(end);
            if self.now.is_multiple_of(100) {
                for (peer, session) in self.talking.clone() {
                    self.members.handle_heard(at(self.now), &peer, session);
                }
            }
            let (due, later) =
                std::mem::take(&mut self.dials).into_iter().partition(|dial| dial.0 <= self.now);
            self.dials = later;
            let due: Vec<(u64, Address, DialOutcome)> = due;
            for (_, address, outcome) in due {
                self.members.handle_dial_outcome(at(self.now), &address, &outcome);
            }
            if self.members.poll_timeout().is_some_and(|due| due <= at(self.now)) {
                self.members.handle_timeout(at(self.now));
                assert!(self.members.poll_timeout().unwrap() > at(self.now));
            }
            self.drain();
        }
    }

    fn next_moment(&self, end: u64) -> u64 {
        let talk = (!self.talking.is_empty()).then(|| (self.now / 100 + 1) * 100);
        let due = self.members.poll_timeout().map(|due| due.since(at(0)).as_nanos().div_ceil(1_000_000));
        let due = due.and_then(|due| u64::try_from(due).ok());
        let moments = self.dials.iter().map(|dial| dial.0).chain(talk).chain(due).chain([end]);
        moments.min().unwrap_or(end).max(self.now + 1)
    }

    /// Takes the outputs, and lets peers and addresses answer.
    fn drain(&mut self) {
        while let Some((to, bytes)) = self.members.poll_control() {
            let message = Message::decode(&bytes).unwrap().unwrap();
            let answer = match &message {
                Message::Ping(ping) if self.talking.contains_key(&to) => {
                    Some(Message::Pong(Pong { ping: *ping, version: 0 }))
                }
                Message::Question(question) => self
                    .opinions
                    .get(&to)
                    .map(|heard| Message::Opinion(Opinion { question: question.clone(), heard: *heard })),
                _ => None,
            };
            self.sent.push((to.clone(), message));
            if let Some(answer) = answer {
                self.members.handle_control(at(self.now), &to, &answer.encode()).unwrap();
            }
        }
        while let Some(action) = self.members.poll_action() {
            if let Action::ProbeNow(address) = &action {
                match self.answers.get(address) {
                    Some(Answer::At(after, outcome)) => {
                        self.dials.push((self.now + after, address.clone(), outcome.clone()));
                    }
                    Some(Answer::ConnectsAndIsSilent) => {
                        self.members.handle_dial_connected(at(self.now), address);
                        self.dials.push((self.now + 5_000, address.clone(), DialOutcome::NoWelcome));
                    }
                    None => {}
                }
            }
            self.actions.push(action);
        }
        while let Some(event) = self.members.poll_event() {
            self.events.push((self.now, event));
        }
    }

    fn clear(&mut self) {
        self.events.clear();
        self.actions.clear();
        self.sent.clear();
    }

    fn take_events(&mut self) -> Vec<(u64, MemberEvent)> {
        std::mem::take(&mut self.events)
    }

    /// When each member was removed and why.
    fn removals(&self) -> Vec<(u64, &str, RemovalReason)> {
        let removal = |(at, event): &'_ (u64, MemberEvent)| match event {
            MemberEvent::Removed { why, .. } => Some((*at, why.clone())),
            _ => None,
        };
        let names = self.events.iter().filter_map(|(_, event)| match event {
            MemberEvent::Removed { node, .. } => Some(node.as_str()),
            _ => None,
        });
        let removals = self.events.iter().filter_map(removal);
        removals.zip(names).map(|((at, why), name)| (at, name, why)).collect()
    }
}

fn joined(name: &str, epoch: u64) -> MemberEvent {
    MemberEvent::Joined { node: node(name), incarnation: life(epoch), addresses: vec![address(name)] }
}

fn removed(name: &str, epoch: u64, why: RemovalReason) -> MemberEvent {
    MemberEvent::Removed { node: node(name), incarnation: life(epoch), why, evidence: None }
}

fn doubted(name: &str, cause: DoubtCause) -> MemberEvent {
    MemberEvent::Doubted { node: node(name), cause }
}

fn recovered(name: &str) -> MemberEvent {
    MemberEvent::Recovered { node: node(name) }
}

fn stale(name: &str) -> MemberEvent {
    MemberEvent::CachesStale { peer: node(name) }
}
