//! How an endpoint makes a link to an address.

use std::future::{Future, ready};
use std::pin::Pin;

use crate::link::{ConnectError, Link, quic, tcp};
use crate::proto::address::Scheme;
use crate::proto::{Address, PerLane};
use crate::tls::Tls;

/// A link that is being made.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = Result<Link, ConnectError>> + Send + 'a>>;

/// Makes links. The seam for links that are not sockets: in memory, or through something else.
pub trait Connector: Send + Sync + 'static {
    /// Makes a link to an address until the deadline, and calls `reached` once somebody there has accepted it, though the link
    /// may not be secured yet: a process that is frozen after that is told apart from one that is gone.
    fn connect<'a>(
        &'a self,
        address: &'a Address,
        deadline: tokio::time::Instant,
        reached: &'a (dyn Fn() + Send + Sync),
    ) -> Connecting<'a>;
}

/// Makes links over sockets: TCP, with TLS if there is an identity, or QUIC, which needs one.
#[derive(Debug)]
pub struct SocketConnector {
    tls: Option<Tls>,
    quic: Option<quic::Dialler>,
}

impl SocketConnector {
    /// With TLS, or in plaintext. The windows are those that this node's lanes grant.
    pub fn new(tls: Option<Tls>, windows: &PerLane<u32>) -> Self {
        let quic = tls.clone().map(|tls| quic::Dialler::new(tls, windows));
        Self { tls, quic }
    }
}

impl Connector for SocketConnector {
    fn connect<'a>(
        &'a self,
        address: &'a Address,
        deadline: tokio::time::Instant,
        reached: &'a (dyn Fn() + Send + Sync),
    ) -> Connecting<'a> {
        match (address.scheme(), &self.quic) {
            (Scheme::Tcp, _) => Box::pin(tcp::connect_telling(address, self.tls.as_ref(), deadline, reached)),
            (Scheme::Quic, Some(quic)) => Box::pin(quic.connect(address, deadline, reached)),
            (Scheme::Tunnel, _) => {
                let source = std::io::Error::other("a tunnel is no socket");
                Box::pin(ready(Err(ConnectError::Unreachable { address: address.clone(), source })))
            }
            (Scheme::Quic, None) => Box::pin(ready(Err(ConnectError::NoTls { address: address.clone() }))),
        }
    }
}
