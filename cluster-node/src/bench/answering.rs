//! The receiving side of requests: answers each with what it was asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cluster_transport::endpoint::{Event, Handler, Incoming, SessionHandle};
use cluster_transport::proto::endpoint::EndpointEvent;
use cluster_transport::proto::lanes::Payload;
use tokio_util::sync::CancellationToken;

/// One node that answers.
#[derive(Debug, Default)]
pub(super) struct Answerer {
    answered: AtomicU64,
    over: CancellationToken,
}

impl Answerer {
    /// How many requests it has answered.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until its session is over.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }
}

impl Handler for Answerer {
    fn on_event(&self, event: Event) {
        if let Event::Other(EndpointEvent::SessionDown { .. }) = event {
            self.over.cancel();
        }
    }

    fn on_incoming(&self, session: &Arc<SessionHandle>, incoming: Incoming) {
        match incoming {
            Incoming::Asked { id, payload } => {
                let answered = session.reply(id, Payload::Shared(payload));
                self.answered.fetch_add(u64::from(answered), Ordering::Relaxed);
            }
            Incoming::Batch(batch) => session.done_inline(batch.lane(), batch.end()),
            _ => {}
        }
    }
}
