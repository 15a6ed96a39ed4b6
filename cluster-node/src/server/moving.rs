//! Sending clients to other nodes, spread over a while.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Whether the clients have to move, and within which time.
#[derive(Clone, Debug, Default)]
pub(super) struct Moving {
    begun: CancellationToken,
    within: Arc<OnceLock<Duration>>,
}

impl Moving {
    /// From now on clients move. Only the first time counts.
    pub(super) fn begin(&self, within: Duration) {
        self.within.get_or_init(|| within);
        self.begun.cancel();
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Resolves when a client has to go whose turn, from 0 to 1, it is.
    pub(super) async fn turn(&self, turn: f64) {
        self.begun.cancelled().await;
        sleep(self.within.get().copied().unwrap_or_default().mul_f64(turn)).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn clients_go_at_their_turn() {
        let moving = Moving::default();
        moving.begin(Duration::from_secs(10));
        moving.begin(Duration::from_secs(99));
        let began = Instant::now();
        for (turn, after) in [(0.0, 0), (0.5, 5), (0.25, 7)] {
            moving.turn(turn).await;
            assert_eq!(began.elapsed().as_secs(), after);
        }
    }
}
