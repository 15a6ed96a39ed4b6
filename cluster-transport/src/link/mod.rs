//! Links: ordered byte streams to one peer, ready for the session, over TCP, TLS or memory.
//!
//! A link knows nothing of frames. It is made within a deadline, names whose fault it is when it cannot be made, and
//! carries what was learned about the peer on the way. Both halves are owned by one task.

mod fault;
pub mod memory;
pub mod speech;
pub mod tcp;

use std::fmt;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::proto::PeerIdentity;

pub use fault::LinkFault;
pub use speech::Speech;

/// The receiving half of a link.
pub type LinkReader = Box<dyn AsyncRead + Send + Unpin>;
/// The sending half of a link; vectored writes reach the socket. Shutting it down ends the peer's reading cleanly.
pub type LinkWriter = Box<dyn AsyncWrite + Send + Unpin>;

/// A byte stream to a peer, in two halves.
pub struct Link {
    /// What comes from the peer.
    pub reader: LinkReader,
    /// What goes to the peer.
    pub writer: LinkWriter,
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
    /// A pair of buffers within this process.
    Memory,
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::TcpTls => "tcp+tls",
            Self::Memory => "memory",
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
    /// Our end, if it has an address.
    pub local: Option<SocketAddr>,
    /// The peer's end, if it has an address.
    pub remote: Option<SocketAddr>,
}

impl Link {
    /// A link over any byte stream, one lock shared by its halves.
    fn over<S>(stream: S, info: LinkInfo) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (reader, writer) = tokio::io::split(stream);
        Self { reader: Box::new(reader), writer: Box::new(writer), info }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("info", &self.info).finish_non_exhaustive()
    }
}
