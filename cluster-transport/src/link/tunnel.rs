//! Links through a tunnel: a byte stream that a member carries, with TLS from end to end where the node is configured for it.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::{ConnectError, Link, LinkInfo, TransportKind};
use crate::proto::Address;
use crate::tls::{Shown, Tls, TlsFault, peer_identity};

/// Makes a link of a tunnel that this node has opened.
pub(crate) async fn dialled<S>(
    stream: S,
    tls: Option<&Tls>,
    address: &Address,
    deadline: Instant,
) -> Result<Link, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Some(tls) = tls else { return Ok(Link::over(stream, info(None))) };
    let handshake = timeout_at(deadline, tls.connector().connect(tls.server_name(), stream));
    let address = address.clone();
    match handshake.await {
        Ok(Ok(stream)) => match peer_identity(stream.get_ref().1) {
            Ok(shown) => Ok(Link::over(stream, info(Some(shown)))),
            Err(fault) => Err(ConnectError::Tls { address, fault }),
        },
        Ok(Err(error)) => Err(match TlsFault::of_handshake(error) {
            Ok(fault) => ConnectError::Tls { address, fault },
            Err(source) => ConnectError::Unreachable { address, source },
        }),
        Err(_) => Err(ConnectError::TimedOut { address }),
    }
}

/// Makes a link of a tunnel that another node has opened to this one; or says in words why there is none.
pub(crate) async fn accepted<S>(stream: S, tls: Option<&Tls>, deadline: Instant) -> Result<Link, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Some(tls) = tls else { return Ok(Link::over(stream, info(None))) };
    match timeout_at(deadline, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => match peer_identity(stream.get_ref().1) {
            Ok(shown) => Ok(Link::over(stream, info(Some(shown)))),
            Err(fault) => Err(fault.to_string()),
        },
        Ok(Err(error)) => Err(match TlsFault::of_handshake(error) {
            Ok(fault) => fault.to_string(),
            Err(source) => source.to_string(),
        }),
        Err(_) => Err("TLS took too long".to_owned()),
    }
}

fn info(shown: Option<Shown>) -> LinkInfo {
    let (identity, certificate_end) = Shown::split(shown);
    LinkInfo { transport: TransportKind::Tunnel, identity, certificate_end, local: None, remote: None }
}
