//! What a link's task writes: frames into bytes, on one stream or on those of the lanes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::AsyncWriteExt;

use super::answers::Answers;
use crate::link::LinkWriter;
use crate::link::quic::LaneWriters;
use crate::proto::session::Outbox;
use crate::proto::{Instant, Lane};

/// How many bytes one turn puts up for writing: enough to fill a socket's buffer, little enough to look at the rest soon.
const TURN: usize = 256 * 1024;
/// A turn adds nothing as long as more than this waits: meanwhile the lanes fill whole segments, in place of one for each wake.
const LOW: usize = TURN / 4;
/// How many pieces one write takes.
const PIECES: usize = 64;

/// The sending half of a link, and what waits to be written to it.
pub(super) struct Outlet {
    first: Stream,
    lanes: Option<LaneWriters>,
    /// By when the link has to take a byte.
    write_by: Option<Instant>,
    answers: Answers,
    timeout: Duration,
}

impl Outlet {
    /// The link may take no byte, or the peer answer nothing, for this long.
    pub(super) fn new(writer: LinkWriter, timeout: Duration) -> Self {
        let first = Stream { writer, pieces: VecDeque::new(), waiting: 0, filling: true, unflushed: false };
        Self { first, lanes: None, write_by: None, answers: Answers::within(timeout), timeout }
    }

    /// The handshake is done.
    pub(super) fn begin_session(&mut self, lanes: Option<LaneWriters>) {
        self.lanes = lanes;
    }

    /// Puts a frame of the handshake up for writing.
    pub(super) fn push(&mut self, frame: Bytes) {
        self.first.put(frame);
    }

    /// The session is about to put up what it has to send.
    pub(super) fn begin_turn(&mut self) {
        self.first.filling = self.first.waiting < LOW;
    }

    /// Whether there is nothing to write or flush.
    pub(super) fn is_done(&self) -> bool {
        self.is_empty() && !self.first.unflushed
    }

    /// Writes as much as the link takes at once, or flushes when everything was written. Cancel safe: nothing is taken out
    /// before it was written.
    pub(super) async fn write(&mut self) -> io::Result<()> {
        let Self { first, lanes, .. } = self;
        let Some(lanes) = lanes.as_mut().filter(|lanes| !lanes.is_empty()) else {
            return first.write().await;
        };
        if first.is_done() {
            return poll_fn(|cx| lanes.poll_write(cx)).await;
        }
        let mut first = pin!(first.write());
        poll_fn(|cx| match (first.as_mut().poll(cx), lanes.poll_write(cx)) {
            (Poll::Pending, others) => others,
            (first, _) => first,
        })
        .await
    }

    pub(super) async fn write_all(&mut self) -> io::Result<()> {
        while !self.is_done() {
            self.write().await?;
        }
        Ok(())
    }

    /// Ends the peer's reading cleanly; over QUIC, once it has everything.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        self.first.writer.shutdown().await
    }

    /// A write has succeeded.
    pub(super) fn handle_written(&mut self, now: Instant) {
        self.write_by = None;
        if let Some(lanes) = &self.lanes {
            self.answers.handle_written(now, || lanes.datagrams_received());
        }
    }

    /// By when the link has to show that it moves. To be asked before each wait.
    pub(super) fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        self.write_by = if self.is_done() { None } else { self.write_by.or(Some(now + self.timeout)) };
        self.write_by.into_iter().chain(self.answers.poll_timeout()).min()
    }

    /// A deadline has passed: why the link is broken, if it is.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<String> {
        let timeout = self.timeout;
        if self.write_by.is_some_and(|by| by <= now) {
            return Some(format!("the peer has not taken a byte for {timeout:?}"));
        }
        let lanes = self.lanes.as_ref()?;
        let answers = self.answers.handle_timeout(now, || lanes.datagrams_received());
        (!answers).then(|| format!("the peer has not answered a packet for {timeout:?}"))
    }
}

impl Outbox for Outlet {
    fn is_empty(&self) -> bool {
        self.first.pieces.is_empty() && self.lanes.as_ref().is_none_or(LaneWriters::is_empty)
    }

    fn takes(&self, lane: Lane) -> bool {
        match &self.lanes {
            Some(lanes) if lane != Lane::Control => lanes.waiting(lane) < TURN,
            _ => self.first.filling && self.first.waiting < TURN,
        }
    }

    fn put(&mut self, lane: Lane, piece: Bytes) {
        let left = match &mut self.lanes {
            Some(lanes) => lanes.put(lane, piece),
            None => Some(piece),
        };
        if let Some(piece) = left {
            self.first.put(piece);
        }
    }
}

/// A byte stream and what waits to be written to it.
struct Stream {
    writer: LinkWriter,
    pieces: VecDeque<Bytes>,
    waiting: usize,
    filling: bool,
    /// Whether something was written that a flush has not seen yet: TLS may hold on to it.
    unflushed: bool,
}

impl Stream {
    fn put(&mut self, piece: Bytes) {
        self.waiting += piece.len();
        self.pieces.push_back(piece);
    }

    fn is_done(&self) -> bool {
        self.pieces.is_empty() && !self.unflushed
    }

    async fn write(&mut self) -> io::Result<()> {
        if self.pieces.is_empty() {
            self.writer.flush().await?;
            self.unflushed = false;
            return Ok(());
        }
        let written = {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let count = self
                .pieces
                .iter()
                .zip(&mut slices)
                .map(|(piece, slice)| *slice = IoSlice::new(piece))
                .count();
            self.writer.write_vectored(slices.get(..count).unwrap_or_default()).await?
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.unflushed = true;
        self.waiting = self.waiting.saturating_sub(written);
        let mut left = written;
        while let Some(front) = self.pieces.front_mut() {
            if left < front.len() {
                front.advance(left);
                break;
            }
            left -= front.len();
            self.pieces.pop_front();
        }
        Ok(())
    }
}
