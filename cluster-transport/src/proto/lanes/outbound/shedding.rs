//! What gives way in a lane: the oldest unsent messages, for a mark that travels in their place.

use super::Outbound;
use super::queue::{Content, Entry, Part, Queue};

impl Outbound {
    /// Gives the oldest unsent messages up until the ring holds what it may; what was pushed last (from `keep` on) stays.
    pub(super) fn shed_to_ring(&mut self, keep: u64) -> u64 {
        self.shed_while(keep, |outbound| outbound.sent_bytes + outbound.unsent() > outbound.ring)
    }

    /// Gives the oldest unsent messages up while they are too many, up to the number `keep`. How many messages that were.
    pub(in crate::proto::lanes) fn shed_while(
        &mut self,
        keep: u64,
        are_too_many: impl Fn(&Self) -> bool,
    ) -> u64 {
        let mut shed = 0;
        let mut inside = false;
        while inside || are_too_many(self) {
            self.seal();
            let Some(rare) = &mut self.rare else { break };
            let Some(entry) = rare.queue.take_oldest_unsent(keep) else { break };
            inside = matches!(entry.content, Content::Frame { part: Part::Inner, .. });
            shed += entry.messages();
            let marked = entry.marked() + entry.messages();
            rare.queue.mark_shed(entry.first, entry.end, marked);
        }
        self.shed += shed;
        shed
    }
}

impl Queue {
    /// Takes out the entry after the mark at the front of what is unsent.
    fn take_oldest_unsent(&mut self, keep: u64) -> Option<Entry> {
        let at = self.sent + usize::from(self.next()?.is_mark());
        if self.entries.get(at)?.end > keep {
            return None;
        }
        let entry = self.entries.remove(at)?;
        self.unsent_bytes -= entry.bytes;
        Some(entry)
    }

    /// Widens the mark at the front of what is unsent, or makes one.
    fn mark_shed(&mut self, first: u64, end: u64, more: u64) {
        if let Some(Entry { end: marked, content: Content::Shed { messages }, .. }) =
            self.entries.get_mut(self.sent)
        {
            *marked = end;
            *messages += more;
        } else {
            let entry = Entry { first, end, bytes: 0, content: Content::Shed { messages: more } };
            self.entries.insert(self.sent, entry);
        }
    }
}
