//! Memory for little parcels, which is used again once they have been read.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// How much memory is taken at once.
const BLOCK: usize = 16 * 1024;
/// How many blocks are kept for when their parcels have been read.
const KEPT: usize = 16;
/// A parcel that is no longer has no memory of its own.
const LITTLE: usize = 256;

/// The block that is written to, and those that were before it, the oldest first.
#[derive(Debug)]
pub(super) struct Blocks {
    block: BytesMut,
    before: VecDeque<BytesMut>,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { block: BytesMut::with_capacity(BLOCK), before: VecDeque::new() }
    }
}

impl Blocks {
    /// Takes pieces of about this many bytes for one write, as a vectored write does it. Little ones are copied together.
    pub(super) fn gather(&mut self, out: &mut VecDeque<Bytes>, budget: usize) -> Bytes {
        let first = out.pop_front().unwrap_or_default();
        if first.len() >= budget || (out.is_empty() && first.len() > LITTLE) {
            return first;
        }
        let total = first.len() + out.iter().map(Bytes::len).sum::<usize>();
        let block = self.with_room(total.min(budget + first.len()));
        block.extend_from_slice(&first);
        while block.len() < budget
            && let Some(piece) = out.pop_front()
        {
            block.extend_from_slice(&piece);
        }
        block.split().freeze()
    }

    fn with_room(&mut self, wanted: usize) -> &mut BytesMut {
        if self.block.capacity() < wanted {
            self.change(wanted.max(BLOCK));
        }
        &mut self.block
    }

    /// Goes on with the oldest block, if nobody has a parcel of it any more, or with a new one.
    #[inline(never)]
    fn change(&mut self, wanted: usize) {
        self.before.push_back(std::mem::take(&mut self.block));
        let read = self.before.pop_front_if(|oldest| oldest.try_reclaim(wanted));
        self.block = read.unwrap_or_else(|| BytesMut::with_capacity(wanted));
        if self.before.len() > KEPT {
            self.before.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(blocks: &mut Blocks, pieces: &[&'static [u8]], budget: usize) -> Bytes {
        let mut out = pieces.iter().map(|piece| Bytes::from_static(piece)).collect();
        blocks.gather(&mut out, budget)
    }

    #[test]
    fn pieces_are_put_together_up_to_the_budget_and_a_large_one_is_not_copied() {
        let mut blocks = Blocks::default();
        assert_eq!(gather(&mut blocks, &[b"ab", b"cd", b"ef"], 3), b"abcd"[..]);
        let large = [7; LITTLE + 1].as_slice();
        let large: &'static [u8] = Box::leak(large.into());
        assert_eq!(gather(&mut blocks, &[large], 1_000).as_ptr(), large.as_ptr());
        assert_eq!(gather(&mut blocks, &[], 3), b""[..]);
    }

    #[test]
    fn a_block_is_used_again_once_its_parcels_have_been_read() {
        let mut blocks = Blocks::default();
        let fill = |blocks: &mut Blocks| -> Vec<Bytes> {
            (0..BLOCK / 4).map(|_| gather(blocks, &[b"abcd"], 10)).collect()
        };
        let first = fill(&mut blocks);
        let place = first[0].as_ptr();
        let second = fill(&mut blocks);
        assert!(first.iter().chain(&second).all(|parcel| parcel == "abcd"));
        assert_ne!(second[0].as_ptr(), place);
        drop(first);
        assert_eq!(fill(&mut blocks)[0].as_ptr(), place);
    }
}
