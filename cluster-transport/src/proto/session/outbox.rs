//! Where a session puts what it has to send: one byte stream, or a stream for each lane.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::proto::Lane;

/// What takes the frames of a session, in the order in which each lane gives them.
pub trait Outbox {
    /// Whether nothing waits to be written: what is put now would make a packet of its own.
    fn is_empty(&self) -> bool;

    /// Whether it takes more of this lane just now. The starts of lanes, a leave and a close are put up without asking.
    fn takes(&self, lane: Lane) -> bool;

    /// Takes a piece of a frame, or a few whole frames in one piece. The pieces of a frame follow each other, and none is empty.
    fn put(&mut self, lane: Lane, piece: Bytes);
}

/// One byte stream, and how much more of it is wanted.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    pub(super) pieces: &'a mut VecDeque<Bytes>,
    pub(super) budget: usize,
}

impl Outbox for Stream<'_> {
    fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    fn takes(&self, _: Lane) -> bool {
        self.budget > 0
    }

    fn put(&mut self, _: Lane, piece: Bytes) {
        self.budget = self.budget.saturating_sub(piece.len());
        self.pieces.push_back(piece);
    }
}
