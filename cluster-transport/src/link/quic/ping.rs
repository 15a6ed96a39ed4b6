//! A sign of life of a QUIC server, without a connection: it names the versions that it speaks.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use quinn::udp::{UdpSockRef, UdpSocketState};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// The size of the datagrams that every QUIC handshake begins with, in bytes of UDP payload.
pub const MIN_DATAGRAM: u16 = 1_200;
/// How often one is sent within the patience: datagrams get lost.
const TRIES: u32 = 4;
/// A version that the standard keeps free for this (RFC 9000, section 15).
const NO_VERSION: [u8; 4] = [0x1a, 0x2a, 0x3a, 0x4a];
/// A long header, and the bit that all versions have.
const LONG_HEADER: u8 = 0xc0;
const ID_LENGTH: u8 = 8;

/// Sends datagrams of [`MIN_DATAGRAM`] that may not be cut into fragments until one is answered. Never ends if none is.
///
/// # Errors
/// What the system said: that it does not fit, that nothing listens, that there is no way.
pub(in crate::link) async fn ping(to: SocketAddr, patience: Duration) -> io::Result<()> {
    let any: SocketAddr =
        if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    // Sets what quinn sets on its own sockets, among it that nothing is cut into fragments.
    UdpSocketState::new(UdpSockRef::from(&socket))?;
    // A socket that is connected is told what comes back by ICMP.
    socket.connect(to).await?;
    let ids = [random_id(), random_id()];
    let datagram = datagram(&ids);
    let mut answer = [0; MIN_DATAGRAM as usize];
    loop {
        socket.send(&datagram).await?;
        let answered = async {
            loop {
                let length = socket.recv(&mut answer).await?;
                if answer.get(..length).is_some_and(|answer| names_versions(answer, &ids)) {
                    return Ok(());
                }
            }
        };
        if let Ok(outcome) = timeout(patience / TRIES, answered).await {
            return outcome;
        }
    }
}

/// The ids of both ends.
type Ids = [[u8; ID_LENGTH as usize]; 2];

/// Nothing depends on it but that an answer to somebody else is not taken for one to us.
fn random_id() -> [u8; ID_LENGTH as usize] {
    RandomState::new().build_hasher().finish().to_be_bytes()
}

/// ```text
/// long header: 1 | version: 4 | 8 | destination: 8 | 8 | source: 8 | zeros
/// ```
fn datagram([destination, source]: &Ids) -> Vec<u8> {
    let mut bytes = vec![LONG_HEADER];
    bytes.extend(NO_VERSION);
    for id in [destination, source] {
        bytes.push(ID_LENGTH);
        bytes.extend(id);
    }
    bytes.resize(MIN_DATAGRAM.into(), 0);
    bytes
}

/// Whether this is a packet of version 0 with our ids the other way round.
fn names_versions(answer: &[u8], [destination, source]: &Ids) -> bool {
    let mut wanted = vec![0; 4];
    for id in [source, destination] {
        wanted.push(ID_LENGTH);
        wanted.extend(id);
    }
    answer.split_first().is_some_and(|(first, rest)| first & 0x80 != 0 && rest.starts_with(&wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_packet_of_version_zero_with_our_ids_is_an_answer() {
        let ids = [[1; 8], [2; 8]];
        let mut answer = datagram(&[ids[1], ids[0]]);
        assert!(!names_versions(&answer, &ids), "it has a version");
        answer[1..5].fill(0);
        assert!(names_versions(&answer, &ids));
        assert!(!names_versions(&answer, &[[1; 8], [3; 8]]), "it is for somebody else");
        assert!(!names_versions(&answer[..20], &ids), "it is cut");
        assert!(!names_versions(&[], &ids));
    }
}
