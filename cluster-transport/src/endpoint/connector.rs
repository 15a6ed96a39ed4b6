//! How an endpoint makes a link to an address.

use std::future::Future;
use std::pin::Pin;

use crate::link::Link;
use crate::link::tcp::{self, ConnectError};
use crate::proto::Address;
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

/// Makes links over TCP, with TLS if it has an identity.
#[derive(Clone, Debug)]
pub struct TcpConnector {
    tls: Option<Tls>,
}

impl TcpConnector {
    /// With TLS, or in plaintext.
    pub fn new(tls: Option<Tls>) -> Self {
        Self { tls }
    }
}

impl Connector for TcpConnector {
    fn connect<'a>(
        &'a self,
        address: &'a Address,
        deadline: tokio::time::Instant,
        reached: &'a (dyn Fn() + Send + Sync),
    ) -> Connecting<'a> {
        Box::pin(tcp::connect_telling(address, self.tls.as_ref(), deadline, reached))
    }
}
