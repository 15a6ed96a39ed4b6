//! Tunnels on real sessions: the ends of those that lead to or from this node are byte streams, like sockets.
//!
//! The table is told of sessions and frames by their tasks. What comes of it is handed out at once, under the table's lock, so
//! that frames keep their order: sending is a push into the queue of a session.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Shared;
use super::accept::run_tunnelled;
use super::session::SessionHandle;
use crate::link::{ConnectError, Link, tunnel};
use crate::proto::endpoint::NoLink;
use crate::proto::tunnel::{
    Leg, MAX_DATA, TunnelCode, TunnelEnd, TunnelError, TunnelFrame, TunnelOutput, Tunnels,
};
use crate::proto::{Address, NodeId, SessionId};

/// The tunnels of an endpoint.
#[derive(Debug)]
pub(super) struct TunnelTable(Mutex<Table>);

#[derive(Debug)]
struct Table {
    tunnels: Tunnels,
    sessions: HashMap<SessionId, Arc<SessionHandle>>,
    ends: HashMap<Leg, Arc<Mutex<End>>>,
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
        let (sessions, ends) = (HashMap::new(), HashMap::new());
        Self(Mutex::new(Table { tunnels: Tunnels::new(node), sessions, ends }))
    }

    /// A session has begun.
    pub(super) fn session_up(&self, session: &Arc<SessionHandle>) {
        let mut table = self.lock();
        table.sessions.insert(session.id(), Arc::clone(session));
        let (id, node) = (session.id(), session.peer().clone());
        table.tunnels.handle_session_up(id, node, !session.is_tunnelled(), session.we_dialled());
    }

    /// A session has ended.
    pub(super) fn session_down(self: &Arc<Self>, session: SessionId) {
        self.tell(|tunnels| tunnels.handle_session_down(session));
        self.lock().sessions.remove(&session);
    }

    /// A frame came on a session; the links that somebody wants.
    pub(super) fn take_frame(self: &Arc<Self>, session: SessionId, frame: TunnelFrame) -> Vec<Called> {
        self.tell(|tunnels| tunnels.handle_frame(session, frame))
    }

    /// Begins a tunnel.
    pub(super) fn open(self: &Arc<Self>, via: &NodeId, to: &NodeId) -> Result<TunnelStream, TunnelError> {
        let mut opened = None;
        self.tell(|tunnels| opened = Some(tunnels.open(via, to)));
        let leg =
            opened.unwrap_or_else(|| Err(TunnelError::NoSession { via: via.clone(), to: to.clone() }))?;
        Ok(self.lock().stream(leg, self))
    }

    /// How many end here, and how many are carried.
    pub(super) fn counts(&self) -> (usize, usize) {
        self.lock().tunnels.counts()
    }

    fn tell(self: &Arc<Self>, happened: impl FnOnce(&mut Tunnels)) -> Vec<Called> {
        let mut table = self.lock();
        happened(&mut table.tunnels);
        table.hand_out(self)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn hand_out(&mut self, shared: &Arc<TunnelTable>) -> Vec<Called> {
        let mut called = Vec::new();
        while let Some(output) = self.tunnels.poll_output() {
            match output {
                TunnelOutput::Send { session, frame } => self.send(session, frame),
                TunnelOutput::Accepted { leg, from, via } => {
                    called.push(Called { stream: self.stream(leg, shared), from, via });
                }
                TunnelOutput::Data(leg, bytes) => self.at_end(leg, |end| end.state.handle_data(&bytes)),
                TunnelOutput::Credit(leg, bytes) => self.at_end(leg, |end| end.state.handle_credit(bytes)),
                TunnelOutput::Closed(leg, code) => {
                    self.at_end(leg, |end| {
                        end.state.handle_closed(code);
                        true
                    });
                    self.ends.remove(&leg);
                }
            }
        }
        called
    }

    /// Changes an end and wakes whoever uses it. One whose other end broke the rules is closed.
    fn at_end(&mut self, leg: Leg, change: impl FnOnce(&mut End) -> bool) {
        let Some(end) = self.ends.get(&leg).cloned() else { return };
        let mut locked = lock(&end);
        if !change(&mut locked) {
            locked.state.handle_closed(TunnelCode::VIOLATION);
            self.ends.remove(&leg);
            self.tunnels.close(leg, TunnelCode::VIOLATION);
        }
        let wakers = locked.take_wakers();
        drop(locked);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    fn send(&self, session: SessionId, frame: TunnelFrame) {
        if let Some(session) = self.sessions.get(&session) {
            session.send_tunnel(frame);
        }
    }

    fn stream(&mut self, leg: Leg, shared: &Arc<TunnelTable>) -> TunnelStream {
        let end = Arc::new(Mutex::new(End::default()));
        self.ends.insert(leg, Arc::clone(&end));
        let session = self.sessions.get(&leg.session).cloned();
        TunnelStream { leg, end, session, table: Arc::clone(shared) }
    }
}

#[derive(Debug, Default)]
struct End {
    state: TunnelEnd,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl End {
    fn take_wakers(&mut self) -> [Option<Waker>; 2] {
        [self.reader.take(), self.writer.take()]
    }
}

fn lock(end: &Mutex<End>) -> MutexGuard<'_, End> {
    end.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One end of a tunnel as a byte stream. Dropped, it ends the tunnel.
#[derive(Debug)]
pub(super) struct TunnelStream {
    leg: Leg,
    end: Arc<Mutex<End>>,
    session: Option<Arc<SessionHandle>>,
    table: Arc<TunnelTable>,
}

impl TunnelStream {
    fn send(&self, frame: TunnelFrame) {
        if let Some(session) = &self.session {
            session.send_tunnel(frame);
        }
    }
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
        let mut end = lock(&self.end);
        if end.state.is_empty() {
            return match end.state.closed() {
                Some(TunnelCode::DONE) => Poll::Ready(Ok(())),
                Some(code) => Poll::Ready(Err(broken(code))),
                None => {
                    end.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            };
        }
        let (len, credit) = end.state.read(buffer.initialize_unfilled());
        drop(end);
        buffer.advance(len);
        if let Some(credit) = credit {
            self.send(TunnelFrame::Credit(self.leg.tunnel, credit));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TunnelStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let mut end = lock(&self.end);
        if let Some(code) = end.state.closed() {
            return Poll::Ready(Err(broken(code)));
        }
        let len = end.state.spend(bytes.len().min(MAX_DATA));
        if len == 0 && !bytes.is_empty() {
            end.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        drop(end);
        let part = Bytes::copy_from_slice(bytes.get(..len).unwrap_or_default());
        self.send(TunnelFrame::Data(self.leg.tunnel, part));
        Poll::Ready(Ok(len))
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
        let mut table = self.table.lock();
        table.ends.remove(&self.leg);
        table.tunnels.close(self.leg, TunnelCode::DONE);
        let called = table.hand_out(&self.table);
        // Another stream must not be dropped under the lock.
        drop(table);
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
