//! Dialling over QUIC.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use quinn::{ClientConfig, Connecting, Connection, ConnectionError, Endpoint};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::{Flow, StrangeDatagrams, fault, secured, socket};
use crate::link::dial::{race, resolve};
use crate::link::{ConnectError, Link, LinkFault};
use crate::proto::{Address, PerLane};
use crate::tls::{Tls, TlsFault, Witness};

/// Dials over QUIC, from one UDP socket for each family of addresses, which is bound at the first dial.
#[derive(Debug)]
pub struct Dialler {
    tls: Tls,
    flow: Flow,
    v4: Mutex<Option<Endpoint>>,
    v6: Mutex<Option<Endpoint>>,
}

impl Dialler {
    /// With the windows that this node's lanes grant.
    pub fn new(tls: Tls, windows: &PerLane<u32>) -> Self {
        Self { tls, flow: Flow::new(windows), v4: Mutex::default(), v6: Mutex::default() }
    }

    /// Dials an address and makes a link of the connection by the deadline.
    ///
    /// `reached` is called when the process there has answered. As over TCP, the peer's refusal of our certificate shows at the
    /// first read. Where nothing listens nobody says so: that ends at the deadline. Must be called within a tokio runtime;
    /// cancelling closes whatever was begun.
    ///
    /// # Errors
    /// As those of [`tcp::connect`](crate::link::tcp::connect).
    pub async fn connect(
        &self,
        address: &Address,
        deadline: Instant,
        reached: &(dyn Fn() + Send + Sync),
    ) -> Result<Link, ConnectError> {
        let witness = Witness::default();
        let tls_fault = |fault| ConnectError::Tls { address: address.clone(), fault };
        let mut config = ClientConfig::new(Arc::new(self.tls.quic_client(&witness).map_err(tls_fault)?));
        config.transport_config(self.flow.transport());
        let answered = Arc::new(Notify::new());
        let mut is_reached = false;
        let connecting = async {
            let candidates = resolve(address).await?;
            let attempt = |candidate| self.attempt(candidate, config.clone(), Arc::clone(&answered));
            let race = race(candidates, attempt);
            tokio::pin!(race);
            loop {
                tokio::select! {
                    biased;
                    () = answered.notified(), if !is_reached => {
                        is_reached = true;
                        reached();
                    }
                    outcome = &mut race => {
                        return outcome.map_err(|failures| error_of(address, failures, &witness));
                    }
                }
            }
        };
        let connected = timeout_at(deadline, connecting).await;
        let address = address.clone();
        let connection = match connected {
            Ok(connected) => connected?,
            Err(_) if is_reached => return Err(ConnectError::Silent { address }),
            Err(_) => return Err(ConnectError::TimedOut { address }),
        };
        match timeout_at(deadline, connection.open_bi()).await {
            Ok(Ok(stream)) => secured(connection, stream, None, self.flow)
                .map_err(|fault| ConnectError::Tls { address, fault }),
            Ok(Err(error)) => Err(error_of(&address, vec![error.into()], &witness)),
            Err(_) => Err(ConnectError::Silent { address }),
        }
    }

    fn attempt(
        &self,
        candidate: SocketAddr,
        config: ClientConfig,
        answered: Arc<Notify>,
    ) -> impl Future<Output = Result<Connection, Failure>> + Send + 'static {
        let connecting = self.begin(candidate, config);
        async move {
            let mut connecting = connecting?;
            connecting.handshake_data().await?;
            answered.notify_one();
            Ok(connecting.await?)
        }
    }

    fn begin(&self, candidate: SocketAddr, config: ClientConfig) -> Result<Connecting, Failure> {
        let (kept, any): (_, SocketAddr) = match candidate {
            SocketAddr::V4(_) => (&self.v4, (Ipv4Addr::UNSPECIFIED, 0).into()),
            SocketAddr::V6(_) => (&self.v6, (Ipv6Addr::UNSPECIFIED, 0).into()),
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoint = match &*kept {
            Some(endpoint) => endpoint,
            None => kept.insert(socket::endpoint(any, None, StrangeDatagrams::default())?),
        };
        let name = self.tls.server_name();
        let begun = endpoint.connect_with(config, candidate, &name.to_str());
        begun.map_err(|error| Failure::Io(io::Error::other(error)))
    }
}

/// Why an attempt came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Quic(#[from] ConnectionError),
}

/// The failure that says most, of the attempts at one address: what a process there said goes before what the system said.
fn error_of(address: &Address, failures: Vec<Failure>, witness: &Witness) -> ConnectError {
    let address = address.clone();
    let mut unreachable = io::Error::other("it has no address");
    for failure in failures {
        match failure {
            Failure::Quic(error) if fault::is_busy(&error) => return ConnectError::Busy { address },
            Failure::Quic(error) => match fault::of_handshake(error, witness) {
                LinkFault::Tls(fault) => return ConnectError::Tls { address, fault },
                LinkFault::Closed => return ConnectError::Tls { address, fault: TlsFault::Closed },
                LinkFault::Reset => unreachable = io::ErrorKind::ConnectionReset.into(),
                LinkFault::Io(source) => unreachable = source,
            },
            Failure::Io(source) => unreachable = source,
        }
    }
    ConnectError::Unreachable { address, source: unreachable }
}
