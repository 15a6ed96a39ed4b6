//! What an endpoint hands out: actions for its driver and events for the layer above.

use std::fmt;
use std::mem::discriminant;
use std::time::Duration;

use crate::proto::body::{CloseCode, Refuse, RefuseCode};
use crate::proto::credentials::PeerIdentity;
use crate::proto::frame::Frame;
use crate::proto::session::{self, SessionStart};
use crate::proto::{Address, Incarnation, Lane, NodeId, SessionId};

/// One byte link, dialled or accepted. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub(super) u64);

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

/// What the driver has to do, in this order.
#[derive(Debug)]
#[non_exhaustive]
pub enum EndpointAction {
    /// Make a byte link to this address; answer with `handle_connected` or `handle_connect_failed`.
    Connect {
        /// The link to be.
        link: LinkId,
        /// Where to.
        address: Address,
    },
    /// Write a frame.
    Send {
        /// Where.
        link: LinkId,
        /// What.
        frame: Frame,
    },
    /// Hand the link over to a session: everything read from it from now on is the session's.
    Establish {
        /// The link.
        link: LinkId,
        /// What the session starts with.
        start: SessionStart,
    },
    /// Close a session that this endpoint established; it counts as ended already.
    EndSession {
        /// Which.
        session: SessionId,
        /// Why, for the peer.
        code: CloseCode,
    },
    /// Close a link that has no session, after what was to be sent has been written.
    Close {
        /// Which.
        link: LinkId,
    },
}

/// Why a dial has no byte link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// There is no way there.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// Somebody there accepted the connection and then said nothing.
    #[error("the connection was accepted, and then nothing was said in time")]
    Silent,
    /// The connection stood, and ended before it was a link: so does one that the system of a dying process had accepted.
    #[error("cut off: {0}")]
    CutOff(String),
    /// The TLS handshake failed.
    #[error("TLS: {0}")]
    Tls(String),
    /// The host name has no address.
    #[error("name resolution: {0}")]
    Resolve(String),
}

/// What became of an accepted connection in place of a byte link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoLink {
    /// An HTTP client came to the wrong port.
    Http,
    /// One of the two has TLS settings and the other has not.
    OtherSecurity,
    /// Somebody speaks neither the protocol nor TLS.
    Stranger,
    /// It closed without a byte, as health checks do.
    Silent,
    /// It took too long.
    TimedOut,
    /// TLS failed.
    Tls,
    /// It broke.
    Broken,
    /// There was no place for it.
    Busy,
}

impl NoLink {
    /// The same in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::OtherSecurity => "TLS on one side only",
            Self::Stranger => "another protocol",
            Self::Silent => "closed without a byte",
            Self::TimedOut => "too slow",
            Self::Tls => "TLS",
            Self::Broken => "broken",
            Self::Busy => "busy",
        }
    }
}

/// Why a handshake ended without a session, other than by our own refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeFailure {
    /// The peer did not answer in time.
    #[error("no answer to the handshake in time")]
    TimedOut,
    /// A connection that was accepted did not become a byte link.
    #[error("{text}")]
    NoLink {
        /// What it was instead.
        kind: NoLink,
        /// The same in words, with the remote end.
        text: String,
    },
    /// The link went away.
    #[error("the link was lost during the handshake: {0}")]
    LinkClosed(String),
    /// The peer closed it.
    #[error("closed during the handshake: {text}")]
    Closed {
        /// Why.
        code: CloseCode,
        /// The same in the peer's words.
        text: String,
    },
    /// The peer broke the protocol.
    #[error("protocol violation: {0}")]
    Violation(String),
    /// The peer refused us.
    #[error("{}: {}", .0.code.words(), .0.text.as_str())]
    Refused(Box<Refuse>),
}

impl HandshakeFailure {
    /// Whether the other failure would be logged in the same words.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Refused(a), Self::Refused(b)) => a.code == b.code,
            (Self::Closed { code: a, .. }, Self::Closed { code: b, .. }) => a == b,
            (Self::NoLink { kind: a, .. }, Self::NoLink { kind: b, .. }) => a == b,
            _ => discriminant(self) == discriminant(other),
        }
    }
}

/// How a dial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialOutcome {
    /// With a session.
    InSession {
        /// Who is there.
        node: NodeId,
        /// Which life of it.
        incarnation: Incarnation,
        /// The session.
        session: SessionId,
    },
    /// The node there is in session with us, or about to be, over another link.
    Alias {
        /// Who is there.
        node: NodeId,
        /// The session there is.
        session: SessionId,
    },
    /// This node itself is there.
    ToSelf,
    /// There is no byte link.
    NotConnected(ConnectFailure),
    /// The handshake failed, or the peer refused us.
    Failed(HandshakeFailure),
    /// We refused the peer that answered.
    Declined {
        /// Who answered.
        node: NodeId,
        /// Why it was refused.
        code: RefuseCode,
        /// The same in words.
        text: String,
    },
    /// This side gave it up: target removed, leaving, node forgotten, or a new incarnation.
    Abandoned,
}

impl DialOutcome {
    /// Whether the other outcome would be logged in the same words.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::NotConnected(a), Self::NotConnected(b)) => discriminant(a) == discriminant(b),
            (Self::Failed(a), Self::Failed(b)) => a.is_like(b),
            (Self::Declined { code: a, .. }, Self::Declined { code: b, .. }) => a == b,
            _ => discriminant(self) == discriminant(other),
        }
    }
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The peer closed the link without a word, as the system does it for a process that died.
    LinkClosed,
    /// The link failed.
    LinkLost(String),
    /// The peer closed it.
    ClosedByPeer {
        /// Why.
        code: CloseCode,
        /// The same in the peer's words.
        text: String,
    },
    /// The peer left the cluster.
    Left,
    /// This side closed it.
    ClosedHere(CloseCode),
    /// A newer incarnation of the peer took over.
    Superseded(Incarnation),
}

impl From<session::SessionEnd> for SessionEnd {
    fn from(end: session::SessionEnd) -> Self {
        match end {
            session::SessionEnd::PeerLeft => Self::Left,
            session::SessionEnd::WeLeft => Self::ClosedHere(CloseCode::LEFT),
            session::SessionEnd::ClosedByPeer(close) => {
                Self::ClosedByPeer { code: close.code, text: close.text.as_str().to_owned() }
            }
            session::SessionEnd::ClosedByUs(close) => Self::ClosedHere(close.code),
            session::SessionEnd::LinkClosed => Self::LinkClosed,
            session::SessionEnd::LinkLost(why) => Self::LinkLost(why),
        }
    }
}

/// What the layer above should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointEvent {
    /// A session began.
    SessionUp {
        /// The other end.
        node: NodeId,
        /// Which life of it.
        incarnation: Incarnation,
        /// The session.
        session: SessionId,
        /// Where the node says that it can be dialled.
        addresses: Vec<Address>,
        /// The address that was dialled, if this side did.
        dialled: Option<Address>,
        /// What its certificate says.
        identity: PeerIdentity,
        /// The version of the wire.
        version: u16,
        /// The session of the same pair of incarnations that ended with it; there is no `SessionDown` for that one.
        replaced: Option<SessionId>,
    },
    /// A session ended.
    SessionDown {
        /// The other end.
        node: NodeId,
        /// Which life of it.
        incarnation: Incarnation,
        /// The session.
        session: SessionId,
        /// Why.
        cause: SessionEnd,
    },
    /// An attempt at an address began.
    DialStarted {
        /// Where to.
        address: Address,
    },
    /// An attempt at an address has its byte link, and waits for an answer.
    DialConnected {
        /// Where to.
        address: Address,
    },
    /// An attempt at an address ended.
    DialOutcome {
        /// Where to.
        address: Address,
        /// How.
        outcome: DialOutcome,
        /// Whether it differs from the outcome before it, so that it is worth a line in the log.
        changed: bool,
    },
    /// The attempts at an address are from now on further and further apart. Once per row of failures.
    BackingOff {
        /// Where to.
        address: Address,
        /// How many attempts failed.
        attempts: u32,
        /// What the interval grows to.
        cap: Duration,
    },
    /// We refused somebody who dialled us.
    Refused {
        /// From where.
        remote: String,
        /// Who, if it had said so.
        node: Option<NodeId>,
        /// Why.
        code: RefuseCode,
        /// The same in words.
        text: String,
        /// Whether it differs from what came of that host's link before.
        changed: bool,
    },
    /// Somebody dialled us and did not finish the handshake.
    CallerFailed {
        /// From where.
        remote: String,
        /// Why.
        failure: HandshakeFailure,
        /// Whether it differs from what came of that host's link before.
        changed: bool,
    },
    /// Messages for a node gave way, because they had waited for too long or the rings of all nodes together held too much. A
    /// publisher that was told itself is not told again.
    Shed {
        /// Who will not get them.
        node: NodeId,
        /// The lane.
        lane: Lane,
        /// How many.
        messages: u64,
    },
    /// A member has a newer incarnation of this node on record, which it has no session with.
    Superseded {
        /// The epoch on record; one above it is welcome.
        epoch: u64,
        /// Who says so.
        by: Option<NodeId>,
    },
    /// Another process has this node's id and a newer incarnation.
    DuplicateId {
        /// Its epoch.
        epoch: u64,
        /// Where it can be dialled.
        other: Option<Address>,
        /// Who says so; `None` when it was that process itself.
        by: Option<NodeId>,
    },
    /// A node is in session with a newer incarnation than the one on record, which is therefore gone.
    NewerIncarnation {
        /// The node.
        node: NodeId,
        /// The one on record.
        old: Incarnation,
        /// The one in session.
        new: Incarnation,
    },
    /// An older incarnation asked for a session while this node is in session: is that session's peer still there?
    DoubtSession {
        /// The node.
        node: NodeId,
        /// The session in doubt.
        session: SessionId,
    },
    /// The life line of a session was cut: the peer's process has ended, or something on the way has lost the connection.
    LifeLineCut {
        /// The node.
        node: NodeId,
        /// The session.
        session: SessionId,
    },
}
