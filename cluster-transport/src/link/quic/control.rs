//! The first stream of a connection as a byte stream: the handshake, and what has no stream of its own.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use quinn::{Connection, ReadError, RecvStream, SendStream, StoppedError, VarInt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{DONE, fault};
use crate::link::LinkFault;

/// Reads the stream; a peer that closes the connection without an error ends it as a closed socket would.
#[derive(Debug)]
pub(super) struct ControlReader {
    stream: RecvStream,
}

impl ControlReader {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self { stream }
    }
}

impl AsyncRead for ControlReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(match ready!(self.stream.poll_read_buf(cx, buf)) {
            Ok(()) => Ok(()),
            Err(ReadError::ConnectionLost(error)) => match error.into() {
                LinkFault::Closed => Ok(()),
                fault => Err(io::Error::other(fault)),
            },
            Err(error) => Err(fault::of_read(error)),
        })
    }
}

/// Writes the stream. Shutting it down waits until the peer has everything, and closes the connection.
pub(super) struct ControlWriter {
    connection: Connection,
    stream: SendStream,
    taken: Option<Taken>,
}

/// Resolves when the peer has everything, or will not take it.
type Taken = Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>> + Send>>;

impl ControlWriter {
    pub(super) fn new(connection: Connection, stream: SendStream) -> Self {
        // Ahead of all lanes. It fails for a stream that is closed, which the next write tells.
        let _ = stream.set_priority(1);
        Self { connection, stream, taken: None }
    }
}

impl fmt::Debug for ControlWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlWriter").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl AsyncWrite for ControlWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf).map_err(fault::of_write)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.connection.close_reason().is_some() {
            return Poll::Ready(Ok(()));
        }
        let taken = this.taken.get_or_insert_with(|| {
            // Finished already: then there is nothing to wait for.
            let _ = this.stream.finish();
            Box::pin(this.stream.stopped())
        });
        // However it ends, nothing more can be done for the peer.
        let _ = ready!(taken.as_mut().poll(cx));
        this.connection.close(DONE, &[]);
        Poll::Ready(Ok(()))
    }
}
