//! What waits to be written to one client: texts in their order, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use thiserror::Error;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

use crate::load::{Bound, Held, Load};

/// A longer text is written in pieces of this many bytes, so that no more of it is copied at a time.
pub(crate) const PIECE: usize = 16 * 1024;

/// The client reads more slowly than it is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TooSlow {
    /// More waits for it than may wait for a client.
    #[error("too much backpressure: client is too slow")]
    Alone,
    /// More waits for all clients than may, and for no other does more wait than for this one.
    #[error("too much backpressure: slow clients take up this node's memory")]
    AmongOthers,
}

/// Whether a client may ask for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It may.
    Enough,
    /// It has read something; whether that is enough is to be asked again.
    More,
}

/// A text that may wait for many clients. It is in memory once.
#[derive(Clone, Debug)]
pub(super) struct Text(Arc<(Utf8Bytes, Held)>);

impl Text {
    pub(super) fn new(text: Utf8Bytes, load: &Load) -> Self {
        let held = load.reserve().hold(text.as_str().len());
        Self(Arc::new((text, held)))
    }

    fn bytes(&self) -> usize {
        self.0.0.as_str().len()
    }

    /// Its bytes, shared out among all for whom it waits.
    fn share(&self) -> usize {
        self.bytes() / Arc::strong_count(&self.0)
    }
}

/// A bounded queue between a whole node that writes and the one task that sends.
///
/// Nobody ever waits to write. A text that does not fit ends the queue: a client that misses one text silently would be
/// worse off than one that has to come back. One text that is longer than the limit fits all the same, whatever else is there, so the
/// worst case is the limit and one text. A text counts until it has been written.
#[derive(Debug)]
pub(super) struct Outbox {
    limit: usize,
    load: Load,
    queue: Mutex<Queue>,
    filled: Notify,
    drained: Notify,
    overflow: CancellationToken,
    why: OnceLock<TooSlow>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Each text, and what its place here takes.
    texts: VecDeque<(Text, Held)>,
    /// What they cost, and the one that is being written.
    bytes: usize,
    /// What one of them costs that is longer than the limit; 0 while there is none.
    over: usize,
    /// The text that was taken last, and the copy of a piece of it: until the next one is taken it is being written.
    written: Option<(Text, Held)>,
}

impl Outbox {
    /// An empty queue that takes this many bytes.
    pub(super) fn new(limit: usize, load: &Load) -> Self {
        Self {
            limit,
            load: load.clone(),
            queue: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            overflow: CancellationToken::new(),
            why: OnceLock::new(),
        }
    }

    /// Adds a text. Nothing happens once one did not fit.
    pub(super) fn push(&self, text: Text) {
        if self.overflow.is_cancelled() {
            return;
        }
        let mut queue = self.queue();
        let cost = cost(&text);
        let bytes = queue.bytes.saturating_add(cost);
        let is_over = cost > self.limit;
        let fits = if is_over { queue.over == 0 } else { bytes - queue.over <= self.limit };
        if !fits {
            self.end(queue, TooSlow::Alone, 1);
            return;
        }
        if is_over {
            queue.over = cost;
        }
        queue.bytes = bytes;
        queue.texts.push_back((text, self.load.reserve().hold(OVERHEAD)));
        self.filled.notify_one();
    }

    /// The next text, when there is one. For one task, which has written the one before; cancel safe.
    pub(super) async fn next(&self) -> Utf8Bytes {
        loop {
            if let Some(text) = self.pop() {
                return text;
            }
            self.filled.notified().await;
        }
    }

    /// Resolves when so little waits that the client may ask for more: it is not to be sent away for answers that it asked for
    /// faster than it reads. Until then also at each text that it has read. For one task; cancel safe.
    pub(super) async fn room(&self) -> Room {
        if self.has_room() {
            return Room::Enough;
        }
        self.drained.notified().await;
        Room::More
    }

    fn has_room(&self) -> bool {
        self.queue().bytes <= HOLD_BACK.min(self.limit / 2)
    }

    /// How much of the memory that all share is taken by what waits here, or is being written: if all whose share is large go, so
    /// much is free. Looks at each text.
    pub(super) fn share(&self) -> usize {
        let queue = self.queue();
        let texts = queue.texts.iter().chain(&queue.written);
        texts.map(|(text, held)| text.share().saturating_add(held.bytes())).fold(0, usize::saturating_add)
    }

    /// Ends the queue for the sake of the others.
    pub(super) fn give_way(&self) {
        if !self.overflow.is_cancelled() {
            self.end(self.queue(), TooSlow::AmongOthers, 0);
        }
    }

    /// Resolves when the queue was ended.
    pub(super) async fn overflow(&self) -> TooSlow {
        self.overflow.cancelled().await;
        self.why.get().copied().unwrap_or(TooSlow::Alone)
    }

    /// Under the lock of the queue, so that it ends once.
    fn end(&self, mut queue: MutexGuard<'_, Queue>, why: TooSlow, refused: usize) {
        if self.why.set(why).is_err() {
            return;
        }
        let bound = match why {
            TooSlow::Alone => Bound::Outgoing,
            TooSlow::AmongOthers => Bound::OutgoingTotal,
        };
        self.load.meets(bound);
        self.load.shed(bound, queue.texts.len().saturating_add(refused));
        *queue = Queue::default();
        self.overflow.cancel();
    }

    fn pop(&self) -> Option<Utf8Bytes> {
        let mut queue = self.queue();
        if let Some((written, _)) = queue.written.take() {
            let cost = cost(&written);
            queue.bytes = queue.bytes.saturating_sub(cost);
            if cost > self.limit {
                queue.over = 0;
            }
            self.drained.notify_one();
        }
        let (text, _) = queue.texts.pop_front()?;
        let bytes = text.0.0.clone();
        queue.written = Some((text, self.load.reserve().hold(bytes.as_str().len().min(PIECE))));
        Some(bytes)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cost(text: &Text) -> usize {
    text.bytes().saturating_add(OVERHEAD)
}

/// With more bytes than this waiting for a client, nothing more is read from it.
const HOLD_BACK: usize = 64 * 1024;

/// What a text costs beside its bytes, so that many small ones are bounded too.
const OVERHEAD: usize = 64;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn outbox(limit: usize) -> (Load, Outbox) {
        let load = Load::new(1_000);
        (load.clone(), Outbox::new(limit, &load))
    }

    fn push(outbox: &Outbox, text: impl Into<Utf8Bytes>) {
        outbox.push(Text::new(text.into(), &outbox.load));
    }

    fn drained(outbox: &Outbox) -> Vec<Utf8Bytes> {
        std::iter::from_fn(|| outbox.next().now_or_never()).collect()
    }

    #[test]
    fn texts_come_out_in_their_order() {
        let (_, outbox) = outbox(1_000);
        for text in ["a", "b", "c"] {
            push(&outbox, text);
        }
        assert_eq!(drained(&outbox), ["a", "b", "c"].map(Utf8Bytes::from));
        push(&outbox, "d");
        assert_eq!(drained(&outbox), ["d"].map(Utf8Bytes::from));
        assert_eq!(outbox.overflow().now_or_never(), None);
    }

    #[test]
    fn a_text_that_does_not_fit_ends_the_queue_and_all_that_is_lost_is_counted() {
        let (load, outbox) = outbox(3 * (OVERHEAD + 1));
        for text in ["a", "b", "c"] {
            push(&outbox, text);
        }
        assert_eq!(outbox.overflow().now_or_never(), None);
        push(&outbox, "d");
        assert_eq!(outbox.overflow().now_or_never(), Some(TooSlow::Alone));
        push(&outbox, "e");
        outbox.give_way();
        assert_eq!(drained(&outbox), Vec::<Utf8Bytes>::new());
        assert_eq!((load.met(Bound::Outgoing), load.met(Bound::OutgoingTotal)), (1, 0));
        assert_eq!(cluster_http::HostLoad::details(&load)["messagesShed"]["outgoing"], 4);
    }

    #[test]
    fn a_text_alone_fits_whatever_its_size() {
        let (_, outbox) = outbox(10);
        push(&outbox, "x".repeat(1_000));
        assert_eq!(drained(&outbox).len(), 1);
        push(&outbox, "y".repeat(1_000));
        assert_eq!((drained(&outbox).len(), outbox.overflow().now_or_never()), (1, None));
    }

    #[test]
    fn there_is_room_again_when_the_client_has_read() {
        let (_, outbox) = outbox(usize::MAX);
        push(&outbox, "x".repeat(HOLD_BACK));
        push(&outbox, "y".repeat(HOLD_BACK));
        assert_eq!(outbox.room().now_or_never(), None);
        assert!(outbox.next().now_or_never().is_some());
        assert_eq!(outbox.room().now_or_never(), None, "it is being written");
        assert!(outbox.next().now_or_never().is_some());
        assert_eq!(outbox.room().now_or_never(), Some(Room::More));
        let mut room = Box::pin(outbox.room());
        assert_eq!(room.as_mut().now_or_never(), None);
        assert!(outbox.next().now_or_never().is_none());
        assert_eq!(room.now_or_never(), Some(Room::More));
        assert_eq!(outbox.room().now_or_never(), Some(Room::Enough));
    }

    #[test]
    fn a_text_counts_until_it_has_been_written() {
        let (_, outbox) = outbox(2 * (OVERHEAD + 1));
        push(&outbox, "a");
        push(&outbox, "b");
        assert!(outbox.next().now_or_never().is_some());
        assert!(outbox.next().now_or_never().is_some());
        push(&outbox, "c");
        assert_eq!(outbox.overflow().now_or_never(), None, "the first has been written");
        push(&outbox, "d");
        assert_eq!(outbox.overflow().now_or_never(), Some(TooSlow::Alone));
    }

    #[test]
    fn of_texts_that_are_longer_than_the_limit_there_is_one_at_a_time_and_others_beside_it() {
        let long = || "x".repeat(1_000);
        for written in [false, true] {
            let (_, outbox) = outbox(2 * (OVERHEAD + 1));
            push(&outbox, "a");
            push(&outbox, long());
            push(&outbox, "b");
            assert_eq!(outbox.overflow().now_or_never(), None);
            assert!(outbox.next().now_or_never().is_some());
            assert!(!written || outbox.next().now_or_never().is_some());
            push(&outbox, long());
            assert_eq!(outbox.overflow().now_or_never(), Some(TooSlow::Alone), "{written}");
        }
    }

    #[test]
    fn a_client_for_whom_little_may_wait_is_held_back_before_that_is_too_much() {
        let (_, outbox) = outbox(HOLD_BACK);
        push(&outbox, "x".repeat(HOLD_BACK / 2));
        assert_eq!((outbox.room().now_or_never(), outbox.overflow().now_or_never()), (None, None));
    }

    #[test]
    fn a_shared_text_is_shared_out_and_the_copy_of_a_piece_is_not() {
        let load = Load::new(1_000);
        let outboxes = [(); 4].map(|()| Outbox::new(1_000, &load));
        let text = Text::new("x".repeat(100).into(), &load);
        outboxes.iter().for_each(|outbox| outbox.push(text.clone()));
        drop(text);
        let shares = || outboxes.each_ref().map(Outbox::share);
        assert_eq!(shares(), [25 + OVERHEAD; 4]);
        assert!(outboxes[0].next().now_or_never().is_some());
        assert_eq!(shares(), [25 + 100, 25 + OVERHEAD, 25 + OVERHEAD, 25 + OVERHEAD]);
    }

    #[test]
    fn a_text_counts_once_however_many_it_is_for_and_a_piece_again_while_it_is_being_written() {
        const LONG: usize = 3 * PIECE;
        let load = Load::new(1_000);
        let outboxes = [(); 3].map(|()| Outbox::new(1_000, &load));
        let text = Text::new("x".repeat(LONG).into(), &load);
        outboxes.iter().for_each(|outbox| outbox.push(text.clone()));
        drop(text);
        let used = || load.reserve().used();
        assert_eq!(used(), LONG + 3 * OVERHEAD);
        assert!(outboxes[0].next().now_or_never().is_some());
        assert_eq!(used(), LONG + 2 * OVERHEAD + PIECE, "one is being written");
        assert!(outboxes[0].next().now_or_never().is_none());
        assert_eq!(used(), LONG + 2 * OVERHEAD, "it has been");
        outboxes[1].give_way();
        assert_eq!(used(), LONG + OVERHEAD);
        drop(outboxes);
        assert_eq!(used(), 0);
    }
}
