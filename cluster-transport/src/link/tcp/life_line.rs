//! A TCP connection that carries nothing: its end tells that the process at the other end has ended.
//!
//! Over QUIC a process that is killed ends without a packet; of a TCP connection its system tells. See docs/PROTOCOL.md,
//! "Life lines".

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::proto::SessionId;

/// The first byte of a life line, before the session's id.
const FIRST: u8 = 1;
/// What an acceptor answers that has this session.
const KNOWN: u8 = 1;
/// The last byte of a side that ends in good order.
const OVER: u8 = 0;
/// The first byte and the session.
const OPENING: usize = 1 + 8;
/// An idle connection is tried this often, so that whoever keeps a record of connections on the way goes on knowing it.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A life line that both ends hold.
#[derive(Debug)]
pub struct LifeLine {
    stream: TcpStream,
}

/// How a life line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifeLineEnd {
    /// The other side has said that the session is over.
    Over,
    /// Without a word.
    Cut,
}

impl LifeLine {
    /// Dials one for a session whose acceptor listens at this address, by the deadline. Cancelling closes it.
    ///
    /// # Errors
    /// When nobody listens there, or whoever does knows of no such session.
    pub async fn dial(address: SocketAddr, session: SessionId, deadline: Instant) -> io::Result<Self> {
        let dialled = timeout_at(deadline, async {
            let mut stream = TcpStream::connect(address).await?;
            // A port that nobody listens at can be given to the dialler itself.
            if stream.local_addr()? == stream.peer_addr()? {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            stream.write_all(&opening(session)).await?;
            match stream.read_u8().await? {
                KNOWN => Self::of(stream),
                _ => Err(io::ErrorKind::InvalidData.into()),
            }
        });
        dialled.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    fn of(stream: TcpStream) -> io::Result<Self> {
        let keep_alive = socket2::TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE);
        socket2::SockRef::from(&stream).set_tcp_keepalive(&keep_alive)?;
        Ok(Self { stream })
    }

    /// Waits until the other side ends it. Cancel safe.
    pub async fn ended(&mut self) -> LifeLineEnd {
        match self.stream.read_u8().await {
            Ok(OVER) => LifeLineEnd::Over,
            Ok(_) | Err(_) => LifeLineEnd::Cut,
        }
    }

    /// Ends it in good order.
    pub async fn finish(mut self) {
        // Whoever is gone need not be told.
        let _ = self.stream.write_all(&[OVER]).await;
        let _ = self.stream.shutdown().await;
    }
}

/// A life line that somebody wants for a session.
#[derive(Debug)]
pub struct WantedLifeLine {
    stream: TcpStream,
    session: SessionId,
}

impl WantedLifeLine {
    pub(super) async fn read(mut stream: TcpStream, deadline: Instant) -> io::Result<Self> {
        let mut opening = [0; OPENING];
        let read = timeout_at(deadline, stream.read_exact(&mut opening)).await;
        read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let [_, session @ ..] = opening;
        Ok(Self { stream, session: SessionId(u64::from_be_bytes(session)) })
    }

    /// For which.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Takes it: the session is there. Dropping it instead closes it.
    ///
    /// # Errors
    /// When the other side is gone already.
    pub async fn accept(mut self) -> io::Result<LifeLine> {
        self.stream.write_all(&[KNOWN]).await?;
        LifeLine::of(self.stream)
    }
}

fn opening(session: SessionId) -> [u8; OPENING] {
    let mut opening = [FIRST; OPENING];
    if let Some(id) = opening.last_chunk_mut() {
        *id = session.0.to_be_bytes();
    }
    opening
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::tcp::Listener;

    const SESSION: SessionId = SessionId(0x0011_2233_4455_6677);

    /// Both ends of a life line.
    async fn held() -> (LifeLine, LifeLine) {
        let mut listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (address, deadline) = (listener.local_addr(), Instant::now() + Duration::from_secs(30));
        let accepting = async {
            let accepted = listener.accept().await;
            assert!(accepted.is_life_line(deadline).await);
            let wanted = accepted.life_line(deadline).await.unwrap();
            assert_eq!(wanted.session(), SESSION);
            wanted.accept().await.unwrap()
        };
        let (accepted, dialled) = tokio::join!(accepting, LifeLine::dial(address, SESSION, deadline));
        (accepted, dialled.unwrap())
    }

    #[tokio::test]
    async fn either_end_hears_whether_the_other_ended_in_good_order() {
        let (mut accepted, dialled) = held().await;
        dialled.finish().await;
        assert_eq!(accepted.ended().await, LifeLineEnd::Over);
        let (accepted, mut dialled) = held().await;
        drop(accepted);
        assert_eq!(dialled.ended().await, LifeLineEnd::Cut);
    }

    #[tokio::test]
    async fn a_line_that_is_closed_before_it_was_taken_is_none() {
        let mut listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (address, deadline) = (listener.local_addr(), Instant::now() + Duration::from_secs(30));
        let refusing = async {
            let accepted = listener.accept().await;
            drop(accepted.life_line(deadline).await.unwrap());
        };
        let (dialled, ()) = tokio::join!(LifeLine::dial(address, SESSION, deadline), refusing);
        assert_eq!(dialled.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_opening_is_that_of_the_document() {
        assert_eq!(opening(SESSION), [1, 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77]);
    }
}
