//! A UDP socket that counts what cannot be QUIC.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

/// The shortest packet of a connection: the first byte, our connection ids of 8 bytes, and what header protection reads
/// (RFC 9001, section 5.4.2).
const SHORTEST: usize = 1 + 8 + 4 + 16;
/// The bit of the first byte that tells a long header, and the one version that is spoken (RFC 8999, section 5.1).
const LONG: u8 = 0x80;
const VERSION: [u8; 4] = [0, 0, 0, 1];

/// Counts datagrams that no peer of ours sends. They are dropped before anything is kept of them; the kernel's buffer is all that
/// they can fill.
#[derive(Clone, Debug, Default)]
pub struct StrangeDatagrams(Arc<AtomicU64>);

impl StrangeDatagrams {
    /// How many have come since the socket was bound.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Looks at what one read has filled: several datagrams of one length, the last of which may be shorter.
    fn look_at(&self, filled: &[u8], length: usize) {
        let strange = filled.chunks(length.max(1)).filter(|datagram| !could_be_quic(datagram)).count();
        if strange > 0 {
            self.0.fetch_add(u64::try_from(strange).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

fn could_be_quic(datagram: &[u8]) -> bool {
    let spoken = match datagram {
        [first, a, b, c, d, ..] if first & LONG != 0 => [*a, *b, *c, *d] == VERSION,
        _ => true,
    };
    spoken && datagram.len() >= SHORTEST
}

/// The socket itself.
pub(super) struct Counted {
    pub(super) socket: Arc<dyn AsyncUdpSocket>,
    pub(super) strange: StrangeDatagrams,
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("strange", &self.strange).finish_non_exhaustive()
    }
}

impl AsyncUdpSocket for Counted {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(self.socket.poll_recv(cx, buffers, meta))?;
        for (buffer, meta) in buffers.iter().zip(meta.iter()).take(read) {
            self.strange.look_at(buffer.get(..meta.len).unwrap_or_default(), meta.stride);
        }
        Poll::Ready(Ok(read))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_short_or_of_another_version_is_strange() {
        let long = |version: [u8; 4]| [&[0xc3][..], &version, &[7; 1_195]].concat();
        let strange = StrangeDatagrams::default();
        strange.look_at(&long(VERSION), 1_200);
        strange.look_at(&[0x43; 3 * SHORTEST], SHORTEST);
        assert_eq!(strange.count(), 0);
        strange.look_at(&long([0, 0, 0, 2]), 1_200);
        strange.look_at(&[0x43; 3 * SHORTEST + 5], SHORTEST);
        strange.look_at(&[1], 1);
        assert_eq!(strange.count(), 3, "another version, the last one of four, and a single byte");
    }
}
