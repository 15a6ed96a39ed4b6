//! How messages get into a lane: short ones are copied into the open segment, longer ones go by reference.
//!
//! What a short message costs is compiled into whoever publishes; everything that is not done for each of them is a call.

use bytes::{BufMut, Bytes, BytesMut};

use super::super::super::Lane;
use super::super::super::frame::{
    ACKNOWLEDGEMENT, MAX_FRAME, PREFIX, SEGMENT_HEAD, segment_head, set_length,
};
use super::super::{Payload, Pushed, SendError};
use super::{HEAD, LENGTH, MAX_COPIED, MAX_IN_SEGMENT, Outbound, Part};

impl Outbound {
    /// Takes a message that consists of a head, always copied, and the rest. What a short message costs is compiled into the caller.
    #[inline]
    pub(in crate::proto::lanes) fn push(
        &mut self,
        head: &[u8],
        message: &Payload<'_>,
    ) -> Result<Pushed, SendError> {
        let len = head.len() + message.as_slice().len();
        let is_resumed = self.lane.is_resumed();
        if len > self.longest() || !is_resumed {
            self.check(len)?;
        }
        let number = self.next;
        if len <= MAX_COPIED {
            self.copy(head, message.as_slice());
        } else {
            self.take_long(head, message);
        }
        self.pushed += 1;
        let is_over = is_resumed && self.held() > self.ring;
        let shed = if is_over { self.shed_to_ring(number) } else { 0 };
        Ok(Pushed { wake: std::mem::take(&mut self.idle), shed })
    }

    /// Whether a message of this length is taken at all.
    fn check(&self, len: usize) -> Result<(), SendError> {
        if len > self.longest() {
            return Err(SendError::TooLong { lane: self.lane, len, limit: self.longest() });
        }
        let waiting = self.unsent();
        if !self.lane.is_resumed() && waiting > 0 && waiting + len > self.capacity() {
            return Err(SendError::Full { lane: self.lane, queued: waiting, limit: self.capacity() });
        }
        Ok(())
    }

    /// Takes a message that is not copied.
    fn take_long(&mut self, head: &[u8], message: &Payload<'_>) {
        if head.len() + message.len() <= MAX_IN_SEGMENT {
            self.refer(head, message.to_shared());
        } else if head.is_empty() {
            self.split(message.to_shared());
        } else {
            self.split([head, message.as_slice()].concat().into());
        }
    }

    /// Opens a segment with room for so many bytes.
    fn open(&mut self, need: usize) {
        // A small part of the window: what is longer than the rest of it waits for an acknowledgement, and nobody is in a hurry to
        // send one before a quarter is used up.
        let longest = (MAX_FRAME + PREFIX).min(self.window() / 4);
        let fits = self.open.len() + need <= longest;
        if self.lane == Lane::Control && self.open_count > 0 && fits {
            self.open.reserve(need + ACKNOWLEDGEMENT);
            return;
        }
        self.seal();
        self.open.clear();
        if self.open.capacity() < HEAD + need {
            self.open = self.block(HEAD + need);
        }
        self.open.extend_from_slice(&[0; HEAD]);
    }

    /// Memory for at least so many bytes. The control lane is never in a hurry, and beats on every link: it gets what its segment needs,
    /// with an acknowledgement behind it.
    fn block(&mut self, need: usize) -> BytesMut {
        match self.lane {
            Lane::Control => BytesMut::with_capacity(need + ACKNOWLEDGEMENT),
            _ => self.rare().blocks.take(need),
        }
    }

    #[inline]
    fn copy(&mut self, head: &[u8], message: &[u8]) {
        let len = head.len() + message.len();
        let need = LENGTH + len;
        let is_full =
            self.open.len() + need > MAX_FRAME + PREFIX || self.open.capacity() - self.open.len() < need;
        if self.open_count == 0 || is_full {
            self.open(need);
        }
        self.open.put_u16(u16::try_from(len).unwrap_or(u16::MAX));
        self.open.extend_from_slice(head);
        self.open.extend_from_slice(message);
        self.open_count += 1;
        self.next += 1;
    }

    /// Ends the open segment, so that it can be sent.
    pub(in crate::proto::lanes) fn seal(&mut self) {
        if self.open_count == 0 {
            return;
        }
        let (first, end) = (self.next - u64::from(self.open_count), self.next);
        let head = self.close();
        self.enqueue(first, end, head.freeze(), None, Part::None);
    }

    /// The open segment, ended.
    pub(super) fn close(&mut self) -> BytesMut {
        let first = self.next - u64::from(self.open_count);
        let mut head = match self.lane {
            Lane::Control => std::mem::take(&mut self.open),
            _ => self.open.split(),
        };
        if let Some((_, after_prefix)) = head.split_first_chunk_mut::<PREFIX>()
            && let Some(front) = after_prefix.first_chunk_mut()
        {
            *front = segment_head(self.lane, first, self.open_count);
        }
        set_length(&mut head);
        self.open_count = 0;
        head
    }

    fn refer(&mut self, head: &[u8], message: Bytes) {
        self.seal();
        let len = head.len() + message.len();
        let mut front = BytesMut::with_capacity(HEAD + LENGTH + head.len());
        front.put_u32(u32::try_from(SEGMENT_HEAD + LENGTH + len).unwrap_or(u32::MAX));
        front.put_slice(&segment_head(self.lane, self.next, 1));
        front.put_u16(u16::try_from(len).unwrap_or(u16::MAX));
        front.put_slice(head);
        self.next += 1;
        self.enqueue(self.next - 1, self.next, front.freeze(), Some(message), Part::None);
    }
}
