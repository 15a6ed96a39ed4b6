//! What a lane has no need of while it is silent, apart from what every message touches: made when it is first needed, and given
//! back once the lane is at rest.

use super::super::age::Marks;
use super::super::blocks::Blocks;
use super::super::room::Waiters;
use super::Outbound;
use super::parts::Aside;

#[derive(Debug, Default)]
pub(in crate::proto::lanes) struct Rare {
    pub(super) blocks: Blocks,
    pub(super) aside: Aside,
    pub(in crate::proto::lanes) marks: Marks,
    pub(in crate::proto::lanes) waiters: Waiters,
    /// What others made the lane shed, until somebody is told.
    pub(in crate::proto::lanes) untold: u64,
}

impl Rare {
    /// Whether it says no more than if it were made anew.
    fn is_spare(&self) -> bool {
        self.untold == 0 && self.marks.is_empty() && self.waiters.is_unused() && self.aside.is_empty()
    }
}

impl Outbound {
    #[inline]
    pub(in crate::proto::lanes) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Whether somebody waits for room.
    #[inline]
    pub(in crate::proto::lanes) fn is_waited_for(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.waiters.is_empty())
    }

    /// Whether it holds messages, or memory for them.
    #[inline]
    pub(in crate::proto) fn keeps_any(&self) -> bool {
        self.open_count > 0
            || self.open.capacity() > 0
            || self.queue.capacity() > 0
            || self.given_up
            || self.rare.is_some()
    }

    /// Gives back the memory that was kept for what comes, if nothing is held.
    pub(in crate::proto::lanes) fn rest(&mut self) {
        if self.queue.is_empty() && self.open_count == 0 {
            (self.open, self.queue) = Default::default();
            if let Some(rare) = &mut self.rare {
                rare.blocks.forget();
            }
            self.rare.take_if(|rare| rare.is_spare());
        }
    }

    #[cfg(test)]
    pub(in crate::proto::lanes) fn kept_blocks(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.blocks.kept())
    }
}
