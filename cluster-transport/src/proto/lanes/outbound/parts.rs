//! Messages that are longer than a frame.
//!
//! On most lanes all parts of one are queued at once, and what comes later follows them. On the requests lane, where nothing
//! depends on order, they are kept aside and take turns with the short messages, part by part. One that nobody wants any more is
//! withdrawn from there; a mark takes the place of its numbers, since a `Leave` may have counted them, and says that no more of it
//! will come.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use super::super::super::Lane;
use super::super::super::frame::{FRAGMENT_HEAD, Fragment, PREFIX};
use super::queue::{Content, Entry, Part, Queue};
use super::rare::Rare;
use super::{MAX_PART, Outbound};

/// What waits for its turn.
#[derive(Debug)]
enum Waiting {
    Message(Rest),
    /// So many numbers of messages that were withdrawn.
    Withdrawn(u64),
}

impl Waiting {
    /// How many numbers it will take.
    fn numbers(&self) -> u64 {
        match self {
            Self::Message(rest) => rest.parts(),
            Self::Withdrawn(numbers) => *numbers,
        }
    }

    /// How many parts it is.
    fn parts(&self) -> u64 {
        match self {
            Self::Message(rest) => rest.parts(),
            Self::Withdrawn(_) => 0,
        }
    }
}

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
    waiting: VecDeque<Waiting>,
    /// Of the messages.
    bytes: usize,
    /// Whether a part or a mark is in the queue.
    has_turn: bool,
}

impl Aside {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn add(&mut self, rest: Rest) {
        self.bytes += rest.bytes.len();
        self.waiting.push_back(Waiting::Message(rest));
    }

    /// How many numbers they will take.
    pub(super) fn numbers(&self) -> u64 {
        self.waiting.iter().map(Waiting::numbers).sum()
    }

    /// How many parts they are.
    pub(super) fn parts(&self) -> u64 {
        self.waiting.iter().map(Waiting::parts).sum()
    }

    /// Whether the next part is to be queued.
    fn wants_turn(&self) -> bool {
        !self.is_empty() && !self.has_turn
    }

    /// What had its turn was sent.
    pub(super) fn turn_is_over(&mut self) {
        self.has_turn = false;
    }

    /// Gives up the message that begins with these bytes: what was left of it.
    fn withdraw(&mut self, beginning: &[u8]) -> Option<Rest> {
        let begins = |waiting: &Waiting| matches!(waiting, Waiting::Message(rest) if rest.whole.starts_with(beginning));
        let at = self.waiting.iter().position(begins)?;
        let Some(Waiting::Message(rest)) = self.waiting.remove(at) else { return None };
        self.bytes -= rest.bytes.len();
        self.skip(at, rest.parts());
        Some(rest)
    }

    /// Puts numbers of nothing in this place. With those beside them they are one, so there are no more such places than messages.
    fn skip(&mut self, at: usize, mut numbers: u64) {
        while let Some(Waiting::Withdrawn(after)) = self.waiting.get(at) {
            numbers += after;
            self.waiting.remove(at);
        }
        match at.checked_sub(1).and_then(|before| self.waiting.get_mut(before)) {
            Some(Waiting::Withdrawn(before)) => *before += numbers,
            _ => self.waiting.insert(at, Waiting::Withdrawn(numbers)),
        }
    }

    /// Gives all up; how many messages these are.
    pub(super) fn clear(&mut self) -> u64 {
        let given_up = std::mem::take(self).waiting;
        let messages = given_up.iter().filter(|waiting| matches!(waiting, Waiting::Message(_))).count();
        u64::try_from(messages).unwrap_or(u64::MAX)
    }
}

impl Outbound {
    /// Takes a message in parts.
    pub(super) fn split(&mut self, message: Bytes) {
        let mut rest = Rest::of(message);
        if self.lane == Lane::Requests {
            return self.rare().aside.add(rest);
        }
        self.seal();
        while !rest.bytes.is_empty() {
            let fragment = rest.cut(self.lane, self.next);
            self.enqueue_part(fragment);
        }
    }

    /// Queues the next part of a long message that takes turns, or the mark of what was withdrawn, if the part before it was sent.
    pub(super) fn next_part(&mut self) {
        if !self.rare.as_ref().is_some_and(|rare| rare.aside.wants_turn()) {
            return;
        }
        self.seal();
        let (lane, next) = (self.lane, self.next);
        let Rare { aside, queue, .. } = self.rare();
        match aside.waiting.front_mut() {
            None => {}
            Some(Waiting::Withdrawn(numbers)) => {
                let end = next + *numbers;
                // Until it is sent, what is withdrawn after it waits with it, as one.
                aside.has_turn = true;
                aside.waiting.pop_front();
                queue.push(Entry::withdrawn(next, end));
                self.next = end;
            }
            Some(Waiting::Message(rest)) => {
                let fragment = rest.cut(lane, next);
                aside.has_turn = true;
                if fragment.is_last() {
                    aside.waiting.pop_front();
                }
                aside.bytes -= fragment.part.len();
                self.enqueue_part(fragment);
            }
        }
    }

    /// Gives up what is not sent yet of the long message that begins with these bytes and takes turns.
    pub(in crate::proto::lanes) fn withdraw(&mut self, beginning: &[u8]) {
        let Some(rare) = &mut self.rare else { return };
        let Some(rest) = rare.aside.withdraw(beginning) else { return };
        // The receiver may have a part of it.
        if rest.message.is_some() && rare.aside.has_turn {
            rare.queue.withdraw_part();
        }
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

impl Queue {
    /// Puts a mark in the place of the part that has its turn.
    fn withdraw_part(&mut self) {
        let mut unsent = self.entries.iter_mut().skip(self.sent);
        let Some(part) = unsent.find(|entry| entry.is_part()) else { return };
        self.unsent_bytes = self.unsent_bytes - part.bytes + MARK;
        *part = Entry::withdrawn(part.first, part.end);
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
