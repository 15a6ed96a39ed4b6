//! How many bytes of a lane may be unacknowledged, and which frames are: sent and not to be sent again, or taken in.

use std::collections::VecDeque;

/// Mostly no frame is unacknowledged, or one, and only more take memory of their own.
///
/// The numbers of frames follow each other, so that the last one ends where the lane is. Its owner says where that is.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Those before the last one. Never empty.
    earlier: Option<Box<Earlier>>,
    /// Bytes of the last one; none if there is no frame.
    last: u32,
    size: u32,
}

#[derive(Debug, Default)]
struct Earlier {
    bytes: usize,
    frames: VecDeque<Frame>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    /// The number after its last one.
    end: u64,
    bytes: u32,
}

impl Window {
    /// Room for so many bytes.
    pub(super) fn new(size: u32) -> Self {
        Self { size, ..Self::default() }
    }

    pub(super) fn resize(&mut self, size: u32) {
        self.size = size;
    }

    /// How many bytes may be unacknowledged.
    #[inline]
    pub(super) fn size(&self) -> usize {
        count(self.size)
    }

    /// Bytes of all frames.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        count(self.last) + self.earlier.as_ref().map_or(0, |earlier| earlier.bytes)
    }

    /// Forgets all frames.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.size);
    }

    /// Adds a frame of so many bytes whose first number is `at`.
    #[inline]
    pub(super) fn add(&mut self, at: u64, bytes: usize) {
        self.close(at);
        self.last = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// The last frame ends at `end`, and what follows is no frame, or another one.
    #[inline]
    pub(super) fn close(&mut self, end: u64) {
        if self.last > 0 {
            self.keep_last(end);
        }
    }

    fn keep_last(&mut self, end: u64) {
        let bytes = std::mem::take(&mut self.last);
        let earlier = self.earlier.get_or_insert_default();
        earlier.bytes += count(bytes);
        earlier.frames.push_back(Frame { end, bytes });
    }

    /// Takes out the frames below `next`, if the lane is at `end`; the bytes of them.
    #[inline]
    pub(super) fn take_below(&mut self, next: u64, end: u64) -> usize {
        let earlier = if self.earlier.is_some() { self.take_earlier(next) } else { 0 };
        earlier + if next >= end { count(std::mem::take(&mut self.last)) } else { 0 }
    }

    fn take_earlier(&mut self, next: u64) -> usize {
        let Some(earlier) = &mut self.earlier else { return 0 };
        let mut taken = 0;
        while let Some(frame) = earlier.frames.pop_front_if(|frame| frame.end <= next) {
            taken += count(frame.bytes);
        }
        earlier.bytes -= taken;
        self.earlier.take_if(|earlier| earlier.frames.is_empty());
        taken
    }
}

/// Lengths are 32 bits on the wire, and so are their limits.
#[inline]
pub(super) fn count(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_below_a_number_are_taken_out_once_and_leave_no_memory_behind() {
        let mut window = Window::new(100);
        for (at, bytes) in [(0, 10), (3, 20), (7, 30)] {
            window.add(at, bytes);
        }
        assert_eq!((window.bytes(), window.size()), (60, 100));
        let taken = [2, 3, 6, 8, 8, 9].map(|next| window.take_below(next, 9));
        assert_eq!(taken, [0, 10, 0, 20, 0, 30]);
        assert!(window.bytes() == 0 && window.earlier.is_none());
    }

    #[test]
    fn a_frame_ends_where_it_is_closed_though_numbers_without_a_frame_follow() {
        let mut window = Window::new(100);
        window.add(0, 10);
        window.close(2);
        assert_eq!(window.take_below(2, 5), 10);
        window.add(5, 20);
        assert_eq!((window.take_below(5, 6), window.take_below(6, 6)), (0, 20));
    }
}
