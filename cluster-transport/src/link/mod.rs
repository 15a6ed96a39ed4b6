//! Links: ordered byte streams to one peer, ready for the session, over TCP, TLS, QUIC or memory.
//!
//! A link knows nothing of frames. It is made within a deadline, names whose fault it is when it cannot be made, and
//! carries what was learned about the peer on the way. Both halves are owned by one task.

mod dial;
mod fault;
pub mod memory;
pub mod quic;
mod reach;
pub mod speech;
pub mod tcp;
#[cfg(test)]
mod tests;
pub(crate) mod tunnel;

use std::fmt;
use std::net::SocketAddr;
use std::time::SystemTime;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::proto::PeerIdentity;

pub use dial::ConnectError;
pub use fault::LinkFault;
pub use reach::{ReachError, least_mtu, reach};
pub use speech::Speech;
pub use tcp::AcceptError;

/// The receiving half of a link.
pub type LinkReader = Box<dyn AsyncRead + Send + Unpin>;
/// The sending half of a link; vectored writes reach the socket. Shutting it down ends the peer's reading cleanly.
pub type LinkWriter = Box<dyn AsyncWrite + Send + Unpin>;

/// A byte stream to a peer, in two halves; over QUIC with streams of their own for the lanes.
pub struct Link {
    /// What comes from the peer: the handshake, and what has no stream of its own.
    pub reader: LinkReader,
    /// What goes to the peer.
    pub writer: LinkWriter,
    /// The streams of the lanes, if the link has them.
    pub lanes: Option<quic::LaneStreams>,
    /// What is known about the link.
    pub info: LinkInfo,
}

/// What carries a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// TCP in plaintext.
    Tcp,
    /// TLS over TCP.
    TcpTls,
    /// QUIC over UDP.
    Quic,
    /// A pair of buffers within this process.
    Memory,
    /// A tunnel that a third member carries; with TLS from end to end where the node is configured for it.
    Tunnel,
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::TcpTls => "tcp+tls",
            Self::Quic => "quic",
            Self::Memory => "memory",
            Self::Tunnel => "tunnel",
        })
    }
}

/// What is known about a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// What carries it.
    pub transport: TransportKind,
    /// Who the peer proved to be.
    pub identity: PeerIdentity,
    /// When the certificate that it has shown ends, if it has shown one.
    pub certificate_end: Option<SystemTime>,
    /// Our end, if it has an address.
    pub local: Option<SocketAddr>,
    /// The peer's end, if it has an address.
    pub remote: Option<SocketAddr>,
}

impl Link {
    /// A link that is one byte stream.
    pub fn new(reader: LinkReader, writer: LinkWriter, info: LinkInfo) -> Self {
        Self { reader, writer, lanes: None, info }
    }

    /// A link over any byte stream, one lock shared by its halves.
    fn over<S>(stream: S, info: LinkInfo) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (reader, writer) = tokio::io::split(stream);
        Self::new(Box::new(reader), Box::new(writer), info)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("info", &self.info).finish_non_exhaustive()
    }
}
