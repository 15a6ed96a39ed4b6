//! The receiving side of publishing: counts, and holds every message to its number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cluster_transport::endpoint::{Event, Handler, Incoming, SessionHandle};
use cluster_transport::proto::endpoint::EndpointEvent;
use cluster_transport::proto::lanes::Batch;
use cluster_transport::proto::session::{Direction, Missed};
use tokio_util::sync::CancellationToken;

use super::latency::Latencies;
use super::stamp;

/// One subscriber.
#[derive(Debug, Default)]
pub(super) struct Subscriber {
    tally: Mutex<Tally>,
    /// Its session is over, and everything of it was handed out.
    over: CancellationToken,
}

/// What a subscriber has seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Messages received.
    pub(super) received: u64,
    /// Messages that it was told it will not get.
    pub(super) lagged: u64,
    /// Messages that were not the next ones, given what was announced: repeated, out of order, or gone without a word.
    pub(super) misplaced: u64,
    pub(super) latencies: Latencies,
    expected: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Tally {
    /// Messages a second, from the first batch to the last.
    pub(super) fn rate(&self) -> f64 {
        match (self.first, self.last) {
            (Some(first), Some(last)) if last > first => as_f64(self.received) / (last - first).as_secs_f64(),
            _ => 0.0,
        }
    }

    fn take(&mut self, batch: &Batch) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        self.last = Some(now);
        let mut arrived = None;
        for message in batch {
            let Some((number, sent)) = stamp::read(message) else {
                self.misplaced += 1;
                continue;
            };
            self.received += 1;
            self.misplaced += u64::from(number != self.expected);
            self.expected = number + 1;
            if let Some(sent) = sent {
                let arrived = *arrived.get_or_insert_with(stamp::nanos);
                self.latencies.record(arrived.saturating_sub(sent));
            }
        }
    }

    fn lag(&mut self, missed: Missed) {
        match missed {
            Missed::Known(messages) => {
                self.lagged += messages;
                self.expected += messages;
            }
            // The beginning of the first session says so too.
            Missed::Unknown => self.misplaced += u64::from(self.received > 0),
        }
    }
}

impl Subscriber {
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until its session is over.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }
}

impl Handler for Subscriber {
    fn on_event(&self, event: Event) {
        if let Event::Other(EndpointEvent::SessionDown { .. }) = event {
            self.over.cancel();
        }
    }

    fn on_incoming(&self, session: &Arc<SessionHandle>, incoming: Incoming) {
        match incoming {
            Incoming::Batch(batch) => {
                self.tally().take(&batch);
                session.done_inline(batch.lane(), batch.end());
            }
            Incoming::Lagged { direction: Direction::Inbound, missed, .. } => self.tally().lag(missed),
            _ => {}
        }
    }
}

/// A count as a number that can be divided; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no run counts that far")]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}
