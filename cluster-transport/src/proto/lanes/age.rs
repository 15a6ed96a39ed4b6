//! How long messages have waited in a lane, without a clock at each message: at every tick a mark says which number was next.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::Instant;
use super::outbound::Outbound;

/// What was there when.
#[derive(Debug, Default)]
pub(super) struct Marks(VecDeque<Mark>);

/// At this time, everything below `next` had been taken.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    next: u64,
}

impl Marks {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Since when at least the oldest of the numbers from `first` on has been there, as far as ticks tell.
    pub(super) fn since(&self, first: u64) -> Option<Instant> {
        self.0.iter().find(|mark| mark.next > first).map(|mark| mark.at)
    }

    fn set(&mut self, at: Instant, first: u64, next: u64) {
        self.0.retain(|mark| mark.next > first);
        if next > first && self.0.back().is_none_or(|last| last.next < next) {
            self.0.push_back(Mark { at, next });
        }
    }

    /// Below which number everything is at least so old.
    fn older_than(&self, now: Instant, age: Duration) -> Option<u64> {
        self.0.iter().rev().find(|mark| mark.at + age <= now).map(|mark| mark.next)
    }
}

impl Outbound {
    /// Time has passed: gives kept memory back. A lane that sheds marks what is there, and sheds what is unsent and older than
    /// allowed; how many messages that were is told by [`take_untold`](Self::take_untold).
    ///
    /// Without a session, what was sent and never acknowledged is shed too; some of it may have arrived.
    pub(super) fn tick(&mut self, now: Instant, max_age: Duration) {
        self.rest();
        if self.is_given_up() && !self.is_in_session() {
            // Nobody is owed it, and the next session says that there is a gap.
            self.clear();
        } else if self.is_resumed() {
            self.shed_old(now, max_age);
        }
    }

    fn shed_old(&mut self, now: Instant, max_age: Duration) {
        // What comes from now on is not to share a segment with what is older.
        self.seal();
        let (first, next) = (self.first_held(), self.next());
        if first == next {
            self.rare.iter_mut().for_each(|rare| rare.marks = Marks::default());
            return;
        }
        let marks = &mut self.rare().marks;
        marks.set(now, first, next);
        let Some(old) = marks.older_than(now, max_age) else { return };
        if !self.is_in_session() {
            self.unsend();
        }
        let shed = self.shed_while(old, |_| true);
        self.rare().untold += shed;
    }

    /// How many messages were shed since this was asked last, other than by a push that said so itself.
    pub(super) fn take_untold(&mut self) -> u64 {
        self.rare.as_mut().map_or(0, |rare| std::mem::take(&mut rare.untold))
    }
}

#[cfg(test)]
mod tests;
