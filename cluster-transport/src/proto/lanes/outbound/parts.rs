//! Messages that are longer than a frame.
//!
//! On most lanes all parts of one are queued at once, and what comes later follows them. On the requests lane, where nothing
//! depends on order, they are kept aside and take turns with the short messages, part by part. One that nobody wants any more is
//! withdrawn from there: of what was sent of it a mark says that no more will come.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use super::super::super::Lane;
use super::super::super::frame::{FRAGMENT_HEAD, Fragment, PREFIX};
use super::{Content, Entry, MAX_PART, Outbound, Part};

/// What is left of a long message.
#[derive(Debug)]
struct Rest {
    whole: Bytes,
    bytes: Bytes,
    total: u32,
    offset: u32,
    /// The number of the first part, once that has one.
    message: Option<u64>,
}

impl Rest {
    fn of(bytes: Bytes) -> Self {
        let total = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self { whole: bytes.clone(), bytes, total, offset: 0, message: None }
    }

    fn parts(&self) -> u64 {
        u64::try_from(self.bytes.len().div_ceil(MAX_PART)).unwrap_or(u64::MAX)
    }

    /// The next part, under this number.
    fn cut(&mut self, lane: Lane, number: u64) -> Fragment {
        let message = *self.message.get_or_insert(number);
        let part = self.bytes.split_to(self.bytes.len().min(MAX_PART));
        let fragment = Fragment { lane, number, message, total: self.total, offset: self.offset, part };
        self.offset = self.offset.saturating_add(u32::try_from(fragment.part.len()).unwrap_or(u32::MAX));
        fragment
    }
}

/// The long messages that take turns with the short ones, one after the other.
#[derive(Debug, Default)]
pub(super) struct Aside {
    waiting: VecDeque<Rest>,
    bytes: usize,
    /// Whether a part is in the queue.
    has_turn: bool,
}

impl Aside {
    /// How many bytes are not in the queue yet.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many numbers they will take.
    pub(super) fn parts(&self) -> u64 {
        self.waiting.iter().map(Rest::parts).sum()
    }

    /// An entry of the queue was sent.
    pub(super) fn sent(&mut self, is_part: bool) {
        self.has_turn &= !is_part;
    }

    /// Takes the message out that begins with these bytes; whether a part of it has a number.
    fn withdraw(&mut self, beginning: &[u8]) -> Option<bool> {
        let at = self.waiting.iter().position(|rest| rest.whole.starts_with(beginning))?;
        let rest = self.waiting.remove(at)?;
        self.bytes -= rest.bytes.len();
        Some(rest.message.is_some())
    }

    /// Gives all up; how many messages these are.
    pub(super) fn clear(&mut self) -> u64 {
        let given_up = std::mem::take(self).waiting.len();
        u64::try_from(given_up).unwrap_or(u64::MAX)
    }
}

impl Outbound {
    /// Takes a message in parts.
    pub(super) fn split(&mut self, message: Bytes) {
        let mut rest = Rest::of(message);
        if self.lane == Lane::Requests {
            self.aside.bytes += rest.bytes.len();
            self.aside.waiting.push_back(rest);
            return;
        }
        self.seal();
        while !rest.bytes.is_empty() {
            let fragment = rest.cut(self.lane, self.next);
            self.enqueue_part(fragment);
        }
    }

    /// Queues the next part of a long message that takes turns, if the one before it was sent.
    pub(super) fn next_part(&mut self) {
        if self.aside.has_turn || self.aside.waiting.is_empty() {
            return;
        }
        self.seal();
        let Some(rest) = self.aside.waiting.front_mut() else { return };
        let fragment = rest.cut(self.lane, self.next);
        self.aside.has_turn = true;
        self.aside.bytes -= fragment.part.len();
        if fragment.is_last() {
            self.aside.waiting.pop_front();
        }
        self.enqueue_part(fragment);
    }

    /// Gives up what is not sent yet of the long message that begins with these bytes and takes turns.
    pub(in crate::proto::lanes) fn withdraw(&mut self, beginning: &[u8]) {
        if self.aside.withdraw(beginning) != Some(true) {
            return;
        }
        // The receiver waits for the rest of it.
        if std::mem::take(&mut self.aside.has_turn) {
            self.withdraw_part();
        } else {
            self.seal();
            self.next += 1;
            self.unsent_bytes += MARK;
            self.queue.push_back(Entry::withdrawn(self.next - 1, self.next));
        }
    }

    /// Puts a mark in the place of the part that has its turn.
    fn withdraw_part(&mut self) {
        let mut unsent = self.queue.iter_mut().skip(self.sent);
        let Some(part) = unsent.find(|entry| entry.is_part()) else { return };
        self.unsent_bytes = self.unsent_bytes - part.bytes + MARK;
        *part = Entry::withdrawn(part.first, part.end);
    }

    fn enqueue_part(&mut self, fragment: Fragment) {
        let len = FRAGMENT_HEAD + fragment.part.len();
        let mut head = BytesMut::with_capacity(PREFIX + FRAGMENT_HEAD);
        head.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
        head.put_slice(&fragment.head());
        let part = if fragment.is_last() { Part::Last } else { Part::Inner };
        self.next += 1;
        self.enqueue(self.next - 1, self.next, head.freeze(), Some(fragment.part), part);
    }
}

/// What a mark in place of a part counts for: about its frame.
const MARK: usize = 32;

impl Entry {
    /// Stands for a part of a message that nobody misses. Who never acknowledges gets a windowful of them and no more.
    fn withdrawn(first: u64, end: u64) -> Self {
        Self { first, end, bytes: MARK, content: Content::Shed { messages: 0 } }
    }
}
