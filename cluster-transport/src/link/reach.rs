//! Whether a process can be dialled at an address, found out without becoming its peer.
//!
//! Over TCP a connection is made and closed. Over QUIC a packet of a version that nobody speaks is sent, in a datagram of the
//! size that every QUIC handshake begins with, and a server answers which versions it speaks (RFC 9000, section 6): it keeps
//! nothing of it, and neither side needs a certificate. The datagram may not be cut into fragments, as QUIC's own may not.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::dial::{race, resolve};
use super::quic::{MIN_DATAGRAM, ping};
use crate::proto::Address;
use crate::proto::address::Scheme;

/// Why nobody was reached. The text does not name the address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReachError {
    /// The host has no address.
    #[error("{0}")]
    Resolve(String),
    /// The system says that there is no way, or that nothing listens.
    #[error(transparent)]
    Failed(#[from] io::Error),
    /// No answer.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// The machine says that nothing listens at this UDP port.
    #[error("nothing listens at this port of UDP")]
    NoUdp,
    /// The least that QUIC needs is more than an interface or the path takes.
    #[error(
        "datagrams of {MIN_DATAGRAM} bytes, the least that QUIC needs, do not fit: the MTU of the interface or of the path \
         is below {needed} bytes"
    )]
    TooLarge {
        /// The least MTU that will do, in bytes.
        needed: u16,
    },
    /// The same port answers over TCP.
    #[error(
        "TCP answers there and UDP does not: a firewall drops UDP, or datagrams of {MIN_DATAGRAM} bytes do not fit \
         through, because the MTU of the path is below {needed} bytes"
    )]
    TcpAlone {
        /// The least MTU that will do, in bytes.
        needed: u16,
    },
    /// An address that is not dialled over a network.
    #[error("no other node can dial this kind of address")]
    NotDialled,
}

/// Finds out whether a process answers at an address. At most `patience`, and for an address of QUIC that is silent as long
/// again. Cancel safe.
///
/// # Errors
/// Why none does, as far as that can be seen from here.
pub async fn reach(address: &Address, patience: Duration) -> Result<(), ReachError> {
    let over_tcp = || timeout(patience, over_tcp(address));
    match address.scheme() {
        Scheme::Tcp => over_tcp().await.unwrap_or(Err(ReachError::Silent(patience))).map(|_| ()),
        Scheme::Quic => match timeout(patience, over_udp(address, patience)).await {
            Ok(outcome) => outcome,
            // Who listens for QUIC listens at the same port of TCP.
            Err(_) => Err(match over_tcp().await {
                Ok(Ok(there)) => ReachError::TcpAlone { needed: least_mtu(there) },
                _ => ReachError::Silent(patience),
            }),
        },
        Scheme::Tunnel => Err(ReachError::NotDialled),
    }
}

/// Where a connection was accepted.
async fn over_tcp(address: &Address) -> Result<SocketAddr, ReachError> {
    let connect = |candidate| async move { Ok(TcpStream::connect(candidate).await.map(|_| candidate)?) };
    race(candidates(address).await?, connect).await.map_err(first_of)
}

async fn over_udp(address: &Address, patience: Duration) -> Result<(), ReachError> {
    let ask = move |candidate| async move {
        ping(candidate, patience).await.map_err(|error| match error {
            error if is_too_large(&error) => ReachError::TooLarge { needed: least_mtu(candidate) },
            error if error.kind() == io::ErrorKind::ConnectionRefused => ReachError::NoUdp,
            error => ReachError::Failed(error),
        })
    };
    race(candidates(address).await?, ask).await.map_err(first_of)
}

async fn candidates(address: &Address) -> Result<Vec<SocketAddr>, ReachError> {
    resolve(address).await.map_err(|error| ReachError::Resolve(error.to_string()))
}

fn first_of(failures: Vec<ReachError>) -> ReachError {
    let nothing = || ReachError::Resolve("it has no address".to_owned());
    failures.into_iter().next().unwrap_or_else(nothing)
}

/// The least MTU, in bytes, that QUIC can do with on the way to this address.
pub fn least_mtu(to: SocketAddr) -> u16 {
    let headers = if to.is_ipv4() { IPV4_AND_UDP } else { IPV6_AND_UDP };
    MIN_DATAGRAM + headers
}

/// The standard library has no kind of its own for it.
fn is_too_large(error: &io::Error) -> bool {
    error.raw_os_error() == Some(EMSGSIZE)
}

const IPV4_AND_UDP: u16 = 20 + 8;
const IPV6_AND_UDP: u16 = 40 + 8;
/// What a message that does not fit is told as, on Linux; on other systems such a message is a failure without a remedy.
const EMSGSIZE: i32 = 90;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    const SOON: Duration = Duration::from_millis(300);

    fn at(scheme: &str, port: u16) -> Address {
        format!("{scheme}://127.0.0.1:{port}").parse().unwrap()
    }

    fn text(outcome: Result<(), ReachError>) -> String {
        outcome.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn over_tcp_a_listener_is_reached_and_a_closed_port_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        reach(&at("tcp", port), SOON).await.unwrap();
        drop(listener);
        assert_eq!(text(reach(&at("tcp", port), SOON).await), "Connection refused (os error 111)");
    }

    #[tokio::test]
    async fn a_port_of_tcp_alone_and_one_that_swallows_datagrams_are_told_apart() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        assert_eq!(text(reach(&at("quic", port), SOON).await), "nothing listens at this port of UDP");
        let udp = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        assert_eq!(
            text(reach(&at("quic", port), SOON).await),
            "TCP answers there and UDP does not: a firewall drops UDP, or datagrams of 1200 bytes do not fit through, \
             because the MTU of the path is below 1228 bytes"
        );
        drop(tcp);
        assert_eq!(text(reach(&at("quic", port), SOON).await), "no answer within 300ms");
        // What was sent has the size that was promised.
        let mut datagram = [0; 2_000];
        assert_eq!(udp.recv(&mut datagram).unwrap(), usize::from(MIN_DATAGRAM));
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_mtu_that_would_do() {
        assert!(is_too_large(&io::Error::from_raw_os_error(EMSGSIZE)));
        assert_eq!(least_mtu("[::1]:1".parse().unwrap()), 1248);
        let told = ReachError::TooLarge { needed: 1228 }.to_string();
        assert!(told.ends_with("the MTU of the interface or of the path is below 1228 bytes"), "{told}");
    }
}
