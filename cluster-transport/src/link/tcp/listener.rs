//! The listening socket, which outlives every error of accepting.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

use super::TcpAccept;

/// Connections that the kernel holds for us until they are accepted.
const BACKLOG: i32 = 1024;
/// The first pause after an error of accepting, doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two attempts to accept.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Somebody listens there already.
    #[error("cannot listen on {address}: the port is in use (stop the other process, or bind another port)")]
    InUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// This machine does not have that address.
    #[error("cannot listen on {address}: no network interface of this machine has that address")]
    NotLocal {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The system does not let this process listen there.
    #[error("cannot listen on {address}: permission denied (ports below 1024 need a privilege)")]
    Denied {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    pub(in crate::link) fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::AddrNotAvailable => Self::NotLocal { address },
            io::ErrorKind::PermissionDenied => Self::Denied { address },
            _ => Self::Other { address, source },
        }
    }
}

/// A listening TCP socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    local: SocketAddr,
    pause: Pause,
}

impl Listener {
    /// Listens on an address; port 0 takes a free one. An IPv6 address means IPv6 alone. Must be called within a tokio
    /// runtime.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let fail = |source| BindError::new(address, source);
        let socket = TcpListener::from_std(listening(address).map_err(fail)?).map_err(fail)?;
        let local = socket.local_addr().map_err(fail)?;
        Ok(Self { socket, local, pause: Pause::default() })
    }

    /// The address that is listened on, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The next connection, nothing of it read yet.
    ///
    /// Errors of accepting (no more file descriptors, for one) are logged and waited out, 50 ms at first and up to 1 s.
    /// Cancel safe: no connection is lost, and a pause goes on at the next call.
    pub async fn accept(&mut self) -> TcpAccept {
        loop {
            if let Some(until) = self.pause.until {
                sleep_until(until).await;
            }
            match self.socket.accept().await {
                Ok((stream, remote)) => return self.accepted(stream, remote),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => self.failed(&error),
            }
        }
    }

    fn accepted(&mut self, stream: TcpStream, remote: SocketAddr) -> TcpAccept {
        if self.pause != Pause::default() {
            tracing::info!(address = %self.local, "connections are accepted again");
        }
        self.pause = Pause::default();
        TcpAccept::new(stream, remote)
    }

    fn failed(&mut self, error: &io::Error) {
        if self.pause == Pause::default() {
            tracing::warn!(address = %self.local, %error, "no connections can be accepted for now");
        }
        self.pause = self.pause.longer(Instant::now());
    }
}

/// The wait between failed attempts to accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pause {
    length: Duration,
    until: Option<Instant>,
}

impl Pause {
    fn longer(self, now: Instant) -> Self {
        let length = (self.length * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        Self { length, until: Some(now + length) }
    }
}

/// A peer that went away before it was accepted is no reason to wait.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

fn listening(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // The families are bound one by one; without this, [::] would take the port of 0.0.0.0 too.
        socket.set_only_v6(true)?;
    }
    // On Windows this option would let two processes share a port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr();
        assert_eq!(
            Listener::bind(address).unwrap_err().to_string(),
            format!(
                "cannot listen on {address}: the port is in use (stop the other process, or bind another port)"
            )
        );
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_named() {
        // TEST-NET-1 of RFC 5737: on no machine.
        let error = Listener::bind("192.0.2.1:0".parse().unwrap()).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot listen on 192.0.2.1:0: no network interface of this machine has that address"
        );
    }

    #[tokio::test]
    async fn both_families_fit_on_one_port() {
        let four = Listener::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let six = SocketAddr::new("::".parse().unwrap(), four.local_addr().port());
        assert_eq!(Listener::bind(six).unwrap().local_addr(), six);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_outlives_a_cancelled_accept_and_ends_with_a_connection() {
        let mut listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr()).unwrap();
        let start = Instant::now();
        listener.failed(&io::Error::other("no file descriptor is left"));
        assert!(timeout(Duration::from_millis(30), listener.accept()).await.is_err());
        listener.accept().await;
        let waited = start.elapsed();
        assert!((50..60).contains(&waited.as_millis()), "{waited:?}");
        assert_eq!(listener.pause, Pause::default());
    }

    #[test]
    fn pauses_double_from_50_ms_to_a_second() {
        let now = Instant::now();
        let lengths: Vec<u128> =
            std::iter::successors(Some(Pause::default()), |pause| Some(pause.longer(now)))
                .skip(1)
                .take(7)
                .map(|pause| (pause.until.unwrap() - now).as_millis())
                .collect();
        assert_eq!(lengths, [50, 100, 200, 400, 800, 1000, 1000]);
    }
}
