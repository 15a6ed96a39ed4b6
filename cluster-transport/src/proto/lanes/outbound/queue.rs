//! The frames of a lane that wait, and on the lanes that are resumed those that were sent and may have to be sent again.

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::super::Lane;
use super::super::super::frame::{Frame, Lagged};
use super::Sent;

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) bytes: usize,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// A frame: its head, and a payload by reference.
    Frame { head: Bytes, payload: Option<Bytes>, part: Part },
    /// Messages that were shed.
    Shed { messages: u64 },
}

/// What a frame is of a message in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Whole messages.
    None,
    Inner,
    Last,
}

impl Entry {
    /// How many messages end in this entry.
    pub(super) fn messages(&self) -> u64 {
        match self.content {
            Content::Frame { part: Part::None, .. } => self.numbers(),
            Content::Frame { part: Part::Last, .. } => 1,
            Content::Frame { part: Part::Inner, .. } | Content::Shed { .. } => 0,
        }
    }

    /// How many messages were shed before and are marked by this entry.
    pub(super) fn marked(&self) -> u64 {
        match self.content {
            Content::Shed { messages } => messages,
            Content::Frame { .. } => 0,
        }
    }

    fn numbers(&self) -> u64 {
        self.end - self.first
    }

    #[inline]
    pub(super) fn is_part(&self) -> bool {
        matches!(self.content, Content::Frame { part: Part::Inner | Part::Last, .. })
    }

    /// Whether what takes turns goes on once this is sent.
    #[inline]
    pub(super) fn takes_turn(&self) -> bool {
        self.is_part() || self.is_mark()
    }

    pub(super) fn is_mark(&self) -> bool {
        matches!(self.content, Content::Shed { .. })
    }

    /// What goes to the link, kept so that it can be sent again.
    fn again(&self, lane: Lane) -> Sent {
        match &self.content {
            Content::Frame { head, payload, .. } => [Some(head.clone()), payload.clone()],
            Content::Shed { messages } => {
                let (from, to, messages) = (self.first, self.end, *messages);
                [Some(Frame::Lagged(Lagged { lane, from, to, messages }).encode()), None]
            }
        }
    }

    /// What goes to the link, once.
    pub(super) fn once(self, lane: Lane) -> Sent {
        match self.content {
            Content::Frame { head, payload, .. } => [Some(head), payload],
            Content::Shed { .. } => self.again(lane),
        }
    }
}

/// Entries in the order of their numbers. What was sent is at the front.
///
/// In this order, so that a push has what it looks at together with those who wait.
#[derive(Debug, Default)]
#[repr(C)]
pub(in crate::proto::lanes) struct Queue {
    /// Bytes of the entries that were not sent.
    pub(super) unsent_bytes: usize,
    /// How many entries at the front were given to the link.
    pub(super) sent: usize,
    pub(super) entries: VecDeque<Entry>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.unsent_bytes += entry.bytes;
        self.entries.push_back(entry);
    }

    /// What is to be sent next.
    pub(super) fn next(&self) -> Option<&Entry> {
        self.entries.get(self.sent)
    }

    /// The first number in it.
    pub(super) fn first(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.first)
    }

    /// What was not sent.
    pub(super) fn unsent(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().skip(self.sent)
    }

    /// How many messages were not sent. Those in parts count as their parts, and those that were shed until that is told.
    pub(super) fn unsent_messages(&self) -> u64 {
        let count = |entry: &Entry| if entry.is_mark() { entry.marked() } else { entry.numbers() };
        self.unsent().map(count).sum()
    }

    /// How many messages nobody will get if it is given up.
    pub(super) fn lost(&self) -> u64 {
        self.unsent().map(Entry::messages).sum()
    }

    /// Gives the next one to the link, and keeps it.
    pub(super) fn send(&mut self, lane: Lane) -> Option<Sent> {
        let entry = self.next()?;
        let sent = entry.again(lane);
        self.unsent_bytes -= entry.bytes;
        self.sent += 1;
        Some(sent)
    }

    /// Takes the first one out, if none is kept that was sent.
    pub(super) fn take(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.unsent_bytes -= entry.bytes;
        Some(entry)
    }

    /// The number after the last one that was sent and is kept.
    pub(super) fn sent_end(&self) -> Option<u64> {
        let last = self.sent.checked_sub(1)?;
        self.entries.get(last).map(|entry| entry.end)
    }

    /// Takes the first one out if it was sent and everything in it is below `next`.
    pub(super) fn take_acknowledged(&mut self, next: u64) -> Option<Entry> {
        if self.sent == 0 {
            return None;
        }
        let entry = self.entries.pop_front_if(|entry| entry.end <= next)?;
        self.sent -= 1;
        Some(entry)
    }

    /// What was sent is to be sent again.
    pub(super) fn unsend(&mut self) {
        let again = self.entries.iter().take(self.sent);
        self.unsent_bytes += again.map(|entry| entry.bytes).sum::<usize>();
        self.sent = 0;
    }

    /// Forgets what a peer has that wants to go on with this number. Nothing here counts as sent.
    pub(super) fn forget_below(&mut self, wanted: u64) {
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.end <= wanted) {
            self.unsent_bytes -= entry.bytes;
        }
        // Some of what a mark stands for had arrived: the peer may acknowledge it before it sees the mark.
        if let Some(Entry { first, end, content: Content::Shed { messages }, .. }) = self.entries.front_mut()
        {
            *first = wanted.max(*first);
            *messages = (*end - *first).min(*messages);
        }
    }
}
