//! What could not be delivered is told: gathered per peer, and handed out at most once a second.
//!
//! A host that is told "caches may be stale" reads them again, so after a split many nodes would ask the same store at the
//! same moment: all moments are jittered, the first one too.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use cluster_transport::proto::session::{Direction, Missed};
use cluster_transport::proto::{Instant, Lane, NodeId};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

/// Between two tellings; up to a quarter more or less.
const INTERVAL: Duration = Duration::from_secs(1);
/// The first telling comes up to this long after what it tells of.
const FIRST: Duration = Duration::from_millis(250);

/// What a host is told of the loss of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContinuityEvent {
    /// Notifications from or to a peer were lost.
    Lagged {
        /// The peer.
        peer: NodeId,
        /// Which way they were going.
        direction: Direction,
        /// How many.
        missed: Missed,
    },
    /// Events of a peer may have been missed: what was cached because of it may be stale.
    CachesStale {
        /// The peer.
        peer: NodeId,
    },
}

#[derive(Debug, Default)]
struct Losses {
    inbound: Loss,
    outbound: Loss,
    stale: bool,
}

/// What was counted is told as a number even when more was lost that nobody could count.
#[derive(Debug, Default)]
struct Loss {
    known: u64,
    unknown: bool,
}

impl Loss {
    fn add(&mut self, missed: Missed) {
        match missed {
            Missed::Known(n) => self.known = self.known.saturating_add(n),
            Missed::Unknown => self.unknown = true,
        }
    }

    fn told(&self) -> impl Iterator<Item = Missed> {
        let unknown = self.unknown.then_some(Missed::Unknown);
        unknown.into_iter().chain((self.known > 0).then_some(Missed::Known(self.known)))
    }
}

/// Gathers losses and hands them out.
#[derive(Debug)]
pub(super) struct Continuity {
    rng: ChaCha8Rng,
    losses: BTreeMap<NodeId, Losses>,
    not_before: Instant,
    ready: VecDeque<ContinuityEvent>,
}

impl Continuity {
    pub(super) fn new(rng: ChaCha8Rng) -> Self {
        Self { rng, losses: BTreeMap::new(), not_before: Instant::ORIGIN, ready: VecDeque::new() }
    }

    /// Messages were lost on a lane.
    pub(super) fn lagged(
        &mut self,
        now: Instant,
        peer: &NodeId,
        lane: Lane,
        direction: Direction,
        missed: Missed,
    ) {
        self.spread(now);
        let losses = self.losses.entry(peer.clone()).or_default();
        match (lane, direction) {
            (Lane::Notifications, Direction::Inbound) => losses.inbound.add(missed),
            (Lane::Notifications, Direction::Outbound) => losses.outbound.add(missed),
            (Lane::Events, Direction::Inbound) => losses.stale = true,
            // The peer is told by its own side.
            _ => {}
        }
    }

    /// Events of a peer may have been missed.
    pub(super) fn caches_stale(&mut self, now: Instant, peer: &NodeId) {
        self.spread(now);
        self.losses.entry(peer.clone()).or_default().stale = true;
    }

    /// The first loss after a quiet time: it is told soon, and not when others tell theirs.
    fn spread(&mut self, now: Instant) {
        if self.losses.is_empty() && now >= self.not_before {
            self.not_before = now + FIRST.mul_f64(self.rng.random_range(0.0..=1.0));
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.losses.is_empty() || now < self.not_before {
            return;
        }
        for (peer, losses) in std::mem::take(&mut self.losses) {
            for (direction, loss) in
                [(Direction::Inbound, losses.inbound), (Direction::Outbound, losses.outbound)]
            {
                let told = loss.told().map(|missed| ContinuityEvent::Lagged {
                    peer: peer.clone(),
                    direction,
                    missed,
                });
                self.ready.extend(told);
            }
            if losses.stale {
                self.ready.push_back(ContinuityEvent::CachesStale { peer });
            }
        }
        let percent = self.rng.random_range(75..=125_u32);
        self.not_before = now + INTERVAL * percent / 100;
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        (!self.losses.is_empty()).then_some(self.not_before)
    }

    pub(super) fn poll_event(&mut self) -> Option<ContinuityEvent> {
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    fn drain(continuity: &mut Continuity) -> Vec<ContinuityEvent> {
        std::iter::from_fn(|| continuity.poll_event()).collect()
    }

    #[test]
    fn losses_are_told_soon_and_then_gathered_for_about_a_second() {
        let mut continuity = Continuity::new(ChaCha8Rng::seed_from_u64(1));
        let (a, b): (NodeId, NodeId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let start = Instant::ORIGIN + Duration::from_secs(5);
        continuity.caches_stale(start, &a);
        let start = continuity.poll_timeout().unwrap();
        assert!(start <= Instant::ORIGIN + Duration::from_millis(5_250));
        continuity.handle_timeout(start);
        assert_eq!(drain(&mut continuity), [ContinuityEvent::CachesStale { peer: a.clone() }]);
        let lagged = |continuity: &mut Continuity, peer, missed| {
            continuity.lagged(start, peer, Lane::Notifications, Direction::Inbound, missed);
        };
        lagged(&mut continuity, &a, Missed::Known(2));
        lagged(&mut continuity, &a, Missed::Known(3));
        lagged(&mut continuity, &b, Missed::Known(1));
        lagged(&mut continuity, &b, Missed::Unknown);
        assert_eq!(drain(&mut continuity), []);
        let due = continuity.poll_timeout().unwrap();
        assert!(due >= start + Duration::from_millis(750) && due <= start + Duration::from_millis(1_250));
        continuity.handle_timeout(due);
        let told = |peer, missed| ContinuityEvent::Lagged { peer, direction: Direction::Inbound, missed };
        assert_eq!(
            drain(&mut continuity),
            [told(a, Missed::Known(5)), told(b.clone(), Missed::Unknown), told(b, Missed::Known(1))]
        );
        assert_eq!(continuity.poll_timeout(), None);
    }
}
