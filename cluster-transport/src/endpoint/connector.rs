//! How an endpoint makes a link to an address.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use super::Endpoint;
use crate::link::{ConnectError, Link, memory, quic, tcp};
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

/// Makes links in memory to those endpoints of this process that it was told of, for tests and benchmarks: it keeps them for as long
/// as it is there, and so do the endpoints that dial through it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct MemoryConnector(Arc<Mutex<BTreeMap<Address, Endpoint>>>);

impl MemoryConnector {
    /// From now on whoever dials the address reaches the endpoint.
    pub fn tell(&self, address: Address, endpoint: Endpoint) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(address, endpoint);
    }
}

impl Connector for MemoryConnector {
    fn connect<'a>(
        &'a self,
        address: &'a Address,
        _: tokio::time::Instant,
        _: &'a (dyn Fn() + Send + Sync),
    ) -> Connecting<'a> {
        let there = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(address).cloned();
        let linked =
            there.ok_or_else(|| ConnectError::Refused { address: address.clone() }).map(|endpoint| {
                let (ours, theirs) = memory::pair();
                endpoint.accept(theirs, "memory".to_owned());
                ours
            });
        Box::pin(ready(linked))
    }
}
