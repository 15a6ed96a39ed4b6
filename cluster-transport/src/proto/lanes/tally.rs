//! The frames of a lane on their way to be acknowledged, where only their bytes are kept: sent and not to be sent again, or taken in.

use std::num::NonZeroU32;

use super::super::few::Few;

/// Which frames, up to which numbers. Mostly none or one, which takes no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Tally(Few<Frame>);

#[derive(Clone, Copy, Debug)]
struct Frame {
    /// The number after its last one.
    end: u64,
    bytes: NonZeroU32,
}

impl Tally {
    /// Adds a frame of so many bytes. One without bytes is not worth an entry.
    #[inline]
    pub(super) fn add(&mut self, end: u64, bytes: usize) {
        if let Some(bytes) = NonZeroU32::new(u32::try_from(bytes).unwrap_or(u32::MAX)) {
            self.0.push(Frame { end, bytes });
        }
    }

    /// Takes out the frames below `next`; the bytes of them.
    #[inline]
    pub(super) fn take_below(&mut self, next: u64) -> usize {
        let mut bytes = 0;
        while let Some(frame) = self.0.pop_if(|frame| frame.end <= next) {
            bytes += usize::try_from(frame.bytes.get()).unwrap_or(usize::MAX);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_a_number_is_taken_out_once() {
        let mut tally = Tally::default();
        for (end, bytes) in [(3, 10), (4, 0), (7, 20), (9, 30)] {
            tally.add(end, bytes);
        }
        assert_eq!([2, 3, 8, 8, 9].map(|next| tally.take_below(next)), [0, 10, 20, 0, 30]);
    }
}
