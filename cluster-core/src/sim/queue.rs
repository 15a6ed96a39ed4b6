//! Which parcel arrives next, on any of the links.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use cluster_transport::proto::Instant;

use super::wires::{Pipe, Socket};

/// The first parcel of each pipe, by its time; of those with the same, the one that was scheduled first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Scheduled>,
    sequence: u64,
}

impl Queue {
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.heap.peek().map(|next| next.at)
    }

    pub(super) fn pop(&mut self) -> Option<Socket> {
        self.heap.pop().map(|next| next.socket)
    }

    /// Has the first parcel of a pipe arrive then, if that is not planned already.
    pub(super) fn schedule(&mut self, at: Instant, socket: Socket, pipe: &mut Pipe) {
        if !std::mem::replace(&mut pipe.is_scheduled, true) {
            self.sequence += 1;
            self.heap.push(Scheduled { at, sequence: self.sequence, socket });
        }
    }
}

/// What is to arrive. The greatest of them arrives first, and no two have the same sequence: the socket plays no part.
#[derive(Debug)]
struct Scheduled {
    at: Instant,
    sequence: u64,
    socket: Socket,
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    // Asked for at every step of every parcel through the heap.
    fn le(&self, other: &Self) -> bool {
        other.at < self.at || (other.at == self.at && other.sequence <= self.sequence)
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scheduled {}
