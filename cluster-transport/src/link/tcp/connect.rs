//! Dialling: from an address to a link.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::farewell::farewell;
use super::{plaintext, secured, tune};
use crate::link::dial::{race, resolve};
use crate::link::{ConnectError, Link};
use crate::proto::Address;
use crate::proto::address::Scheme;
use crate::tls::{Tls, TlsFault};

/// Dials an address and makes a link of the connection, with TLS if there is any, by the deadline.
///
/// The system's resolver is asked; of several addresses each gets a head start of 50 ms on the next, and the first that
/// connects is taken. A link with TLS is not accepted yet: the peer's refusal of our certificate shows at the first
/// read, as [`TlsFault::RefusedOurs`]. Telling a peer why it is refused can take a second more than the deadline.
/// Cancelling closes whatever was begun.
pub async fn connect(address: &Address, tls: Option<&Tls>, deadline: Instant) -> Result<Link, ConnectError> {
    connect_telling(address, tls, deadline, &|| {}).await
}

/// As [`connect`], and tells when the connection stands and TLS has yet to begin: from then on it is the process there that does
/// not answer, not its host.
///
/// # Errors
/// As [`connect`].
pub async fn connect_telling(
    address: &Address,
    tls: Option<&Tls>,
    deadline: Instant,
    reached: &(dyn Fn() + Send + Sync),
) -> Result<Link, ConnectError> {
    if address.scheme() != Scheme::Tcp {
        return Err(ConnectError::NotTcp { address: address.clone() });
    }
    let connected = timeout_at(deadline, async { connect_to_any(address, resolve(address).await?).await });
    let stream = connected.await.map_err(|_| ConnectError::TimedOut { address: address.clone() })??;
    reached();
    match tls {
        None => Ok(plaintext(stream)),
        Some(tls) => handshake(stream, tls, address, deadline).await,
    }
}

/// The first connection that stands, or the error that says most: a refusal only if every candidate refused.
async fn connect_to_any(address: &Address, candidates: Vec<SocketAddr>) -> Result<TcpStream, ConnectError> {
    race(candidates, connect_to).await.map_err(|failures| {
        let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        let address = address.clone();
        match failures.into_iter().rfind(|error| !refused(error)) {
            None => ConnectError::Refused { address },
            Some(source) if was_cut_off(&source) => ConnectError::CutOff { address, source },
            Some(source) => ConnectError::Unreachable { address, source },
        }
    })
}

/// Whether a connection stood and was broken off before this side had looked at it.
fn was_cut_off(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}

async fn connect_to(candidate: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(candidate).await?;
    // A local port that is dialled while nobody listens can be given to the dialler itself, which then talks to itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    tune(&stream)?;
    Ok(stream)
}

async fn handshake(
    stream: TcpStream,
    tls: &Tls,
    address: &Address,
    deadline: Instant,
) -> Result<Link, ConnectError> {
    let handshake = tls.connector().connect(tls.server_name(), stream).into_fallible();
    let address = address.clone();
    match timeout_at(deadline, handshake).await {
        Ok(Ok(stream)) => secured(stream.into()).map_err(|fault| ConnectError::Tls { address, fault }),
        Ok(Err((error, stream))) => {
            // The alert that says why is on its way already.
            farewell(stream, &[]).await;
            Err(match TlsFault::of_handshake(error) {
                Ok(fault) => ConnectError::Tls { address, fault },
                Err(source) => ConnectError::CutOff { address, source },
            })
        }
        Err(_) => Err(ConnectError::Silent { address }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::tcp::Listener;
    use crate::link::tcp::tests::nobody;

    async fn to_any(candidates: Vec<SocketAddr>) -> Result<SocketAddr, String> {
        let stream = connect_to_any(&"host:1".parse().unwrap(), candidates).await;
        stream.map(|stream| stream.peer_addr().unwrap()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn one_good_address_of_a_host_suffices() {
        let (_taken, nobody) = nobody();
        let somebody = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_eq!(to_any(vec![nobody, somebody.local_addr()]).await, Ok(somebody.local_addr()));
    }

    #[test]
    fn a_reset_that_comes_before_the_first_look_is_no_host_out_of_reach() {
        for (kind, cut_off) in [
            (io::ErrorKind::ConnectionReset, true),
            (io::ErrorKind::NotConnected, true),
            (io::ErrorKind::HostUnreachable, false),
            (io::ErrorKind::ConnectionRefused, false),
        ] {
            assert_eq!(was_cut_off(&kind.into()), cut_off, "{kind}");
        }
    }

    #[tokio::test]
    async fn a_host_refuses_only_if_all_its_addresses_do() {
        let (_taken, nobody) = nobody();
        let refused = "tcp://host:1 refused the connection: nothing listens there";
        assert_eq!(to_any(vec![nobody, nobody]).await, Err(refused.to_owned()));
        // Broadcast: TCP has no way there on any machine.
        let nowhere = "255.255.255.255:1".parse().unwrap();
        let error = to_any(vec![nowhere, nobody]).await.unwrap_err();
        assert!(error.starts_with("tcp://host:1 is out of reach: "), "{error}");
    }
}
