//! Real sockets on loopback: members that meet, members that must not, and strangers.

mod members;
mod plaintext;
mod strangers;

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::*;
use crate::link::Link;
use crate::proto::Address;
use crate::proto::address::Scheme;
use crate::tls::Tls;

/// When a test gives up; nothing waits for it.
fn eventually() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// A deadline that is meant to pass.
fn shortly() -> Instant {
    Instant::now() + Duration::from_millis(50)
}

fn listen() -> Listener {
    Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

/// An address on which nobody listens, and the socket that keeps it so.
pub(super) fn nobody() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

fn address(listener: &Listener) -> Address {
    let local = listener.local_addr();
    Address::from_ip(Scheme::Tcp, local.ip(), local.port())
}

/// Both ends of a link that must come about: the dialler's and the acceptor's.
///
/// In plaintext an acceptor has a link once the dialler has said something: a zero, which is dropped here.
async fn meet(listener: &mut Listener, dialler: Option<&Tls>, acceptor: Option<&Tls>) -> (Link, Link) {
    let address = address(listener);
    let dialled = async {
        let mut link = connect(&address, dialler, eventually()).await.unwrap();
        link.writer.write_all(&[0]).await.unwrap();
        link.writer.flush().await.unwrap();
        link
    };
    let accepted = async {
        let mut link = listener.accept().await.secure(acceptor, eventually()).await.unwrap();
        link.reader.read_u8().await.unwrap();
        link
    };
    tokio::join!(dialled, accepted)
}
