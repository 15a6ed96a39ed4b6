//! What waits to be written to one client: texts in their order, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use axum::extract::ws::Utf8Bytes;
use thiserror::Error;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The client reads more slowly than it is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too much backpressure: client is too slow")]
pub struct TooSlow;

/// A bounded queue between a whole node that writes and the one task that sends.
///
/// Nobody ever waits to write. A text that does not fit ends the queue: a client that misses one text silently would be
/// worse off than one that has to come back. A text alone always fits, so the worst case is the limit and one text.
#[derive(Debug)]
pub(super) struct Outbox {
    limit: usize,
    queue: Mutex<Queue>,
    filled: Notify,
    overflow: CancellationToken,
}

#[derive(Debug, Default)]
struct Queue {
    texts: VecDeque<Utf8Bytes>,
    bytes: usize,
}

impl Outbox {
    /// An empty queue that takes this many bytes.
    pub(super) fn new(limit: usize) -> Self {
        let (queue, filled, overflow) = (Mutex::default(), Notify::new(), CancellationToken::new());
        Self { limit, queue, filled, overflow }
    }

    /// Adds a text. Nothing happens once one did not fit.
    pub(super) fn push(&self, text: Utf8Bytes) {
        if self.overflow.is_cancelled() {
            return;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = queue.bytes.saturating_add(cost(&text));
        if bytes > self.limit && !queue.texts.is_empty() {
            *queue = Queue::default();
            self.overflow.cancel();
            return;
        }
        queue.bytes = bytes;
        queue.texts.push_back(text);
        self.filled.notify_one();
    }

    /// The next text, when there is one. For one task; cancel safe.
    pub(super) async fn next(&self) -> Utf8Bytes {
        loop {
            if let Some(text) = self.pop() {
                return text;
            }
            self.filled.notified().await;
        }
    }

    /// Resolves when a text did not fit.
    pub(super) async fn overflow(&self) -> TooSlow {
        self.overflow.cancelled().await;
        TooSlow
    }

    fn pop(&self) -> Option<Utf8Bytes> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let text = queue.texts.pop_front()?;
        queue.bytes = queue.bytes.saturating_sub(cost(&text));
        Some(text)
    }
}

fn cost(text: &Utf8Bytes) -> usize {
    text.as_str().len().saturating_add(OVERHEAD)
}

/// What a text costs beside its bytes, so that many small ones are bounded too.
const OVERHEAD: usize = 64;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn drained(outbox: &Outbox) -> Vec<Utf8Bytes> {
        std::iter::from_fn(|| outbox.next().now_or_never()).collect()
    }

    #[test]
    fn texts_come_out_in_their_order() {
        let outbox = Outbox::new(1_000);
        for text in ["a", "b", "c"] {
            outbox.push(text.into());
        }
        assert_eq!(drained(&outbox), ["a", "b", "c"].map(Utf8Bytes::from));
        outbox.push("d".into());
        assert_eq!(drained(&outbox), ["d"].map(Utf8Bytes::from));
        assert_eq!(outbox.overflow().now_or_never(), None);
    }

    #[test]
    fn a_text_that_does_not_fit_ends_the_queue() {
        let outbox = Outbox::new(3 * (OVERHEAD + 1));
        for text in ["a", "b", "c"] {
            outbox.push(text.into());
        }
        assert_eq!(outbox.overflow().now_or_never(), None);
        outbox.push("d".into());
        assert_eq!(outbox.overflow().now_or_never(), Some(TooSlow));
        outbox.push("e".into());
        assert_eq!(drained(&outbox), Vec::<Utf8Bytes>::new());
    }

    #[test]
    fn a_text_alone_fits_whatever_its_size() {
        let outbox = Outbox::new(10);
        outbox.push("x".repeat(1_000).into());
        assert_eq!(drained(&outbox).len(), 1);
        outbox.push("y".repeat(1_000).into());
        assert_eq!((drained(&outbox).len(), outbox.overflow().now_or_never()), (1, None));
    }
}
