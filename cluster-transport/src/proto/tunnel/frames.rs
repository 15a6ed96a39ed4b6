//! What travels on a session for the tunnels through it. All kinds may be skipped by a member that knows no tunnels.
//!
//! ```text
//! TunnelOpen    | control body: tunnel u64, from, to |
//! TunnelData    | tunnel: 8 | bytes |
//! TunnelCredit  | tunnel: 8 | bytes: 4 |
//! TunnelClose   | control body: tunnel u64, code u16, text |
//! ```

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::proto::NodeId;
use crate::proto::body::MAX_REASON;
use crate::proto::frame::{FrameError, kind};
use crate::proto::wire::{Extensions, Reader, Text, put_body, take_body};

/// The number of a tunnel in one session. The side that dialled the session gives its tunnels odd numbers, the other even ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TunnelId(pub u64);

/// Asks for a tunnel: from the node that wants it to the one that carries it, and from that one to the other end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelOpen {
    /// Its number in this session.
    pub tunnel: TunnelId,
    /// Who wants it.
    pub from: NodeId,
    /// Who is to be at the other end.
    pub to: NodeId,
}

/// Why a tunnel ends, or does not begin. Numbers that this version does not know are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TunnelCode(pub u16);

impl TunnelCode {
    /// One end is done with it.
    pub const DONE: Self = Self(1);
    /// The carrier has no session with that node.
    pub const NO_SESSION: Self = Self(2);
    /// The carrier's only session with one of the two goes through a tunnel itself.
    pub const NESTED: Self = Self(3);
    /// There are as many tunnels as this node allows.
    pub const TOO_MANY: Self = Self(4);
    /// The session that carried it has ended.
    pub const LINK_LOST: Self = Self(5);
    /// Somebody did not keep to the rules of tunnels.
    pub const VIOLATION: Self = Self(6);

    /// The code in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::DONE => "the other end is done with it",
            Self::NO_SESSION => "the carrier has no session with that node",
            Self::NESTED => "the carrier reaches that node through a tunnel itself",
            Self::TOO_MANY => "there are as many tunnels as one node allows",
            Self::LINK_LOST => "a session on the way has ended",
            Self::VIOLATION => "somebody did not keep to the rules of tunnels",
            _ => "for a reason that this version does not know",
        }
    }
}

impl fmt::Display for TunnelCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.words(), self.0)
    }
}

/// The end of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelClose {
    /// Its number in this session.
    pub tunnel: TunnelId,
    /// Why.
    pub code: TunnelCode,
    /// The same in words.
    pub text: Text<MAX_REASON>,
}

/// A frame of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TunnelFrame {
    /// It begins.
    Open(TunnelOpen, Extensions),
    /// Bytes of it.
    Data(TunnelId, Bytes),
    /// So many more bytes may follow.
    Credit(TunnelId, u32),
    /// It ends.
    Close(TunnelClose, Extensions),
}

/// The bytes before those of a `TunnelData`: kind and number.
pub const DATA_HEAD: usize = 1 + 8;

impl TunnelFrame {
    /// A close without more words than the code has.
    pub fn close(tunnel: TunnelId, code: TunnelCode) -> Self {
        let text = Text::lossy(code.words());
        Self::Close(TunnelClose { tunnel, code, text }, Extensions::default())
    }

    /// The number of its kind.
    pub fn kind(&self) -> u8 {
        match self {
            Self::Open(..) => kind::TUNNEL_OPEN,
            Self::Data(..) => kind::TUNNEL_DATA,
            Self::Credit(..) => kind::TUNNEL_CREDIT,
            Self::Close(..) => kind::TUNNEL_CLOSE,
        }
    }

    /// Takes a body of one of these kinds apart; nothing if the kind is another.
    pub(in crate::proto) fn decode(kind: u8, body: &Bytes) -> Option<Result<Self, FrameError>> {
        Some(match kind {
            kind::TUNNEL_OPEN => {
                take_body("TunnelOpen", body).map(|(b, e)| Self::Open(b, e)).map_err(Into::into)
            }
            kind::TUNNEL_DATA => data(body.clone()),
            kind::TUNNEL_CREDIT => credit(body.clone()),
            kind::TUNNEL_CLOSE => {
                take_body("TunnelClose", body).map(|(b, e)| Self::Close(b, e)).map_err(Into::into)
            }
            _ => return None,
        })
    }

    /// Writes kind and body.
    pub(in crate::proto) fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.kind());
        match self {
            Self::Open(body, extensions) => put_body(out, body, extensions),
            Self::Data(tunnel, bytes) => {
                out.put_u64(tunnel.0);
                out.put_slice(bytes);
            }
            Self::Credit(tunnel, bytes) => {
                out.put_u64(tunnel.0);
                out.put_u32(*bytes);
            }
            Self::Close(body, extensions) => put_body(out, body, extensions),
        }
    }
}

fn data(body: Bytes) -> Result<TunnelFrame, FrameError> {
    let mut reader = Reader::new("TunnelData", body);
    let tunnel = TunnelId(reader.u64()?);
    Ok(TunnelFrame::Data(tunnel, reader.rest()))
}

fn credit(body: Bytes) -> Result<TunnelFrame, FrameError> {
    let mut reader = Reader::new("TunnelCredit", body);
    let frame = TunnelFrame::Credit(TunnelId(reader.u64()?), reader.u32()?);
    reader.end()?;
    Ok(frame)
}
