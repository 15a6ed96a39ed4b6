//! The nodes on record: which incarnation is the newest, whether it is in session, and the numbers of the pair.
//!
//! Invariants: at most one session a node; a session is always with the newest incarnation on record; an incarnation is
//! recorded when a session begins, never for words alone; a pair of incarnations has one [`PeerLanes`] until forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::proto::body::Positions;
use crate::proto::lanes::{LaneSettings, PeerLanes, RingBudget};
use crate::proto::{Address, Incarnation, Instant, Lane, NodeId, SessionId};

/// A session, as far as the endpoint cares.
#[derive(Clone, Debug)]
pub(super) struct Established {
    pub(super) session: SessionId,
    pub(super) incarnation: Incarnation,
    /// Where the peer says that it can be dialled.
    pub(super) addresses: Vec<Address>,
    pub(super) since: Instant,
    /// From when on it is certain that the peer has had this session too, or has given the handshake up.
    pub(super) shared_from: Instant,
    /// When the peer's `Hello` came, if it dialled.
    pub(super) heard: Option<Instant>,
    /// Whether it goes through a tunnel: then a direct link takes its place.
    pub(super) is_tunnelled: bool,
    /// Its optional abilities.
    pub(super) features: u64,
}

/// What a new session took the place of.
#[derive(Debug)]
pub(super) enum Displaced {
    Nothing,
    /// A session of the same pair of incarnations.
    Same(Established),
    /// A session with an older incarnation.
    Older(Established),
}

/// How an incarnation relates to what is on record of its node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing speaks against a session.
    Free,
    /// It is in session.
    InSession(SessionId),
    /// A newer one is on record and not in session.
    Superseded { epoch: u64 },
    /// A newer one is in session.
    Duplicate { epoch: u64, address: Option<Address>, session: SessionId },
}

#[derive(Debug)]
struct Peer {
    newest: Incarnation,
    lanes: Arc<PeerLanes>,
    established: Option<Established>,
    last_ended: Instant,
    /// When our last `Go` went out.
    last_go: Option<Instant>,
}

/// How often it is looked for what has waited for too long.
const TICK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Peers {
    lane_settings: Arc<LaneSettings>,
    budget: Arc<RingBudget>,
    next_tick: Option<Instant>,
    peers: BTreeMap<NodeId, Peer>,
    nodes: BTreeMap<SessionId, NodeId>,
}

impl Peers {
    /// Nobody yet. All lanes have these settings.
    pub(super) fn new(lane_settings: LaneSettings) -> Self {
        Self {
            budget: RingBudget::new(lane_settings.ring_total),
            lane_settings: Arc::new(lane_settings),
            next_tick: None,
            peers: BTreeMap::new(),
            nodes: BTreeMap::new(),
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        self.next_tick
    }

    /// Sheds what has waited for too long; which messages gave way since the last tick without being told of.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<(NodeId, Lane, u64)> {
        if self.next_tick.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.next_tick = (!self.peers.is_empty()).then(|| now + TICK);
        let mut shed = Vec::new();
        for (node, peer) in &self.peers {
            peer.lanes.tick(now);
            for lane in Lane::ALL {
                let messages = peer.lanes.take_untold(lane);
                if messages > 0 {
                    shed.push((node.clone(), lane, messages));
                }
            }
        }
        shed
    }

    pub(super) fn standing(&self, node: &NodeId, incarnation: Incarnation) -> Standing {
        let Some(peer) = self.peers.get(node) else { return Standing::Free };
        match &peer.established {
            None if incarnation < peer.newest => Standing::Superseded { epoch: peer.newest.epoch },
            Some(held) if incarnation < held.incarnation => Standing::Duplicate {
                epoch: held.incarnation.epoch,
                address: held.addresses.first().cloned(),
                session: held.session,
            },
            Some(held) if incarnation == held.incarnation => Standing::InSession(held.session),
            _ => Standing::Free,
        }
    }

    /// The session with a node.
    pub(super) fn session_with(&self, node: &NodeId) -> Option<&Established> {
        self.peers.get(node)?.established.as_ref()
    }

    /// The node of a session.
    pub(super) fn node_of(&self, session: SessionId) -> Option<&NodeId> {
        self.nodes.get(&session)
    }

    /// All sessions, by node.
    pub(super) fn sessions(&self) -> impl Iterator<Item = (&NodeId, &Established)> {
        self.peers.iter().filter_map(|(node, peer)| Some((node, peer.established.as_ref()?)))
    }

    /// The newest incarnation on record.
    pub(super) fn newest(&self, node: &NodeId) -> Option<Incarnation> {
        self.peers.get(node).map(|peer| peer.newest)
    }

    /// When our last `Go` to a node went out.
    pub(super) fn last_go(&self, node: &NodeId) -> Option<Instant> {
        self.peers.get(node)?.last_go
    }

    /// From where this side wants the peer's numbers; the start of everything for an incarnation not on record.
    pub(super) fn positions(&self, node: &NodeId, incarnation: Incarnation) -> Positions {
        self.lanes(node, incarnation).map(|lanes| lanes.positions()).unwrap_or_default()
    }

    /// Lets only input of this session count, if the pair has numbers at all.
    pub(super) fn fence(&self, node: &NodeId, incarnation: Incarnation, session: SessionId) {
        if let Some(lanes) = self.lanes(node, incarnation) {
            lanes.fence(session);
        }
    }

    /// Whether only input of this session counts.
    pub(super) fn is_fenced_to(&self, node: &NodeId, incarnation: Incarnation, session: SessionId) -> bool {
        self.lanes(node, incarnation).is_some_and(|lanes| lanes.owner() == Some(session))
    }

    fn lanes(&self, node: &NodeId, incarnation: Incarnation) -> Option<&Arc<PeerLanes>> {
        self.peers.get(node).filter(|peer| peer.newest == incarnation).map(|peer| &peer.lanes)
    }

    /// Puts a session on record and hands out the numbers of its pair, fenced to it.
    pub(super) fn establish(
        &mut self,
        node: &NodeId,
        established: Established,
    ) -> (Arc<PeerLanes>, Displaced) {
        let (session, newest, since) = (established.session, established.incarnation, established.since);
        let last_go = match established.heard {
            None => Some(since),
            Some(_) => self.peers.get(node).and_then(|peer| peer.last_go),
        };
        let known = self.lanes(node, newest).cloned();
        let lanes = known.unwrap_or_else(|| PeerLanes::sharing(&self.lane_settings, &self.budget));
        lanes.fence(session);
        self.next_tick.get_or_insert(since + TICK);
        let peer = Peer {
            newest,
            lanes: Arc::clone(&lanes),
            established: Some(established),
            last_ended: since,
            last_go,
        };
        self.nodes.insert(session, node.clone());
        let before = self.peers.insert(node.clone(), peer).and_then(|before| before.established);
        let displaced = match before {
            None => Displaced::Nothing,
            Some(old) if old.incarnation == newest => Displaced::Same(old),
            Some(old) => Displaced::Older(old),
        };
        if let Displaced::Same(old) | Displaced::Older(old) = &displaced {
            self.nodes.remove(&old.session);
        }
        (lanes, displaced)
    }

    /// Takes a session off the record; the node, its incarnation and its numbers stay.
    pub(super) fn end(&mut self, now: Instant, session: SessionId) -> Option<(NodeId, Established)> {
        let node = self.nodes.remove(&session)?;
        let peer = self.peers.get_mut(&node)?;
        peer.last_ended = now;
        Some((node, peer.established.take()?))
    }

    /// Forgets a node, which must not be in session.
    pub(super) fn forget(&mut self, node: &NodeId) {
        debug_assert!(self.session_with(node).is_none(), "{node} is in session");
        self.peers.remove(node);
    }

    /// Starts all numbers anew, for another incarnation of this node.
    pub(super) fn renew_lanes(&mut self) {
        for peer in self.peers.values_mut() {
            peer.lanes = PeerLanes::sharing(&self.lane_settings, &self.budget);
        }
    }

    /// Whether there is a place for this node among at most `limit`, and who has to be forgotten for it.
    pub(super) fn room_for(&self, node: &NodeId, limit: usize) -> Room {
        if self.peers.len() < limit || self.peers.contains_key(node) {
            return Room::Free;
        }
        let idle = self.peers.iter().filter(|(_, peer)| peer.established.is_none());
        let oldest = idle.min_by_key(|(_, peer)| peer.last_ended);
        oldest.map_or(Room::Full, |(node, _)| Room::InPlaceOf(node.clone()))
    }
}

/// Whether another node can go on record.
#[derive(Debug)]
pub(super) enum Room {
    Free,
    InPlaceOf(NodeId),
    /// All on record are in session.
    Full,
}
