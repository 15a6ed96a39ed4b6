//! Memory that all clients share, counted by those who hold some of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes wait for clients, and how many may. A text that waits for many clients is there once, and counts once.
#[derive(Debug)]
pub(crate) struct Reserve {
    limit: usize,
    used: AtomicUsize,
}

/// Some of it, until this value is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    reserve: Arc<Reserve>,
    bytes: usize,
}

impl Reserve {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0) }
    }

    /// Takes some, whether or not there is any left: what is too much is given back by [`Self::is_exceeded`]'s callers.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Held { reserve: Arc::clone(self), bytes }
    }

    /// How many bytes are taken.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether more is taken than may be.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.used() > self.limit
    }

    /// Whether enough has been given back that it is not exceeded by the next text again.
    pub(crate) fn is_relieved(&self) -> bool {
        self.used() <= self.limit - self.limit / 8
    }
}

impl Held {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.reserve.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
