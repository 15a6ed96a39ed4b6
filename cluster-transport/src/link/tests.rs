//! What holds of links over TCP with TLS and over QUIC alike: who meets, who is refused, and in which words.

mod members;
mod refusals;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::{AcceptError, ConnectError, Link, LinkFault, quic, tcp};
use crate::proto::Address;
use crate::proto::address::Scheme;
use crate::proto::lanes::LaneSettings;
use crate::tls::Tls;

/// What the links are carried by.
const SCHEMES: [Scheme; 2] = [Scheme::Tcp, Scheme::Quic];

/// When a test gives up; nothing waits for it.
fn eventually() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

enum Listener {
    Tcp(tcp::Listener, Tls),
    Quic(Box<quic::Listener>),
}

impl Listener {
    fn bind(scheme: Scheme, address: &str, tls: &Tls) -> Self {
        let address = address.parse().unwrap();
        match scheme {
            Scheme::Tcp => Self::Tcp(tcp::Listener::bind(address).unwrap(), tls.clone()),
            Scheme::Quic => {
                let windows = LaneSettings::default().windows;
                Self::Quic(Box::new(quic::Listener::bind(address, tls.clone(), &windows).unwrap()))
            }
            Scheme::Tunnel => panic!("nobody listens for tunnels"),
        }
    }

    fn local_addr(&self) -> SocketAddr {
        match self {
            Self::Tcp(listener, _) => listener.local_addr(),
            Self::Quic(listener) => listener.local_addr(),
        }
    }

    fn address(&self) -> Address {
        let scheme = if matches!(self, Self::Tcp(..)) { Scheme::Tcp } else { Scheme::Quic };
        Address::from_ip(scheme, self.local_addr().ip(), self.local_addr().port())
    }

    /// The next connection, and where it is from.
    async fn accept(&mut self) -> (Result<Link, AcceptError>, SocketAddr) {
        match self {
            Self::Tcp(listener, tls) => {
                let accepted = listener.accept().await;
                let remote = accepted.remote();
                (accepted.secure(Some(tls), eventually()).await, remote)
            }
            Self::Quic(listener) => {
                let accepted = listener.accept().await.unwrap();
                let remote = accepted.remote();
                (accepted.secure(eventually()).await, remote)
            }
        }
    }
}

async fn dial(address: &Address, tls: &Tls) -> Result<Link, ConnectError> {
    match address.scheme() {
        Scheme::Tcp => tcp::connect(address, Some(tls), eventually()).await,
        Scheme::Quic => {
            let dialler = quic::Dialler::new(tls.clone(), &LaneSettings::default().windows);
            dialler.connect(address, eventually(), &|| {}).await
        }
        Scheme::Tunnel => panic!("{address} has no socket"),
    }
}

/// Both ends of a link that must come about: the dialler's and the acceptor's.
async fn meet(listener: &mut Listener, dialler: &Tls) -> (Link, Link) {
    let address = listener.address();
    let dialled = async {
        let mut link = dial(&address, dialler).await.unwrap();
        link.writer.write_all(&[0]).await.unwrap();
        link.writer.flush().await.unwrap();
        link
    };
    let accepted = async {
        let mut link = listener.accept().await.0.unwrap();
        link.reader.read_u8().await.unwrap();
        link
    };
    tokio::join!(dialled, accepted)
}

/// What both ends say of a link that must not come about: the dialler, at the latest at its first read, and the acceptor.
async fn clash(scheme: Scheme, dialler: &Tls, acceptor: &Tls) -> (String, String) {
    let mut listener = Listener::bind(scheme, "127.0.0.1:0", acceptor);
    let address = listener.address();
    let dialled = async {
        match dial(&address, dialler).await {
            Err(error) => error.to_string(),
            Ok(mut link) => {
                // A session sends its first frame at once; that must not cost it the reason.
                let _ = link.writer.write_all(&[0; 1000]).await;
                let _ = link.writer.flush().await;
                let error = link.reader.read_u8().await.unwrap_err();
                format!("{address} {}", LinkFault::from(error))
            }
        }
    };
    let accepted = async {
        let (outcome, remote) = listener.accept().await;
        outcome.unwrap_err().to_string().replace(&remote.to_string(), "DIALLER")
    };
    let (dialled, accepted) = tokio::join!(dialled, accepted);
    (dialled.replace(address.as_str(), "ACCEPTOR"), accepted)
}
