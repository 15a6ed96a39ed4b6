//! From a QUIC connection that somebody wants to a link.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{Connection, Incoming, RecvStream, SendStream, ServerConfig};
use tokio::time::{Instant, timeout_at};

use super::{Flow, fault, secured};
use crate::link::{AcceptError, Link, LinkFault};
use crate::tls::{Tls, TlsFault, Witness};

/// A connection that somebody wants; nothing was answered yet.
pub struct QuicAccept {
    incoming: Incoming,
    tls: Tls,
    server: ServerConfig,
    local_port: u16,
    flow: Flow,
}

impl QuicAccept {
    pub(super) fn new(
        incoming: Incoming,
        tls: Tls,
        server: ServerConfig,
        local_port: u16,
        flow: Flow,
    ) -> Self {
        Self { incoming, tls, server, local_port, flow }
    }

    /// Where the first packet came from; until the address is validated anybody may have written that there.
    pub fn remote(&self) -> SocketAddr {
        self.incoming.remote_address()
    }

    /// Has a dialler whose address is not validated yet come again with a proof of it, which costs this side no memory. The
    /// connection itself if the address has been validated.
    pub fn validate(self) -> Option<Self> {
        let Self { incoming, tls, server, local_port, flow } = self;
        let incoming = incoming.retry().err()?.into_incoming();
        Some(Self { incoming, tls, server, local_port, flow })
    }

    /// Tells the dialler that this node is busy.
    pub fn refuse(self) {
        self.incoming.refuse();
    }

    /// Makes a link of it by the deadline. Cancelling closes the connection.
    ///
    /// # Errors
    /// When the handshake fails, or takes too long.
    pub async fn secure(self, deadline: Instant) -> Result<Link, AcceptError> {
        let remote = self.remote();
        let (local_port, flow) = (self.local_port, self.flow);
        let witness = Witness::default();
        let connected = timeout_at(deadline, self.connect(&witness));
        let connected = connected.await.map_err(|_| AcceptError::TimedOut { remote })?;
        let secured = connected.and_then(|(connection, stream)| {
            secured(connection, stream, Some(local_port), flow).map_err(LinkFault::Tls)
        });
        secured.map_err(|fault| match fault {
            LinkFault::Tls(fault) => AcceptError::Tls { remote, fault },
            LinkFault::Closed => AcceptError::Tls { remote, fault: TlsFault::Closed },
            LinkFault::Reset => AcceptError::Io { remote, source: io::ErrorKind::ConnectionReset.into() },
            LinkFault::Io(source) => AcceptError::Io { remote, source },
        })
    }

    async fn connect(self, witness: &Witness) -> Result<(Connection, (SendStream, RecvStream)), LinkFault> {
        let Self { incoming, tls, mut server, .. } = self;
        server.crypto = Arc::new(tls.quic_server(witness)?);
        let connecting = incoming.accept_with(Arc::new(server))?;
        let connection = connecting.await.map_err(|error| fault::of_handshake(error, witness))?;
        let stream = connection.accept_bi().await?;
        Ok((connection, stream))
    }
}

impl fmt::Debug for QuicAccept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicAccept").field("remote", &self.remote()).finish_non_exhaustive()
    }
}
