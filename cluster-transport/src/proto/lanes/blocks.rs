//! The memory that a lane copies messages into: blocks that several segments share, each twice as long as the one before it,
//! for most lanes of a large cluster say little. A busy lane uses its full blocks over and over.

use bytes::{Bytes, BytesMut};

/// The length of the first block.
const FIRST: usize = 512;
/// The length of a full block.
const LAST: usize = 64 * 1024;
/// How many acknowledged blocks are kept: what is taken between two wakes of those who wait for room, with the ring's default.
const SPARES: usize = 32;

/// Where the next segments go.
#[derive(Debug)]
pub(super) struct Blocks {
    next: usize,
    spares: Vec<BytesMut>,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { next: FIRST, spares: Vec::new() }
    }
}

impl Blocks {
    /// A block with room for so many bytes, at most a full one.
    pub(super) fn take(&mut self, need: usize) -> BytesMut {
        if let Some(spare) = self.spares.pop() {
            return spare;
        }
        let block = BytesMut::with_capacity(self.next.max(need));
        self.next = (self.next * 2).min(LAST);
        block
    }

    /// Keeps the full block of an acknowledged segment that nothing else refers to: the same memory again, in place of pages that
    /// the system has to clear.
    pub(super) fn keep(&mut self, segment: Bytes) {
        if self.spares.len() < SPARES
            && let Ok(mut block) = segment.try_into_mut()
        {
            block.clear();
            // The segment may be the last one of several in its block.
            if block.try_reclaim(LAST) {
                self.spares.push(block);
            }
        }
    }

    /// Gives the kept blocks back: the lane holds nothing.
    pub(super) fn forget(&mut self) {
        self.spares = Vec::new();
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.spares.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_block_is_used_again_once_nothing_refers_to_it() {
        let mut blocks = Blocks::default();
        let mut block = BytesMut::with_capacity(LAST);
        block.extend_from_slice(&[7; LAST]);
        let (place, segment) = (block.as_ptr(), block.freeze());
        let reader = segment.clone();
        blocks.keep(segment);
        assert_eq!(blocks.spares.len(), 0, "it is being read");
        blocks.keep(reader);
        let again = blocks.take(100);
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, LAST));
    }

    #[test]
    fn a_block_that_several_segments_shared_is_used_again_with_the_last_of_them() {
        let mut blocks = Blocks::default();
        let mut block = BytesMut::with_capacity(LAST);
        let place = block.as_ptr();
        block.extend_from_slice(&[7; LAST]);
        let (first, last) = (block.split_to(LAST / 3).freeze(), block.freeze());
        blocks.keep(first);
        assert_eq!(blocks.spares.len(), 0, "there is more in it");
        blocks.keep(last);
        let again = blocks.take(100);
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, LAST));
    }

    #[test]
    fn small_blocks_are_not_kept_and_idle_lanes_keep_none() {
        let mut blocks = Blocks::default();
        blocks.keep(blocks_of(FIRST));
        assert_eq!(blocks.spares.len(), 0);
        (0..2 * SPARES).for_each(|_| blocks.keep(blocks_of(LAST)));
        assert_eq!(blocks.spares.len(), SPARES);
        blocks.forget();
        assert_eq!(blocks.spares.capacity(), 0);
    }

    fn blocks_of(len: usize) -> Bytes {
        let mut block = BytesMut::with_capacity(len);
        block.extend_from_slice(&vec![7; len]);
        block.freeze()
    }
}
