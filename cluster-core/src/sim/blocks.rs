//! Memory for little parcels, which is used again once they have been read.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use cluster_transport::proto::session::Outbox as _;

use super::pieces::Pieces;

/// How much memory is taken at once: so little that a block comes round again while it is at hand.
const BLOCK: usize = 4 * 1024;
/// How many blocks are kept for when their parcels have been read: 1 MiB with all of them. Any other lives as long as a parcel of it does:
/// one that waits holds [`BLOCK`] bytes at most, however short it is.
const KEPT: usize = 256;
/// A piece that is longer and goes alone is not copied.
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
    pub(super) fn gather(&mut self, out: &mut Pieces, budget: usize) -> Bytes {
        let first = out.pop().unwrap_or_default();
        if first.len() >= budget || (out.is_empty() && first.len() > LITTLE) {
            return first;
        }
        let bytes = first.len() + out.bytes();
        if bytes > BLOCK {
            let mut own = BytesMut::with_capacity(bytes.min(first.len() + budget));
            fill(&mut own, &first, out, budget);
            return own.freeze();
        }
        let block = self.with_room(bytes);
        fill(block, &first, out, budget);
        block.split().freeze()
    }

    fn with_room(&mut self, wanted: usize) -> &mut BytesMut {
        if self.block.capacity() < wanted {
            self.change();
        }
        &mut self.block
    }

    /// Goes on with the oldest block, if nobody has a parcel of it any more, or with a new one.
    #[inline(never)]
    fn change(&mut self) {
        self.before.push_back(std::mem::take(&mut self.block));
        let read = self.before.pop_front_if(|oldest| oldest.try_reclaim(BLOCK));
        if read.is_some() {
            // As soon as two have been read, fewer would do, and would come round sooner.
            self.before.pop_front_if(|next| next.try_reclaim(BLOCK));
        }
        self.block = read.unwrap_or_else(|| BytesMut::with_capacity(BLOCK));
        if self.before.len() > KEPT {
            self.before.pop_front();
        }
    }
}

/// Copies pieces together until they are as long as the budget.
fn fill(block: &mut BytesMut, first: &[u8], out: &mut Pieces, budget: usize) {
    block.extend_from_slice(first);
    while block.len() < budget
        && let Some(piece) = out.pop()
    {
        block.extend_from_slice(&piece);
    }
}

/// A parcel that may be kept for long, without the block that it was in.
pub(super) fn apart(parcel: Bytes) -> Bytes {
    if parcel.len() > BLOCK { parcel } else { Bytes::copy_from_slice(&parcel) }
}

#[cfg(test)]
mod tests {
    use cluster_transport::proto::Lane;

    use super::*;

    fn gather(blocks: &mut Blocks, pieces: &[&'static [u8]], budget: usize) -> Bytes {
        let mut out = Pieces::default();
        pieces.iter().for_each(|piece| out.put(Lane::Control, Bytes::from_static(piece)));
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
    fn a_large_write_has_memory_of_its_own_and_no_block_is_larger_than_another() {
        let mut blocks = Blocks::default();
        let parcels = [[b"ab", [7; BLOCK].as_slice()], [[7; BLOCK - 1].as_slice(), b"ab"]];
        for pieces in parcels {
            let pieces = pieces.map(|piece| &*Box::leak(Box::from(piece)));
            assert_eq!(gather(&mut blocks, &pieces, 2 * BLOCK), pieces.concat());
            assert!(blocks.before.is_empty());
            assert_eq!(blocks.block.capacity(), BLOCK);
        }
        let parcels: Vec<_> = (0..BLOCK).map(|_| gather(&mut blocks, &[b"abcd", b"efg"], 100)).collect();
        assert!(parcels.iter().all(|parcel| parcel == "abcdefg"));
        let kept = blocks.before.len();
        assert!((6..=8).contains(&kept), "{kept} blocks for 28 KiB");
    }

    #[test]
    fn a_parcel_apart_holds_no_block() {
        let mut blocks = Blocks::default();
        let parcel = gather(&mut blocks, &[b"ab"], 3);
        let copy = apart(parcel.clone());
        assert!(copy == parcel && copy.as_ptr() != parcel.as_ptr());
        let large = Bytes::from(vec![7; BLOCK + 1]);
        assert_eq!(apart(large.clone()).as_ptr(), large.as_ptr());
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
        let many: Vec<_> = (0..9).map(|_| fill(&mut blocks)).collect();
        assert!(blocks.before.len() >= 9);
        drop((many, second));
        (0..9).for_each(|_| drop(fill(&mut blocks)));
        assert!(blocks.before.len() <= 1, "{} blocks are kept", blocks.before.len());
    }
}
