//! The UDP sockets under QUIC.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::{Endpoint, EndpointConfig, Runtime, ServerConfig, TokioRuntime};
use socket2::{Domain, Protocol, Socket, Type};

use super::StrangeDatagrams;
use super::counted::Counted;

/// What the kernel is asked to keep of datagrams that were not read, and not sent yet: it drops what is over. It may give
/// less (`net.core.rmem_max` and `wmem_max` on Linux).
const KERNEL_BUFFER: usize = 4 << 20;

/// A QUIC endpoint on an address; port 0 takes a free one. An IPv6 address means IPv6 alone. What cannot be QUIC is counted.
pub(super) fn endpoint(
    address: SocketAddr,
    server: Option<ServerConfig>,
    strange: StrangeDatagrams,
) -> io::Result<Endpoint> {
    let socket = Arc::new(Counted { socket: TokioRuntime.wrap_udp_socket(bound(address)?)?, strange });
    Endpoint::new_with_abstract_socket(EndpointConfig::default(), server, socket, Arc::new(TokioRuntime))
}

fn bound(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A smaller buffer than wished for costs speed at most.
    let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
    let _ = socket.set_send_buffer_size(KERNEL_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}
