//! Listening for QUIC.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{Endpoint, ServerConfig};

use super::{Flow, QuicAccept, StrangeDatagrams, socket};
use crate::link::tcp::BindError;
use crate::proto::PerLane;
use crate::tls::{Tls, Witness};

/// Connections that wait to be accepted at most; more are refused.
const BACKLOG: usize = 1024;
/// The bytes that a connection may send before it is accepted, and all of them together: a dialler sends what it has to say
/// only when its handshake is done.
const EARLY: u64 = 16 * 1024;
const EARLY_TOTAL: u64 = 4 << 20;

/// A UDP socket on which QUIC is accepted.
pub struct Listener {
    endpoint: Endpoint,
    local: SocketAddr,
    tls: Tls,
    flow: Flow,
    server: ServerConfig,
    strange: StrangeDatagrams,
}

impl Listener {
    /// Listens on an address; port 0 takes a free one. An IPv6 address means IPv6 alone. `windows` are those that this node's
    /// lanes grant. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound, or the TLS settings do not serve QUIC.
    pub fn bind(address: SocketAddr, tls: Tls, windows: &PerLane<u32>) -> Result<Self, BindError> {
        let fail = |source| BindError::new(address, source);
        let flow = Flow::new(windows);
        // What is in force when a connection comes is asked then; this one signs the tokens of address validation.
        let crypto = tls.quic_server(&Witness::default());
        let crypto = crypto.map_err(|fault| fail(std::io::Error::other(fault)))?;
        let mut server = ServerConfig::with_crypto(Arc::new(crypto));
        server
            .transport_config(flow.transport())
            // Behind a router a peer's address may change under way. It is proven anew, and the session does not notice.
            .migration(true)
            .max_incoming(BACKLOG)
            .incoming_buffer_size(EARLY)
            .incoming_buffer_size_total(EARLY_TOTAL);
        server.validation_token.sent(0);
        let strange = StrangeDatagrams::default();
        let endpoint = socket::endpoint(address, Some(server.clone()), strange.clone()).map_err(fail)?;
        let local = endpoint.local_addr().map_err(fail)?;
        Ok(Self { endpoint, local, tls, flow, server, strange })
    }

    /// The address that is listened on, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What comes to the socket and cannot be QUIC.
    pub fn strange_datagrams(&self) -> &StrangeDatagrams {
        &self.strange
    }

    /// The next connection, its handshake not begun; `None` if the socket has failed for good. Cancel safe.
    pub async fn accept(&mut self) -> Option<QuicAccept> {
        let incoming = self.endpoint.accept().await?;
        let (tls, server) = (self.tls.clone(), self.server.clone());
        Some(QuicAccept::new(incoming, tls, server, self.local.port(), self.flow))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("local", &self.local).finish_non_exhaustive()
    }
}
