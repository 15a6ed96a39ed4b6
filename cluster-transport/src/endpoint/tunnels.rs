//! Tunnels on real sessions: the ends of those that lead to or from this node are byte streams, like sockets.
//!
//! What the streams are and do is pure ([`TunnelStreams`]); here they get tasks that wait for them. What comes of each call is
//! handed out at once, under the table's lock, so that frames keep their order: sending is a push into the queue of a session.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Shared;
use super::accept::run_tunnelled;
use super::session::SessionHandle;
use crate::link::{ConnectError, Link, tunnel};
use crate::proto::endpoint::NoLink;
use crate::proto::tunnel::{Leg, Reading, StreamOutput, TunnelCode, TunnelError, TunnelFrame, TunnelStreams};
use crate::proto::{Address, NodeId, SessionId};

/// The tunnels of an endpoint.
#[derive(Debug)]
pub(super) struct TunnelTable(Mutex<Table>);

#[derive(Debug)]
struct Table {
    streams: TunnelStreams,
    sessions: HashMap<SessionId, Arc<SessionHandle>>,
    waiting: HashMap<Leg, Waiting>,
}

/// Who waits to read from a stream, and to write to it.
#[derive(Debug, Default)]
struct Waiting {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A link that somebody wants to this node.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) stream: TunnelStream,
    pub(super) from: NodeId,
    pub(super) via: NodeId,
}

impl TunnelTable {
    pub(super) fn new(node: NodeId) -> Self {
        let (sessions, waiting) = (HashMap::new(), HashMap::new());
        Self(Mutex::new(Table { streams: TunnelStreams::new(node), sessions, waiting }))
    }

    /// A session has begun.
    pub(super) fn session_up(&self, session: &Arc<SessionHandle>) {
        let mut table = self.lock();
        table.sessions.insert(session.id(), Arc::clone(session));
        let (id, node) = (session.id(), session.peer().clone());
        table.streams.handle_session_up(id, node, !session.is_tunnelled(), session.we_dialled());
    }

    /// A session has ended.
    pub(super) fn session_down(self: &Arc<Self>, session: SessionId) {
        self.tell(|streams| streams.handle_session_down(session));
        self.lock().sessions.remove(&session);
    }

    /// A frame came on a session; the links that somebody wants.
    pub(super) fn take_frame(self: &Arc<Self>, session: SessionId, frame: TunnelFrame) -> Vec<Called> {
        self.tell(|streams| streams.handle_frame(session, frame)).1
    }

    /// Begins a tunnel.
    pub(super) fn open(self: &Arc<Self>, via: &NodeId, to: &NodeId) -> Result<TunnelStream, TunnelError> {
        let leg = self.tell(|streams| streams.open(via, to)).0?;
        Ok(TunnelStream { leg, table: Arc::clone(self) })
    }

    /// How many end here, and how many are carried.
    pub(super) fn counts(&self) -> (usize, usize) {
        self.lock().streams.counts()
    }

    fn tell<T>(self: &Arc<Self>, happened: impl FnOnce(&mut TunnelStreams) -> T) -> (T, Vec<Called>) {
        let mut table = self.lock();
        let result = happened(&mut table.streams);
        (result, table.hand_out(self))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn hand_out(&mut self, shared: &Arc<TunnelTable>) -> Vec<Called> {
        let mut called = Vec::new();
        while let Some(output) = self.streams.poll_output() {
            match output {
                StreamOutput::Send { session, frame } => {
                    if let Some(session) = self.sessions.get(&session) {
                        session.send_tunnel(frame);
                    }
                }
                StreamOutput::Accepted { leg, from, via } => {
                    called.push(Called {
                        stream: TunnelStream { leg, table: Arc::clone(shared) },
                        from,
                        via,
                    });
                }
                StreamOutput::Stirred(leg) => {
                    let Waiting { reader, writer } = self.waiting.remove(&leg).unwrap_or_default();
                    reader.into_iter().chain(writer).for_each(Waker::wake);
                }
            }
        }
        called
    }
}

/// One end of a tunnel as a byte stream. Dropped, it ends the tunnel.
#[derive(Debug)]
pub(super) struct TunnelStream {
    leg: Leg,
    table: Arc<TunnelTable>,
}

fn broken(code: TunnelCode) -> std::io::Error {
    std::io::Error::other(format!("the tunnel is over: {code}"))
}

impl AsyncRead for TunnelStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut table = self.table.lock();
        match table.streams.read(self.leg, buffer.initialize_unfilled()) {
            Reading::Bytes(len) => {
                buffer.advance(len);
                table.hand_out(&self.table);
                Poll::Ready(Ok(()))
            }
            Reading::End => Poll::Ready(Ok(())),
            Reading::Broken(code) => Poll::Ready(Err(broken(code))),
            Reading::Nothing => {
                table.waiting.entry(self.leg).or_default().reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for TunnelStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let mut table = self.table.lock();
        match table.streams.write(self.leg, bytes) {
            Ok(0) if !bytes.is_empty() => {
                table.waiting.entry(self.leg).or_default().writer = Some(context.waker().clone());
                Poll::Pending
            }
            Ok(len) => {
                table.hand_out(&self.table);
                Poll::Ready(Ok(len))
            }
            Err(code) => Poll::Ready(Err(broken(code))),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The other end reads what was written before, and then the end.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for TunnelStream {
    fn drop(&mut self) {
        // Another stream must not be dropped under the lock.
        let called = {
            let mut table = self.table.lock();
            table.waiting.remove(&self.leg);
            table.streams.close(self.leg);
            table.hand_out(&self.table)
        };
        drop(called);
    }
}

/// Takes a frame of a session in, and runs the links that others want to this node.
pub(super) fn take_frame(shared: &Arc<Shared>, session: SessionId, frame: TunnelFrame) {
    for called in shared.tunnels.take_frame(session, frame) {
        shared.spawn(accept(Arc::clone(shared), called));
    }
}

/// Makes a link through a tunnel.
pub(super) async fn dial(
    shared: &Arc<Shared>,
    address: &Address,
    via: &NodeId,
    to: &NodeId,
    deadline: Instant,
) -> Result<Link, ConnectError> {
    let stream = shared.tunnels.open(via, to).map_err(|error| {
        let source = std::io::Error::new(std::io::ErrorKind::HostUnreachable, error);
        ConnectError::Unreachable { address: address.clone(), source }
    })?;
    tunnel::dialled(stream, shared.tls.as_ref(), address, deadline).await
}

async fn accept(shared: Arc<Shared>, called: Called) {
    let Called { stream, from, via } = called;
    let remote = format!("{from} through {via}");
    let deadline = Instant::now() + shared.connect_timeout;
    let accepted = tokio::select! {
        biased;
        () = shared.stop.cancelled() => return,
        accepted = tunnel::accepted(stream, shared.tls.as_ref(), deadline) => accepted,
    };
    match accepted {
        Ok(link) => run_tunnelled(&shared, link, remote).await,
        Err(why) => {
            let text = format!("{remote}: {why}");
            shared.tell(|machine, _, now| machine.handle_accept_failed(now, remote, NoLink::Tls, text));
        }
    }
}
