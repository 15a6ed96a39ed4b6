//! What the transport tells the engine: sessions that come and go, and what became of dials.

use cluster_transport::proto::{Address, Incarnation, NodeId, SessionId};
use serde::{Deserialize, Serialize};

/// A session with a peer is established.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionUp {
    /// Who is there.
    pub node: NodeId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// The session, new with each.
    pub session: SessionId,
    /// Where the peer says that it can be dialled.
    pub addresses: Vec<Address>,
    /// The address that we dialled, if it was us.
    pub dialled: Option<Address>,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DownCause {
    /// The peer said that it leaves.
    Left,
    /// The link ended without `Leave`; so does a killed process.
    Eof,
    /// The link failed: reset, write deadline, broken frame.
    Failed(String),
    /// A newer incarnation of the peer took over.
    Superseded,
    /// A newer session of the same two incarnations took over.
    Replaced,
    /// This node closed it.
    ClosedByUs,
}

/// The number of a typed refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RefuseCode(pub u16);

/// What became of a dial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DialOutcome {
    /// A session.
    Session {
        /// With whom.
        node: NodeId,
    },
    /// Another address of a peer that is in session already.
    Alias {
        /// Which peer.
        node: NodeId,
    },
    /// This node itself.
    Myself,
    /// The host is there, and nobody listens.
    ConnectionRefused,
    /// No way to the host.
    Unreachable(String),
    /// Nothing came back before the connect deadline.
    NoAnswer,
    /// Connected, then silence until the handshake deadline.
    NoWelcome,
    /// Connected, and the link ended before anybody gave a name; so does one that the system of a dying process accepted.
    CutOff(String),
    /// A typed refusal.
    Refused {
        /// Its number.
        code: RefuseCode,
        /// Its line of text.
        text: String,
    },
    /// Another node, or another life of the node, than the one that was looked for.
    OtherNode {
        /// Who answered.
        node: NodeId,
        /// Which life of it.
        incarnation: Incarnation,
    },
}
