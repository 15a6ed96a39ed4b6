//! What dialling has in common, whatever carries the link: resolving a host, and racing its addresses.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::proto::Address;
use crate::tls::TlsFault;

/// The most addresses of one host that are tried.
const MAX_CANDIDATES: usize = 16;
/// The head start of each address of a host before the next is tried beside it.
const STAGGER: Duration = Duration::from_millis(50);

/// Why an address did not become a link.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// An address of another transport.
    #[error("{address} cannot be dialled over TCP")]
    NotTcp {
        /// The address dialled.
        address: Address,
    },
    /// The host has no address.
    #[error("{address} cannot be resolved: {source}")]
    Resolve {
        /// The address dialled.
        address: Address,
        /// What the resolver said.
        source: io::Error,
    },
    /// The machine is there and nobody listens, on any of its addresses.
    #[error("{address} refused the connection: nothing listens there")]
    Refused {
        /// The address dialled.
        address: Address,
    },
    /// A QUIC address, and this node has no TLS settings.
    #[error(
        "{address} cannot be dialled: QUIC always has TLS, and this node has no TLS settings (give certificate, key and \
         authorities, or write tcp:// in place of quic://)"
    )]
    NoTls {
        /// The address dialled.
        address: Address,
    },
    /// The node there has as many handshakes under way as it takes.
    #[error("{address} is busy: it has as many handshakes under way as it takes")]
    Busy {
        /// The address dialled.
        address: Address,
    },
    /// The machine cannot be reached.
    #[error("{address} is out of reach: {source}")]
    Unreachable {
        /// The address dialled.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// No answer to the connection attempt.
    #[error("{address} did not answer in time")]
    TimedOut {
        /// The address dialled.
        address: Address,
    },
    /// The connection stands, and the TLS handshake has no answer: the process there does not run, or is something else.
    #[error("{address} accepted the connection and then said nothing in time")]
    Silent {
        /// The address dialled.
        address: Address,
    },
    /// The connection stood, and broke off at once or during the TLS handshake.
    #[error("{address} accepted the connection and broke it off: {source}")]
    CutOff {
        /// The address dialled.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// TLS failed.
    #[error("{address} {fault}")]
    Tls {
        /// The address dialled.
        address: Address,
        /// Why, and through whom.
        fault: TlsFault,
    },
}

/// The addresses of a host, at least one; asks the system's resolver.
pub(super) async fn resolve(address: &Address) -> Result<Vec<SocketAddr>, ConnectError> {
    if let Some(ip) = address.ip() {
        return Ok(vec![SocketAddr::new(ip, address.port())]);
    }
    let fail = |source| ConnectError::Resolve { address: address.clone(), source };
    let found = lookup_host((address.host(), address.port())).await.map_err(fail)?;
    let candidates: Vec<_> = found.take(MAX_CANDIDATES).collect();
    if candidates.is_empty() {
        Err(fail(io::Error::other("the host has no address")))
    } else {
        Ok(candidates)
    }
}

/// Tries all candidates, each with a head start on the next. The first success, or every failure in the order they came.
///
/// Cancelling drops all attempts.
pub(super) async fn race<T, E, F>(
    candidates: Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<E>>
where
    T: Send + 'static,
    E: From<io::Error> + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let mut attempts = JoinSet::new();
    for (candidate, head_start) in candidates.into_iter().zip(0..) {
        let attempt = attempt(candidate);
        attempts.spawn(async move {
            sleep(STAGGER * head_start).await;
            attempt.await
        });
    }
    let mut failures = Vec::new();
    while let Some(outcome) = attempts.join_next().await {
        match outcome.unwrap_or_else(|error| Err(io::Error::from(error).into())) {
            Ok(made) => return Ok(made),
            Err(failure) => failures.push(failure),
        }
    }
    Err(failures)
}
