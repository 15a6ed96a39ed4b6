//! Links over QUIC: a stream for the handshake and the control lane, and one for each other lane and direction.
//!
//! TLS is that of TCP: the same certificates, verifiers and application protocol, no tickets, no early data. QUIC's idle
//! timeout and keep-alive are off, for the members' heartbeats decide who is alive; its windows are larger than those of
//! the lanes, so that these decide what may be under way.

mod accept;
mod connect;
mod control;
mod counted;
mod fault;
mod flow;
mod lanes;
mod listener;
mod ping;
mod socket;
#[cfg(test)]
mod tests;

use quinn::crypto::rustls::HandshakeData;
use quinn::{Connection, RecvStream, SendStream};
use rustls::pki_types::CertificateDer;

pub use accept::QuicAccept;
pub use connect::Dialler;
pub use counted::StrangeDatagrams;
pub use lanes::LaneStreams;
pub(crate) use lanes::{LaneReaders, LaneWriters, Misplaced};
pub use listener::Listener;
pub use ping::MIN_DATAGRAM;
pub(super) use ping::ping;

use super::{Link, LinkInfo, TransportKind};
use crate::tls::{Shown, TlsFault, identity_of};
use control::{ControlReader, ControlWriter};
use flow::Flow;

/// The code that a connection is closed with once everything has been said in frames.
const DONE: quinn::VarInt = quinn::VarInt::from_u32(0);

/// A link of a finished QUIC handshake and its first stream, if the peer is somebody.
fn secured(
    connection: Connection,
    (send, receive): (SendStream, RecvStream),
    local_port: Option<u16>,
    flow: Flow,
) -> Result<Link, TlsFault> {
    let shown = connection.peer_identity().and_then(|shown| shown.downcast::<Vec<CertificateDer<'_>>>().ok());
    let agreed = connection.handshake_data().and_then(|agreed| agreed.downcast::<HandshakeData>().ok());
    let protocol = agreed.as_ref().and_then(|agreed| agreed.protocol.as_deref());
    let Shown { identity, not_after } = identity_of(protocol, shown.as_ref().map(|chain| chain.as_slice()))?;
    let info = LinkInfo {
        transport: TransportKind::Quic,
        identity,
        certificate_end: Some(not_after),
        local: connection.local_ip().zip(local_port).map(Into::into),
        remote: Some(connection.remote_address()),
    };
    Ok(Link {
        reader: Box::new(ControlReader::new(receive)),
        writer: Box::new(ControlWriter::new(connection.clone(), send)),
        lanes: Some(LaneStreams::new(connection, flow)),
        info,
    })
}
