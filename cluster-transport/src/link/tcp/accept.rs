//! From an accepted connection to a link: who is there is told from the first byte, before any TLS.

use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::farewell::farewell;
use super::{WantedLifeLine, plaintext, secured, tune};
use crate::link::Link;
use crate::link::speech::{MAX_FIRST_BYTES, Speech};
use crate::tls::{Tls, TlsFault};

/// Why an accepted connection did not become a link.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// An HTTP client at the wrong port; it was told so.
    #[error("{remote} sent an HTTP request to the cluster port")]
    Http {
        /// The peer's end.
        remote: SocketAddr,
    },
    /// A peer with TLS settings, we have none; it was told so.
    #[error("{remote} speaks TLS, but this node has no TLS settings")]
    TlsToPlaintext {
        /// The peer's end.
        remote: SocketAddr,
    },
    /// A peer without TLS settings, we have some; it was told so.
    #[error("{remote} speaks the cluster protocol without TLS, which this node requires")]
    PlaintextToTls {
        /// The peer's end.
        remote: SocketAddr,
    },
    /// Neither a member nor a browser.
    #[error("{remote} speaks neither the cluster protocol nor TLS: it began with {first:02x?}")]
    Stranger {
        /// The peer's end.
        remote: SocketAddr,
        /// The first bytes, at most eight.
        first: Vec<u8>,
    },
    /// The peer closed without a byte, as health checks of load balancers do.
    #[error("{remote} connected and closed without a byte")]
    Silent {
        /// The peer's end.
        remote: SocketAddr,
    },
    /// The peer was too slow.
    #[error("{remote} did not finish its handshake in time")]
    TimedOut {
        /// The peer's end.
        remote: SocketAddr,
    },
    /// TLS failed.
    #[error("{remote} {fault}")]
    Tls {
        /// The peer's end.
        remote: SocketAddr,
        /// Why, and through whom.
        fault: TlsFault,
    },
    /// The connection broke.
    #[error("the connection of {remote} broke: {source}")]
    Io {
        /// The peer's end.
        remote: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// An accepted connection of which nothing has been read.
#[derive(Debug)]
pub struct TcpAccept {
    stream: TcpStream,
    remote: SocketAddr,
}

impl TcpAccept {
    pub(super) fn new(stream: TcpStream, remote: SocketAddr) -> Self {
        Self { stream, remote }
    }

    /// The peer's end.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Whether it is a life line and no link. False if nothing comes by the deadline. Cancel safe.
    pub async fn is_life_line(&self, deadline: Instant) -> bool {
        let first = timeout_at(deadline, self.first_byte()).await;
        first.is_ok_and(|first| first.is_ok_and(|first| Speech::of(&[first]) == Speech::LifeLine))
    }

    /// Reads which session a life line is for.
    ///
    /// # Errors
    /// When it does not say so by the deadline.
    pub async fn life_line(self, deadline: Instant) -> io::Result<WantedLifeLine> {
        WantedLifeLine::read(self.stream, deadline).await
    }

    /// Makes a link of it, with TLS if there is any, by the deadline; who does not belong here is told so.
    ///
    /// Telling can take a second more. Cancelling closes the connection.
    pub async fn secure(self, tls: Option<&Tls>, deadline: Instant) -> Result<Link, AcceptError> {
        let remote = self.remote;
        tune(&self.stream).map_err(|source| AcceptError::Io { remote, source })?;
        let first = timeout_at(deadline, self.first_byte());
        let first = first.await.map_err(|_| AcceptError::TimedOut { remote })??;
        match (Speech::of(&[first]), tls) {
            (Speech::Cluster, None) => Ok(plaintext(self.stream)),
            (Speech::Tls, Some(tls)) => self.secured(tls, deadline).await,
            (Speech::Cluster, Some(_)) => {
                farewell(self.stream, ALERT).await;
                Err(AcceptError::PlaintextToTls { remote })
            }
            (Speech::Tls, None) => {
                farewell(self.stream, NO_TLS).await;
                Err(AcceptError::TlsToPlaintext { remote })
            }
            (Speech::Http | Speech::LifeLine | Speech::Other, _) => Err(self.refuse_stranger(deadline).await),
        }
    }

    /// The first byte, left where it is.
    async fn first_byte(&self) -> Result<u8, AcceptError> {
        let remote = self.remote;
        let mut first = [0];
        match self.stream.peek(&mut first).await {
            Ok(0) => Err(AcceptError::Silent { remote }),
            Ok(_) => Ok(first[0]),
            Err(source) => Err(AcceptError::Io { remote, source }),
        }
    }

    async fn secured(self, tls: &Tls, deadline: Instant) -> Result<Link, AcceptError> {
        let remote = self.remote;
        let handshake = tls.acceptor().accept(self.stream).into_fallible();
        match timeout_at(deadline, handshake).await {
            Ok(Ok(stream)) => secured(stream.into()).map_err(|fault| AcceptError::Tls { remote, fault }),
            Ok(Err((error, stream))) => {
                // The alert that says why is on its way already.
                farewell(stream, &[]).await;
                Err(match TlsFault::of_handshake(error) {
                    Ok(fault) => AcceptError::Tls { remote, fault },
                    Err(source) => AcceptError::Io { remote, source },
                })
            }
            Err(_) => Err(AcceptError::TimedOut { remote }),
        }
    }

    async fn refuse_stranger(mut self, deadline: Instant) -> AcceptError {
        let remote = self.remote;
        let mut first = Vec::with_capacity(MAX_FIRST_BYTES);
        match timeout_at(deadline, first_bytes(&mut self.stream, &mut first)).await {
            Err(_) => return AcceptError::TimedOut { remote },
            Ok(Err(source)) => return AcceptError::Io { remote, source },
            Ok(Ok(())) => {}
        }
        if Speech::of(&first) == Speech::Http {
            farewell(self.stream, http_refusal().as_bytes()).await;
            return AcceptError::Http { remote };
        }
        AcceptError::Stranger { remote, first }
    }
}

/// Reads on until the bytes tell who speaks, or are as many as are looked at.
async fn first_bytes(stream: &mut TcpStream, first: &mut Vec<u8>) -> io::Result<()> {
    let mut limited = stream.take(MAX_FIRST_BYTES as u64);
    while Speech::of(first) == Speech::Other {
        if limited.read_buf(first).await? == 0 {
            break;
        }
    }
    Ok(())
}

fn http_refusal() -> String {
    let body = "This is the cluster port: members talk here, and not HTTP. The API has a port of its own.\n";
    let length = body.len();
    format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// A TLS alert, fatal, handshake failure: whoever reads it knows that TLS is spoken here.
const ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
/// What a TLS client sees is no TLS, and what a person at one reads.
const NO_TLS: &[u8] = b"This cluster port has no TLS.\n";
