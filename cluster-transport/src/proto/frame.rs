//! Frames: a 4-byte big-endian length of what follows, a 1-byte kind, and a body.
//!
//! ```text
//!  0       4      5
//! +--------+------+-----------------+
//! | length | kind | body            |   length = 1 + body, at most 65,536; 4,096 until the handshake is done
//! +--------+------+-----------------+
//! ```
//! A kind with the bit 0x80 may be skipped by a receiver that does not know it; any other unknown kind closes the link.

mod carried;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;

pub(super) use carried::TUNNELS;
#[cfg(feature = "tokio")]
pub(crate) use carried::{Carried, carried_on};

use super::body::{Close, Go, Hello, Leave, Refuse, Welcome};
use super::tunnel::TunnelFrame;
use super::wire::{Extensions, Reader, WireError, put_body, take_body};
use super::{Lane, SessionId};

/// The longest frame, in bytes of kind and body.
pub const MAX_FRAME: usize = 64 * 1024;
/// The longest frame until the handshake is done.
pub const MAX_HANDSHAKE_FRAME: usize = 4 * 1024;
/// The bytes of the length.
pub const PREFIX: usize = 4;
/// How many bytes a frame of a handshake is written into without growing: a `Hello` with two addresses.
const ROOM: usize = 192;
/// Set in kinds that a receiver may skip.
pub const SKIPPABLE: u8 = 0x80;

/// The numbers of the kinds of frames. Never reused.
pub mod kind {
    /// [`Hello`](crate::proto::body::Hello).
    pub const HELLO: u8 = 0x01;
    /// [`Welcome`](crate::proto::body::Welcome).
    pub const WELCOME: u8 = 0x02;
    /// [`Refuse`](crate::proto::body::Refuse).
    pub const REFUSE: u8 = 0x03;
    /// [`Go`](crate::proto::body::Go).
    pub const GO: u8 = 0x04;
    /// [`LaneStart`](super::LaneStart).
    pub const LANE_START: u8 = 0x05;
    /// [`Segment`](super::Segment).
    pub const SEGMENT: u8 = 0x06;
    /// [`Fragment`](super::Fragment).
    pub const FRAGMENT: u8 = 0x07;
    /// [`Acknowledge`](super::Acknowledge).
    pub const ACKNOWLEDGE: u8 = 0x08;
    /// [`Lagged`](super::Lagged).
    pub const LAGGED: u8 = 0x09;
    /// [`Leave`](crate::proto::body::Leave).
    pub const LEAVE: u8 = 0x0a;
    /// [`Close`](crate::proto::body::Close).
    pub const CLOSE: u8 = 0x0b;
    /// [`TunnelOpen`](crate::proto::tunnel::TunnelOpen).
    pub const TUNNEL_OPEN: u8 = 0x8c;
    /// Bytes of a tunnel.
    pub const TUNNEL_DATA: u8 = 0x8d;
    /// How much more of a tunnel may be sent.
    pub const TUNNEL_CREDIT: u8 = 0x8e;
    /// [`TunnelClose`](crate::proto::tunnel::TunnelClose).
    pub const TUNNEL_CLOSE: u8 = 0x8f;
}

/// Why a frame was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The body is not one of its kind.
    #[error(transparent)]
    Body(#[from] WireError),
    /// A kind that must be understood and is not known.
    #[error("frames of kind {kind:#04x} must be understood and are not known here")]
    UnknownKind {
        /// The kind.
        kind: u8,
    },
    /// The lane's number is not known.
    #[error("there is no lane {number}")]
    UnknownLane {
        /// The number.
        number: u8,
    },
    /// A frame without a kind.
    #[error("the frame is empty")]
    Empty,
    /// The messages of a segment do not add up.
    #[error("a segment of {announced} messages holds {found}")]
    Miscounted {
        /// How many its header announces.
        announced: u32,
        /// How many are there.
        found: u32,
    },
    /// A fragment that reaches beyond its message.
    #[error("a fragment from {offset} with {len} bytes reaches beyond its message of {total}")]
    Beyond {
        /// Where it starts.
        offset: u32,
        /// How long it is.
        len: usize,
        /// How long the message is.
        total: u32,
    },
}

/// Opens a lane: the number that its first message will have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneStart {
    /// The session, so that a lane can never be taken for one of another session.
    pub session: SessionId,
    /// The lane.
    pub lane: Lane,
    /// The number of the first message.
    pub first: u64,
}

/// Messages of one lane, with consecutive numbers.
///
/// ```text
/// | lane: 1 | first number: 8 | count: 4 | count x ( length: 2 | message ) |
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The lane.
    pub lane: Lane,
    /// The number of the first message.
    pub first: u64,
    /// How many messages.
    pub count: u32,
    /// The messages with their lengths, as they travel; the lengths have been checked.
    pub packed: Bytes,
}

/// A part of a message that does not fit into a segment. Each part has a number of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The lane.
    pub lane: Lane,
    /// The number of this part.
    pub number: u64,
    /// The number of the message's first part.
    pub message: u64,
    /// The length of the whole message, in bytes.
    pub total: u32,
    /// Where in the message this part starts.
    pub offset: u32,
    /// The part.
    pub part: Bytes,
}

/// All numbers below `next` were handed to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledge {
    /// The lane.
    pub lane: Lane,
    /// The first number that was not.
    pub next: u64,
}

/// Stands in its lane in place of messages that were shed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged {
    /// The lane.
    pub lane: Lane,
    /// The first number that will not come.
    pub from: u64,
    /// The number after the last one that will not come.
    pub to: u64,
    /// How many messages these numbers were.
    pub messages: u64,
}

/// A frame that this version knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The dialler's opening.
    Hello(Hello, Extensions),
    /// The acceptor's agreement.
    Welcome(Welcome, Extensions),
    /// A refusal.
    Refuse(Refuse, Extensions),
    /// The session begins.
    Go(Go, Extensions),
    /// A lane begins.
    LaneStart(LaneStart),
    /// Messages.
    Segment(Segment),
    /// A part of a message.
    Fragment(Fragment),
    /// Progress of the receiver.
    Acknowledge(Acknowledge),
    /// Messages that will not come.
    Lagged(Lagged),
    /// The peer leaves the cluster.
    Leave(Leave, Extensions),
    /// The peer ends the session.
    Close(Close, Extensions),
    /// Something of a tunnel through the session.
    Tunnel(TunnelFrame),
}

/// What a received frame turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A frame of a known kind.
    Known(Frame),
    /// One of an unknown kind that may be skipped.
    Skipped(u8),
}

impl Frame {
    /// The number of its kind.
    pub fn kind(&self) -> u8 {
        match self {
            Self::Hello(..) => kind::HELLO,
            Self::Welcome(..) => kind::WELCOME,
            Self::Refuse(..) => kind::REFUSE,
            Self::Go(..) => kind::GO,
            Self::LaneStart(_) => kind::LANE_START,
            Self::Segment(_) => kind::SEGMENT,
            Self::Fragment(_) => kind::FRAGMENT,
            Self::Acknowledge(_) => kind::ACKNOWLEDGE,
            Self::Lagged(_) => kind::LAGGED,
            Self::Leave(..) => kind::LEAVE,
            Self::Close(..) => kind::CLOSE,
            Self::Tunnel(frame) => frame.kind(),
        }
    }

    /// Takes a frame apart, without its length.
    ///
    /// # Errors
    /// When it is of an unknown kind that must be understood, or its body is not one of its kind.
    pub fn decode(mut bytes: Bytes) -> Result<Decoded, FrameError> {
        if bytes.is_empty() {
            return Err(FrameError::Empty);
        }
        let kind = bytes.get_u8();
        let body = bytes;
        let frame = match kind {
            kind::HELLO => take_body("Hello", &body).map(|(b, e)| Self::Hello(b, e))?,
            kind::WELCOME => take_body("Welcome", &body).map(|(b, e)| Self::Welcome(b, e))?,
            kind::REFUSE => take_body("Refuse", &body).map(|(b, e)| Self::Refuse(b, e))?,
            kind::GO => take_body("Go", &body).map(|(b, e)| Self::Go(b, e))?,
            kind::LANE_START => Self::LaneStart(LaneStart::decode(body)?),
            kind::SEGMENT => Self::Segment(Segment::decode(body)?),
            kind::FRAGMENT => Self::Fragment(Fragment::decode(body)?),
            kind::ACKNOWLEDGE => Self::Acknowledge(Acknowledge::decode(body)?),
            kind::LAGGED => Self::Lagged(Lagged::decode(body)?),
            kind::LEAVE => take_body("Leave", &body).map(|(b, e)| Self::Leave(b, e))?,
            kind::CLOSE => take_body("Close", &body).map(|(b, e)| Self::Close(b, e))?,
            kind => match TunnelFrame::decode(kind, &body) {
                Some(frame) => Self::Tunnel(frame?),
                None if kind & SKIPPABLE != 0 => return Ok(Decoded::Skipped(kind)),
                None => return Err(FrameError::UnknownKind { kind }),
            },
        };
        Ok(Decoded::Known(frame))
    }

    /// How many bytes it is written into: those that it has, if all of its kind have as many.
    fn room(&self) -> usize {
        match self {
            Self::LaneStart(_) => PREFIX + 1 + 8 + 1 + 8,
            Self::Acknowledge(_) => ACKNOWLEDGEMENT,
            Self::Lagged(_) => PREFIX + 1 + 1 + 3 * 8,
            _ => ROOM,
        }
    }

    /// The frame as it travels, with its length.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.room());
        out.put_u32(0);
        match self {
            Self::Hello(body, extensions) => put(&mut out, kind::HELLO, body, extensions),
            Self::Welcome(body, extensions) => put(&mut out, kind::WELCOME, body, extensions),
            Self::Refuse(body, extensions) => put(&mut out, kind::REFUSE, body, extensions),
            Self::Go(body, extensions) => put(&mut out, kind::GO, body, extensions),
            Self::LaneStart(start) => start.encode(&mut out),
            Self::Segment(segment) => {
                out.extend_from_slice(&segment_head(segment.lane, segment.first, segment.count));
                out.extend_from_slice(&segment.packed);
            }
            Self::Fragment(fragment) => {
                out.extend_from_slice(&fragment.head());
                out.extend_from_slice(&fragment.part);
            }
            Self::Acknowledge(acknowledge) => out.extend_from_slice(&acknowledge.encode()[PREFIX..]),
            Self::Lagged(lagged) => lagged.encode(&mut out),
            Self::Leave(body, extensions) => put(&mut out, kind::LEAVE, body, extensions),
            Self::Close(body, extensions) => put(&mut out, kind::CLOSE, body, extensions),
            Self::Tunnel(frame) => frame.encode(&mut out),
        }
        set_length(&mut out);
        out.freeze()
    }
}

fn put<T: Serialize>(out: &mut BytesMut, kind: u8, body: &T, extensions: &Extensions) {
    out.put_u8(kind);
    put_body(out, body, extensions);
}

/// Writes the length of all that follows it into the first four bytes.
pub(super) fn set_length(frame: &mut [u8]) {
    let length = u32::try_from(frame.len().saturating_sub(PREFIX)).unwrap_or(u32::MAX);
    if let Some(prefix) = frame.first_chunk_mut::<PREFIX>() {
        *prefix = length.to_be_bytes();
    }
}

fn lane(reader: &mut Reader) -> Result<Lane, FrameError> {
    let number = reader.u8()?;
    Lane::from_number(number).ok_or(FrameError::UnknownLane { number })
}

impl LaneStart {
    fn decode(body: Bytes) -> Result<Self, FrameError> {
        let mut reader = Reader::new("LaneStart", body);
        let start =
            Self { session: SessionId(reader.u64()?), lane: lane(&mut reader)?, first: reader.u64()? };
        reader.end()?;
        Ok(start)
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_u8(kind::LANE_START);
        out.put_u64(self.session.0);
        out.put_u8(self.lane.number());
        out.put_u64(self.first);
    }
}

/// The bytes of a segment's kind, lane, first number and count.
pub(super) const SEGMENT_HEAD: usize = 1 + 1 + 8 + 4;

pub(super) fn segment_head(lane: Lane, first: u64, count: u32) -> [u8; SEGMENT_HEAD] {
    let mut head = [0; SEGMENT_HEAD];
    head[0] = kind::SEGMENT;
    head[1] = lane.number();
    head[2..10].copy_from_slice(&first.to_be_bytes());
    head[10..].copy_from_slice(&count.to_be_bytes());
    head
}

impl Segment {
    pub(super) fn decode(body: Bytes) -> Result<Self, FrameError> {
        let mut reader = Reader::new("Segment", body);
        let (lane, first, count) = (lane(&mut reader)?, reader.u64()?, reader.u32()?);
        let packed = reader.rest();
        let (found, rest) = count_messages(&packed);
        if rest != 0 {
            return Err(
                WireError::Short { what: "the last message of a segment", need: 1, left: rest }.into()
            );
        }
        if found != count || count == 0 {
            return Err(FrameError::Miscounted { announced: count, found });
        }
        Ok(Self { lane, first, count, packed })
    }

    /// The messages, in order.
    pub fn messages(&self) -> Messages {
        Messages::of(self.packed.clone())
    }
}

/// How many whole messages there are, and how many bytes are left after them.
fn count_messages(mut packed: &[u8]) -> (u32, usize) {
    let mut found = 0_u32;
    while let Some((_, rest)) = split_message(packed) {
        packed = rest;
        found = found.saturating_add(1);
    }
    (found, packed.len())
}

/// The first message and what follows it.
pub(super) fn split_message(packed: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = packed.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// The messages of a segment, sharing its buffer.
#[derive(Clone, Debug)]
pub struct Messages {
    packed: Bytes,
}

impl Messages {
    pub(super) fn of(packed: Bytes) -> Self {
        Self { packed }
    }
}

impl Iterator for Messages {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let (message, _) = split_message(&self.packed)?;
        let length = message.len();
        let mut rest = self.packed.split_off(2);
        let message = rest.split_to(length);
        self.packed = rest;
        Some(message)
    }
}

/// The bytes of a fragment's kind, lane, numbers, total and offset.
pub(super) const FRAGMENT_HEAD: usize = 1 + 1 + 8 + 8 + 4 + 4;

impl Fragment {
    fn decode(body: Bytes) -> Result<Self, FrameError> {
        let mut reader = Reader::new("Fragment", body);
        let (lane, number, message) = (lane(&mut reader)?, reader.u64()?, reader.u64()?);
        let (total, offset) = (reader.u32()?, reader.u32()?);
        let part = reader.rest();
        let end = u32::try_from(part.len()).ok().and_then(|len| offset.checked_add(len));
        if part.is_empty() || end.is_none_or(|end| end > total) {
            return Err(FrameError::Beyond { offset, len: part.len(), total });
        }
        Ok(Self { lane, number, message, total, offset, part })
    }

    /// Everything before the part, without the frame's length.
    pub(super) fn head(&self) -> [u8; FRAGMENT_HEAD] {
        let mut head = [0; FRAGMENT_HEAD];
        let mut out = head.as_mut_slice();
        out.put_u8(kind::FRAGMENT);
        out.put_u8(self.lane.number());
        out.put_u64(self.number);
        out.put_u64(self.message);
        out.put_u32(self.total);
        out.put_u32(self.offset);
        head
    }

    /// Whether this is the message's last part.
    pub fn is_last(&self) -> bool {
        u64::from(self.offset) + self.part.len() as u64 == u64::from(self.total)
    }
}

/// The bytes of an acknowledgement, its length included.
pub(super) const ACKNOWLEDGEMENT: usize = PREFIX + 1 + 1 + 8;

impl Acknowledge {
    /// The whole frame, with its length.
    pub(super) fn encode(&self) -> [u8; ACKNOWLEDGEMENT] {
        let mut frame = [0; ACKNOWLEDGEMENT];
        frame[4] = kind::ACKNOWLEDGE;
        frame[5] = self.lane.number();
        frame[6..].copy_from_slice(&self.next.to_be_bytes());
        set_length(&mut frame);
        frame
    }

    pub(super) fn decode(body: Bytes) -> Result<Self, FrameError> {
        let mut reader = Reader::new("Acknowledge", body);
        let acknowledge = Self { lane: lane(&mut reader)?, next: reader.u64()? };
        reader.end()?;
        Ok(acknowledge)
    }
}

impl Lagged {
    fn decode(body: Bytes) -> Result<Self, FrameError> {
        let mut reader = Reader::new("Lagged", body);
        let lagged = Self {
            lane: lane(&mut reader)?,
            from: reader.u64()?,
            to: reader.u64()?,
            messages: reader.u64()?,
        };
        reader.end()?;
        Ok(lagged)
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_u8(kind::LAGGED);
        out.put_u8(self.lane.number());
        out.put_u64(self.from);
        out.put_u64(self.to);
        out.put_u64(self.messages);
    }
}

#[cfg(test)]
mod tests;
