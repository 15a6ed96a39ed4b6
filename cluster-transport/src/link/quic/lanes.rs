//! The streams of the lanes: one for each lane but the control lane, in each direction.
//!
//! A stream belongs to the lane that its first frame starts, and carries frames of that lane alone.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use quinn::{Connection, ConnectionError, RecvStream, SendStream, WriteError};
use tokio_util::codec::{Decoder, LengthDelimitedCodec};

use super::fault;
use super::flow::{Flow, STREAMS, var_int};
use crate::proto::frame::{self, Carried, MAX_FRAME, PREFIX};
use crate::proto::{Lane, PerLane};

/// How many pieces of a stream one read takes: a piece is what came in one packet.
const PIECES: usize = 64;

/// The streams of a connection's lanes, before its session begins.
pub struct LaneStreams {
    connection: Connection,
    flow: Flow,
}

impl fmt::Debug for LaneStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneStreams").finish_non_exhaustive()
    }
}

impl LaneStreams {
    pub(super) fn new(connection: Connection, flow: Flow) -> Self {
        Self { connection, flow }
    }

    /// Opens the streams of a session that begins, whose peer grants these windows.
    pub(crate) fn open(self, peer_windows: &PerLane<u32>) -> io::Result<(LaneReaders, LaneWriters)> {
        let Self { connection, flow } = self;
        connection.set_receive_window(var_int(flow.of_session()));
        connection.set_send_window(Flow::new(peer_windows).of_session());
        let writers = LaneWriters::open(&connection)?;
        Ok((LaneReaders::new(connection), writers))
    }
}

/// A frame on the stream of another lane.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misplaced {
    #[error("a stream begins with something else than the start of its lane")]
    NotStarted,
    #[error("a frame of another lane on the stream of the {0} lane")]
    OtherLane(Lane),
    #[error("{0}")]
    TooLong(io::Error),
}

/// A stream that is being accepted.
type Accepting = Pin<Box<dyn Future<Output = Result<RecvStream, ConnectionError>> + Send>>;

/// What comes from the peer on the streams of its lanes.
pub(crate) struct LaneReaders {
    connection: Connection,
    accepting: Option<Accepting>,
    streams: Vec<LaneReader>,
}

impl LaneReaders {
    fn new(connection: Connection) -> Self {
        let accepting = Some(accept(connection.clone()));
        Self { connection, accepting, streams: Vec::new() }
    }

    /// Reads what is there, from all streams. What was read goes before an error, which shows again. Cancel safe.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut failure = self.poll_accept(cx).err();
        let mut read = 0;
        for stream in &mut self.streams {
            match stream.poll_read(cx) {
                Poll::Ready(Ok(bytes)) => read += bytes,
                Poll::Ready(Err(error)) => failure = failure.or(Some(error)),
                Poll::Pending => {}
            }
        }
        match failure {
            _ if read > 0 => Poll::Ready(Ok(read)),
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Pending,
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some(accepting) = &mut self.accepting {
            let Poll::Ready(accepted) = accepting.as_mut().poll(cx) else { return Ok(()) };
            let missing = self.streams.len() + 1 < usize::try_from(STREAMS).unwrap_or(usize::MAX);
            let more = missing || accepted.is_err();
            // A future that is done is not polled again.
            self.accepting = more.then(|| accept(self.connection.clone()));
            self.streams.push(LaneReader::new(accepted.map_err(fault::of_connection)?));
        }
        Ok(())
    }

    /// The next frame that has been read whole, without its length.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Bytes>, Misplaced> {
        for stream in &mut self.streams {
            if let Some(frame) = stream.next_frame()? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }
}

fn accept(connection: Connection) -> Accepting {
    Box::pin(async move { connection.accept_uni().await })
}

struct LaneReader {
    stream: RecvStream,
    lane: Option<Lane>,
    codec: LengthDelimitedCodec,
    buffer: BytesMut,
    finished: bool,
}

impl LaneReader {
    fn new(stream: RecvStream) -> Self {
        let codec = LengthDelimitedCodec::builder()
            .length_field_length(PREFIX)
            .max_frame_length(MAX_FRAME)
            .new_codec();
        Self { stream, lane: None, codec, buffer: BytesMut::new(), finished: false }
    }

    /// Reads what is there. The end of one stream is no end of the link: that shows on the first stream.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.finished {
            return Poll::Pending;
        }
        let mut pieces = [const { Bytes::new() }; PIECES];
        let Poll::Ready(read) = pin!(self.stream.read_chunks(&mut pieces)).poll(cx) else {
            return Poll::Pending;
        };
        let Some(count) = read.map_err(fault::of_read)? else {
            self.finished = true;
            return Poll::Pending;
        };
        let pieces = pieces.get(..count).unwrap_or_default();
        let bytes = pieces.iter().map(Bytes::len).sum();
        self.buffer.reserve(bytes);
        pieces.iter().for_each(|piece| self.buffer.extend_from_slice(piece));
        Poll::Ready(Ok(bytes))
    }

    fn next_frame(&mut self) -> Result<Option<Bytes>, Misplaced> {
        let decoded = self.codec.decode(&mut self.buffer).map_err(Misplaced::TooLong)?;
        let Some(frame) = decoded.map(BytesMut::freeze) else { return Ok(None) };
        match (self.lane, frame::carried_on(&frame)) {
            (None, Carried::Start(lane)) if lane != Lane::Control => self.lane = Some(lane),
            (None, _) => return Err(Misplaced::NotStarted),
            (Some(_), Carried::Anywhere) => {}
            (Some(ours), Carried::Start(lane) | Carried::On(lane)) if ours == lane => {}
            (Some(ours), _) => return Err(Misplaced::OtherLane(ours)),
        }
        Ok(Some(frame))
    }
}

/// What goes to the peer on the streams of our lanes.
pub(crate) struct LaneWriters {
    connection: Connection,
    streams: PerLane<Option<LaneWriter>>,
}

impl LaneWriters {
    fn open(connection: &Connection) -> io::Result<Self> {
        let mut streams = PerLane::from_fn(|_| None);
        for lane in Lane::ALL.into_iter().filter(|lane| *lane != Lane::Control) {
            streams[lane] = Some(LaneWriter::open(connection)?);
        }
        Ok(Self { connection: connection.clone(), streams })
    }

    /// How many bytes of a lane wait to be written; none of the control lane, which goes elsewhere.
    pub(crate) fn waiting(&self, lane: Lane) -> usize {
        self.streams[lane].as_ref().map_or(0, |stream| stream.waiting)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.streams.iter().all(|(_, stream)| stream.as_ref().is_none_or(|stream| stream.pieces.is_empty()))
    }

    /// Puts a piece of a lane's frame up for writing; gives it back if the lane has no stream.
    pub(crate) fn put(&mut self, lane: Lane, piece: Bytes) -> Option<Bytes> {
        let Some(stream) = &mut self.streams[lane] else { return Some(piece) };
        stream.waiting += piece.len();
        stream.pieces.push_back(piece);
        None
    }

    /// Writes as much as the connection takes. Cancel safe.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut written = false;
        for (_, stream) in self.streams.iter_mut() {
            while let Some(stream) = stream.as_mut().filter(|stream| !stream.pieces.is_empty()) {
                let Poll::Ready(wrote) = stream.poll_write(cx) else { break };
                wrote?;
                written = true;
            }
        }
        if written { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// How many datagrams of the peer have come: as long as it is there, it answers what is sent to it.
    pub(crate) fn datagrams_received(&self) -> u64 {
        self.connection.stats().udp_rx.datagrams
    }
}

struct LaneWriter {
    stream: SendStream,
    pieces: VecDeque<Bytes>,
    waiting: usize,
}

impl LaneWriter {
    fn open(connection: &Connection) -> io::Result<Self> {
        // Both sides grant all streams from the beginning: there is nothing to wait for.
        let opened = pin!(connection.open_uni()).poll(&mut Context::from_waker(std::task::Waker::noop()));
        let stream = match opened {
            Poll::Ready(opened) => opened.map_err(fault::of_connection)?,
            Poll::Pending => return Err(io::Error::other("the peer grants too few streams")),
        };
        Ok(Self { stream, pieces: VecDeque::new(), waiting: 0 })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (front, _) = self.pieces.as_mut_slices();
        let Poll::Ready(written) = pin!(self.stream.write_chunks(front)).poll(cx) else {
            return Poll::Pending;
        };
        match written {
            Ok(written) => {
                self.pieces.drain(..written.chunks);
                self.waiting = self.waiting.saturating_sub(written.bytes);
                Poll::Ready(Ok(()))
            }
            // The peer reads no more of this lane: its end of the link is ending, and says so on the first stream.
            Err(WriteError::Stopped(_)) => {
                self.pieces.clear();
                self.waiting = 0;
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(fault::of_write(error))),
        }
    }
}
