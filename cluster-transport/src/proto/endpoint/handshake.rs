//! The links that have no session yet, and how far each has come.

use std::collections::{BTreeMap, BTreeSet};

use super::callers::host_of;
use super::event::LinkId;
use crate::proto::address::Scheme;
use crate::proto::body::Positions;
use crate::proto::credentials::PeerIdentity;
use crate::proto::{Address, Incarnation, Instant, NodeId, PerLane, SessionId};

/// Why an address is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is a target.
    Target,
    /// The application wants to know who is there, now.
    Probe,
}

/// A dial of ours.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    pub(super) address: Address,
    pub(super) purpose: Purpose,
    /// The session that this one is to take the place of: the acceptor named it and we have no end of it, or this link is better.
    pub(super) replace: Option<SessionId>,
    /// Whether somebody there has accepted the connection.
    pub(super) reached: bool,
}

impl Dial {
    /// Whether it goes through a tunnel.
    pub(super) fn is_tunnel(&self) -> bool {
        self.address.scheme() == Scheme::Tunnel
    }
}

/// Somebody who dialled us.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) remote: String,
    /// Whether it came through a tunnel.
    pub(super) is_tunnelled: bool,
    pub(super) identity: PeerIdentity,
}

/// The session that both sides agree on once `Go` is there.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) session: SessionId,
    pub(super) version: u16,
    pub(super) node: NodeId,
    pub(super) incarnation: Incarnation,
    pub(super) addresses: Vec<Address>,
    pub(super) windows: PerLane<u32>,
    pub(super) features: u64,
}

/// A `Hello` of ours that is out.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) dial: Dial,
    pub(super) identity: PeerIdentity,
    pub(super) asked: Instant,
}

/// A `Welcome` that we got, with what is needed to judge and use it.
#[derive(Clone, Debug)]
pub(super) struct Welcomed {
    pub(super) question: Question,
    pub(super) offer: Offer,
    /// From where the acceptor wants our numbers.
    pub(super) positions: Positions,
}

/// How far a link has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// Dialled: there is no byte link yet.
    Connecting(Dial),
    /// Dialled: `Hello` is out.
    WelcomeAwaited(Question),
    /// Dialled: `Go` waits for the end of a handshake that the peer began.
    GoWithheld(Box<Welcomed>),
    /// Accepted.
    HelloAwaited(Caller),
    /// Accepted: `Hello` came then, and `Welcome` is out.
    GoAwaited { caller: Caller, offer: Box<Offer>, heard: Instant },
}

impl Stage {
    pub(super) fn dial(&self) -> Option<&Dial> {
        match self {
            Self::Connecting(dial) | Self::WelcomeAwaited(Question { dial, .. }) => Some(dial),
            Self::GoWithheld(welcomed) => Some(&welcomed.question.dial),
            Self::HelloAwaited(_) | Self::GoAwaited { .. } => None,
        }
    }

    fn caller(&self) -> Option<&Caller> {
        match self {
            Self::HelloAwaited(caller) | Self::GoAwaited { caller, .. } => Some(caller),
            Self::Connecting(_) | Self::WelcomeAwaited(_) | Self::GoWithheld(_) => None,
        }
    }

    /// The node at the other end, where it has said so.
    fn node(&self) -> Option<&NodeId> {
        match self {
            Self::GoWithheld(welcomed) => Some(&welcomed.offer.node),
            Self::GoAwaited { offer, .. } => Some(&offer.node),
            Self::Connecting(_) | Self::WelcomeAwaited(_) | Self::HelloAwaited(_) => None,
        }
    }
}

#[derive(Debug)]
struct Handshake {
    deadline: Instant,
    stage: Stage,
}

/// All links without a session. Few, so that questions about all of them look at each, but for those that every input asks.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    links: BTreeMap<LinkId, Handshake>,
    deadlines: BTreeSet<(Instant, LinkId)>,
    /// The links at whose other end a node is known to be.
    known: BTreeSet<(NodeId, LinkId)>,
    /// The links on which a `Go` would begin a session.
    offered: BTreeMap<SessionId, LinkId>,
    counts: Counts,
    /// How many accepted links there are of each host.
    hosts: BTreeMap<String, usize>,
    last: u64,
}

/// How many links there are of each kind.
#[derive(Debug, Default)]
struct Counts {
    targets: usize,
    probes: usize,
    accepted: usize,
}

impl Counts {
    fn of(&mut self, stage: &Stage) -> &mut usize {
        match stage.dial().map(|dial| dial.purpose) {
            Some(Purpose::Target) => &mut self.targets,
            Some(Purpose::Probe) => &mut self.probes,
            None => &mut self.accepted,
        }
    }
}

impl Handshakes {
    /// A link number that was never used.
    pub(super) fn next_link(&mut self) -> LinkId {
        self.last += 1;
        LinkId(self.last)
    }

    pub(super) fn insert(&mut self, link: LinkId, deadline: Instant, stage: Stage) {
        self.take(link);
        *self.counts.of(&stage) += 1;
        if let Some(caller) = stage.caller() {
            *self.hosts.entry(host_of(&caller.remote).to_owned()).or_default() += 1;
        }
        self.deadlines.insert((deadline, link));
        self.known.extend(stage.node().map(|node| (node.clone(), link)));
        if let Stage::GoAwaited { offer, .. } = &stage {
            self.offered.insert(offer.session, link);
        }
        self.links.insert(link, Handshake { deadline, stage });
    }

    /// Takes a link out, to put it back with its deadline one stage further or to end it.
    pub(super) fn take(&mut self, link: LinkId) -> Option<(Instant, Stage)> {
        let Handshake { deadline, stage } = self.links.remove(&link)?;
        self.deadlines.remove(&(deadline, link));
        if let Some(node) = stage.node() {
            self.known.remove(&(node.clone(), link));
        }
        if let Stage::GoAwaited { offer, .. } = &stage {
            self.offered.remove(&offer.session);
        }
        *self.counts.of(&stage) -= 1;
        if let Some(host) = stage.caller().map(|caller| host_of(&caller.remote))
            && let Some(links) = self.hosts.get_mut(host)
        {
            *links -= 1;
            if *links == 0 {
                self.hosts.remove(host);
            }
        }
        Some((deadline, stage))
    }

    /// How far a link has come. Its purpose stays what it is.
    pub(super) fn stage_mut(&mut self, link: LinkId) -> Option<&mut Stage> {
        self.links.get_mut(&link).map(|handshake| &mut handshake.stage)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    pub(super) fn overdue(&self, now: Instant) -> Vec<LinkId> {
        let late = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now);
        let mut late: Vec<LinkId> = late.map(|(_, link)| *link).collect();
        late.sort_unstable();
        late
    }

    /// How many accepted links there are.
    pub(super) fn accepted(&self) -> usize {
        self.counts.accepted
    }

    /// How many of them came from this host.
    pub(super) fn accepted_from(&self, host: &str) -> usize {
        self.hosts.get(host).copied().unwrap_or_default()
    }

    /// How many dials run for this purpose.
    pub(super) fn dials(&self, purpose: Purpose) -> usize {
        match purpose {
            Purpose::Target => self.counts.targets,
            Purpose::Probe => self.counts.probes,
        }
    }

    pub(super) fn dialling(&self, address: &Address) -> Vec<LinkId> {
        self.matching(|handshake| handshake.stage.dial().is_some_and(|dial| dial.address == *address))
    }

    /// Whether this incarnation dialled us and its `Go` has not come.
    pub(super) fn awaits_go_of(&self, node: &NodeId, incarnation: Incarnation) -> bool {
        let awaits = |(_, handshake): (LinkId, &Handshake)| matches!(&handshake.stage, Stage::GoAwaited { offer, .. } if offer.incarnation == incarnation);
        self.of_node(node).any(awaits)
    }

    /// Whose `Go` would begin this session.
    pub(super) fn awaits_go_for(&self, session: SessionId) -> Option<&NodeId> {
        self.links.get(self.offered.get(&session)?)?.stage.node()
    }

    /// The links on which our `Go` to this node is withheld.
    pub(super) fn withheld_from(&self, node: &NodeId) -> Vec<LinkId> {
        let withheld = |(link, handshake): (LinkId, &Handshake)| {
            matches!(handshake.stage, Stage::GoWithheld(_)).then_some(link)
        };
        self.of_node(node).filter_map(withheld).collect()
    }

    /// The links at whose other end this node is known to be.
    pub(super) fn with(&self, node: &NodeId) -> Vec<LinkId> {
        self.of_node(node).map(|(link, _)| link).collect()
    }

    fn of_node(&self, node: &NodeId) -> impl Iterator<Item = (LinkId, &Handshake)> {
        let known = self.known.range((node.clone(), LinkId(0))..=(node.clone(), LinkId(u64::MAX)));
        known.filter_map(|(_, link)| Some((*link, self.links.get(link)?)))
    }

    pub(super) fn all(&self) -> Vec<LinkId> {
        self.matching(|_| true)
    }

    fn matching(&self, wanted: impl Fn(&Handshake) -> bool) -> Vec<LinkId> {
        self.links.iter().filter(|(_, handshake)| wanted(handshake)).map(|(link, _)| *link).collect()
    }
}
