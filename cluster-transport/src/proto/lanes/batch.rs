//! Received messages on their way to the application.

use bytes::{Bytes, BytesMut};

use super::super::Lane;
use super::super::frame;

/// Messages of one lane on their way to the application, sharing the buffer they were read into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    lane: Lane,
    end: u64,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Packed {
        packed: Bytes,
        count: u32,
    },
    Whole(Bytes),
    /// Several segments, copied into one buffer.
    Joined {
        packed: BytesMut,
        count: u32,
    },
}

/// Batches are put together up to so many bytes.
const JOINED: usize = 16 * 1024;

impl Batch {
    /// So many messages with their lengths, as they travel.
    pub(super) fn packed(lane: Lane, end: u64, packed: Bytes, count: u32) -> Self {
        Self { lane, end, content: Content::Packed { packed, count } }
    }

    /// One message that came in parts.
    pub(super) fn whole(lane: Lane, end: u64, message: Bytes) -> Self {
        Self { lane, end, content: Content::Whole(message) }
    }

    /// The lane.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// The number after the last message; what [`PeerLanes::done`](super::PeerLanes::done) wants.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        match &self.content {
            Content::Packed { count, .. } | Content::Joined { count, .. } => {
                usize::try_from(*count).unwrap_or(usize::MAX)
            }
            Content::Whole(_) => 1,
        }
    }

    /// Whether there is no message. Batches that are handed out have at least one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the batch holds on to.
    pub fn bytes(&self) -> usize {
        match &self.content {
            Content::Packed { packed, .. } => packed.len(),
            Content::Joined { packed, .. } => packed.len(),
            Content::Whole(message) => message.len(),
        }
    }

    /// Takes the batch that follows this one into this one, so that many small ones that wait do not each hold on to the read
    /// that they came in. Copies both.
    ///
    /// # Errors
    /// Gives the batch back if it is of another lane, does not follow, or both together are longer than 16 KiB.
    pub fn join(&mut self, next: Self) -> Result<(), Self> {
        let follows = self.lane == next.lane
            && u64::try_from(next.len()).is_ok_and(|len| next.end.checked_sub(len) == Some(self.end));
        let Content::Packed { packed: more, count: further } = &next.content else { return Err(next) };
        if !follows || self.bytes() + more.len() > JOINED {
            return Err(next);
        }
        if let Content::Packed { packed, count } = &self.content {
            let (mut joined, count) = (BytesMut::with_capacity(packed.len() + more.len()), *count);
            joined.extend_from_slice(packed);
            self.content = Content::Joined { packed: joined, count };
        }
        let Content::Joined { packed, count } = &mut self.content else { return Err(next) };
        packed.extend_from_slice(more);
        *count = count.saturating_add(*further);
        self.end = next.end;
        Ok(())
    }

    /// The messages, borrowed.
    pub fn iter(&self) -> Messages<'_> {
        match &self.content {
            Content::Packed { packed, .. } => Messages { packed, whole: None },
            Content::Joined { packed, .. } => Messages { packed, whole: None },
            Content::Whole(message) => Messages { packed: &[], whole: Some(message) },
        }
    }

    /// The messages, each sharing the batch's buffer.
    pub fn into_messages(self) -> impl Iterator<Item = Bytes> {
        let (packed, whole) = match self.content {
            Content::Packed { packed, .. } => (packed, None),
            Content::Joined { packed, .. } => (packed.freeze(), None),
            Content::Whole(message) => (Bytes::new(), Some(message)),
        };
        frame::Messages::of(packed).chain(whole)
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a [u8];
    type IntoIter = Messages<'a>;

    fn into_iter(self) -> Messages<'a> {
        self.iter()
    }
}

/// The messages of a batch, borrowed.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    packed: &'a [u8],
    whole: Option<&'a [u8]>,
}

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if let Some((message, rest)) = frame::split_message(self.packed) {
            self.packed = rest;
            return Some(message);
        }
        self.whole.take()
    }
}

#[cfg(test)]
mod tests;
