//! What a link's task reads: bytes into frames, from one stream or from those of the lanes.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio_util::codec::{Decoder, LengthDelimitedCodec};

use crate::link::quic::{LaneReaders, Misplaced};
use crate::link::{LinkReader, Speech};
use crate::proto::Lane;
use crate::proto::frame::{self, Carried, MAX_FRAME, MAX_HANDSHAKE_FRAME, PREFIX};

/// How many bytes one read asks for.
const READ: usize = 128 * 1024;

/// The receiving half of a link, as frames.
pub(super) struct Inlet {
    reader: LinkReader,
    codec: LengthDelimitedCodec,
    buffer: BytesMut,
    lanes: Option<LaneReaders>,
}

/// Bytes that are no frames of ours.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unframed {
    #[error(transparent)]
    TooLong(#[from] io::Error),
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    #[error("a frame of another lane on the stream of the control lane")]
    NotControl,
}

impl Inlet {
    pub(super) fn new(reader: LinkReader) -> Self {
        let mut codec = LengthDelimitedCodec::builder().length_field_length(PREFIX).new_codec();
        codec.set_max_frame_length(MAX_HANDSHAKE_FRAME);
        Self { reader, codec, buffer: BytesMut::new(), lanes: None }
    }

    /// The handshake is done.
    pub(super) fn begin_session(&mut self, lanes: Option<LaneReaders>) {
        self.codec.set_max_frame_length(MAX_FRAME);
        self.lanes = lanes;
    }

    /// Whether the peer speaks TLS where we speak none.
    pub(super) fn sees_tls(&self) -> bool {
        Speech::of(&self.buffer) == Speech::Tls
    }

    /// Reads what is there, or waits; 0 when the peer has closed the link. Cancel safe.
    pub(super) async fn read(&mut self) -> io::Result<usize> {
        self.buffer.reserve(READ);
        match &mut self.lanes {
            None => self.reader.read_buf(&mut self.buffer).await,
            Some(lanes) => poll_fn(|cx| poll_all(&mut self.reader, &mut self.buffer, lanes, cx)).await,
        }
    }

    /// The next frame that was read whole, without its length.
    pub(super) fn next_frame(&mut self) -> Result<Option<Bytes>, Unframed> {
        // What came on a lane before a `Close` counts, so lanes go first.
        if let Some(lanes) = &mut self.lanes
            && let Some(frame) = lanes.next_frame()?
        {
            return Ok(Some(frame));
        }
        let Some(frame) = self.codec.decode(&mut self.buffer)?.map(BytesMut::freeze) else { return Ok(None) };
        let own = [Carried::Start(Lane::Control), Carried::On(Lane::Control), Carried::Anywhere];
        if self.lanes.is_some() && !own.contains(&frame::carried_on(&frame)) {
            return Err(Unframed::NotControl);
        }
        Ok(Some(frame))
    }
}

/// Reads what is there on the first stream and on those of the lanes. What was read goes before an end or an error, which show
/// again.
fn poll_all(
    reader: &mut LinkReader,
    buffer: &mut BytesMut,
    lanes: &mut LaneReaders,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let first = pin!(reader.read_buf(buffer)).poll(cx);
    match (first, lanes.poll_read(cx)) {
        (Poll::Ready(Ok(first)), Poll::Ready(Ok(others))) => Poll::Ready(Ok(first + others)),
        (_, others @ Poll::Ready(Ok(_))) | (Poll::Pending, others) => others,
        (first, _) => first,
    }
}
