//! Links over TCP, with TLS where the node is configured for it.

mod accept;
mod connect;
mod farewell;
mod life_line;
mod listener;
#[cfg(test)]
mod tests;

use std::io;

use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

pub use accept::{AcceptError, TcpAccept};
pub use connect::{connect, connect_telling};
pub use life_line::{LifeLine, LifeLineEnd, WantedLifeLine};
pub use listener::{BindError, Listener};

pub use super::ConnectError;
use super::{Link, LinkInfo, TransportKind};
use crate::proto::endpoint::settings::DEFAULT_WRITE_TIMEOUT;
use crate::tls::{Shown, TlsFault, peer_identity};

/// The unsent bytes that the kernel queues on a connection before it asks for no more.
///
/// What waits here can no longer be overtaken by a more urgent lane, and nothing is gained by more: the kernel asks again
/// long before it runs dry.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 128 * 1024;

/// Sets what a link needs of its socket.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let socket = socket2::SockRef::from(stream);
        socket.set_tcp_notsent_lowat(UNSENT)?;
        // Of a peer whose machine is gone a little that was written would never be heard of again.
        socket.set_tcp_user_timeout(Some(DEFAULT_WRITE_TIMEOUT))?;
    }
    Ok(())
}

fn plaintext(stream: TcpStream) -> Link {
    let info = info(&stream, TransportKind::Tcp, None);
    let (reader, writer) = stream.into_split();
    Link::new(Box::new(reader), Box::new(writer), info)
}

/// A link of a finished TLS handshake, if the peer is somebody.
fn secured(stream: TlsStream<TcpStream>) -> Result<Link, TlsFault> {
    let (tcp, connection) = stream.get_ref();
    let info = info(tcp, TransportKind::TcpTls, Some(peer_identity(connection)?));
    Ok(Link::over(stream, info))
}

fn info(stream: &TcpStream, transport: TransportKind, shown: Option<Shown>) -> LinkInfo {
    let (identity, certificate_end) = Shown::split(shown);
    let (local, remote) = (stream.local_addr().ok(), stream.peer_addr().ok());
    LinkInfo { transport, identity, certificate_end, local, remote }
}
