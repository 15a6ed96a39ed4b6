//! What the membership tells the layer above: events, with the evidence that they rest on, and actions to take.

use std::time::Duration;

use cluster_transport::proto::{Address, Incarnation, NodeId, SessionId};

use super::readiness::Reason;

/// Something for the transport to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Dial this address until it is removed; the dialler knows when to rest.
    AddTarget(Address),
    /// Do not dial this address any more.
    RemoveTarget(Address),
    /// Dial this address once, at once, whatever its back-off, and report the outcome.
    ProbeNow(Address),
    /// End this session.
    CloseSession {
        /// With whom.
        node: NodeId,
        /// Which.
        session: SessionId,
        /// Why.
        why: CloseReason,
    },
}

/// Why a session is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer was removed from the members.
    Removed,
    /// The peer is an older life of a node that is known with this epoch.
    Superseded {
        /// The epoch on record.
        epoch: u64,
    },
    /// The peer carries this node's own id.
    OwnId,
    /// The table of members is full.
    TooManyMembers,
}

/// Why a doubt began.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DoubtCause {
    /// Not a byte for too long.
    Silence,
    /// The link ended without `Leave`.
    Eof,
    /// The link failed.
    Failed(String),
    /// This node closed the session for a fault of the peer.
    ClosedByUs,
    /// Another process with the peer's id tried to come in.
    DuplicateId,
    /// Its session over QUIC stands, and the TCP connection that tells of its process ended.
    LifeLineCut,
}

/// Why a member was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemovalReason {
    /// It said that it leaves.
    Left,
    /// A newer life of it is there.
    NewerIncarnation,
    /// Another node answers at its address.
    AddressTaken {
        /// Who.
        by: NodeId,
    },
    /// Its address refused twice.
    Refused,
    /// Nothing came back.
    Silent,
    /// It accepts connections and does not answer.
    Frozen,
    /// Others hear it and this node does not, for too long.
    Unreachable,
    /// An administrator forgot it.
    Forgotten,
}

/// What a removal after a doubt rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Why the doubt began.
    pub cause: DoubtCause,
    /// How long the doubt ran.
    pub doubted: Duration,
    /// How long the last byte from it was ago.
    pub silent: Duration,
    /// How often its addresses refused.
    pub refusals: u32,
    /// Who was asked and answered, and how long ago it had certainly heard the member, in the order of ids.
    pub opinions: Vec<(NodeId, Option<Duration>)>,
}

/// Something that happened in the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberEvent {
    /// A member is there. Alternates with `Removed` for each node.
    Joined {
        /// Who.
        node: NodeId,
        /// Which life of it.
        incarnation: Incarnation,
        /// Where it can be dialled.
        addresses: Vec<Address>,
    },
    /// A member is gone, with all that it owned.
    Removed {
        /// Who.
        node: NodeId,
        /// Which life of it.
        incarnation: Incarnation,
        /// Why.
        why: RemovalReason,
        /// What it rests on, after a doubt.
        evidence: Option<Evidence>,
    },
    /// A doubt about a member began.
    Doubted {
        /// Whom.
        node: NodeId,
        /// Why.
        cause: DoubtCause,
    },
    /// A member that another one hears is not removed yet.
    Vetoed {
        /// Whom.
        node: NodeId,
        /// By whom.
        by: NodeId,
    },
    /// A doubt ended: the member is well.
    Recovered {
        /// Who.
        node: NodeId,
    },
    /// A member did not let this node catch up in time; it holds nobody back.
    Degraded {
        /// Who.
        node: NodeId,
    },
    /// Verdicts about a member are suspended by hand.
    Held {
        /// Whom.
        node: NodeId,
        /// For how long from now on.
        span: Duration,
    },
    /// Verdicts about a member are passed again.
    HoldOver {
        /// Whom.
        node: NodeId,
    },
    /// This node was told to stop serving clients.
    Draining {
        /// How many other nodes serve.
        remaining: usize,
        /// How many are needed.
        minimum: u32,
    },
    /// A member drains: its clients are about to be elsewhere.
    Moving {
        /// Who.
        node: NodeId,
    },
    /// This node serves clients.
    Ready,
    /// This node stopped serving clients.
    NotReady {
        /// Why, never empty.
        reasons: Vec<Reason>,
    },
    /// More than half of the peers fell silent together.
    SelfDoubt {
        /// How many are silent.
        silent: usize,
        /// Of how many.
        peers: usize,
    },
    /// The peers that fell silent are back or removed.
    SelfDoubtOver,
    /// This process did not run for a while.
    Paused {
        /// How long.
        gap: Duration,
    },
    /// A newer life of this node is known to a peer.
    Superseded {
        /// Its epoch.
        epoch: u64,
    },
    /// This node and a peer hold different state of one owner under one version.
    Diverged {
        /// Whose state.
        owner: NodeId,
        /// With whom.
        peer: NodeId,
        /// Under which version.
        version: u64,
    },
    /// All peers hold what this node holds again.
    Agreed,
    /// Events of this peer may have been missed: what was cached of it may be stale.
    CachesStale {
        /// Which peer.
        peer: NodeId,
    },
}
