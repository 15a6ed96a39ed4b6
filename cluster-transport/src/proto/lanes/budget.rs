//! The memory that the rings of all peers may hold together, and who gives way when it is used up.
//!
//! Each lane reports what it holds in steps of [`STEP`], so that a message costs no shared counter. Over the limit the lane that
//! holds the most unsent bytes sheds its oldest. Those who wait for room keep to an equal share: a lane below its share is
//! never the largest of an endpoint over its limit, so it never gives way for others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError, Weak};

use super::outbound::Outbound;
use super::{Lane, PeerLanes};

/// A lane reports what it holds once it differs by this from what it reported last.
const STEP: usize = 4 * 1024;
/// How much is shed once the limit is passed: with less, every message would have to look for the largest lane.
const RELIEF: usize = 16;

/// What all rings of an endpoint may hold.
#[derive(Debug)]
pub struct RingBudget {
    limit: usize,
    used: AtomicUsize,
    /// How many lanes there are that have a ring.
    rings: AtomicUsize,
    peers: Mutex<Vec<Weak<PeerLanes>>>,
}

impl RingBudget {
    /// Up to `limit` bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
            rings: AtomicUsize::new(0),
            peers: Mutex::default(),
        })
    }

    /// How many bytes the rings hold, to a few KiB for each.
    #[inline]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// How many bytes each ring may hold without giving way for others.
    #[inline]
    pub(super) fn share(&self) -> usize {
        self.limit / self.rings.load(Ordering::Relaxed).max(1)
    }

    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.used() > self.limit
    }

    pub(super) fn add(&self, peer: &Arc<PeerLanes>) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        // Before there would have to be more memory for them: so each costs one look, however many there are.
        if peers.len() == peers.capacity() {
            peers.retain(|peer| peer.strong_count() > 0);
        }
        peers.push(Arc::downgrade(peer));
    }

    /// Has the largest rings shed until there is some room again, unless somebody is at it already.
    pub(super) fn relieve(&self) {
        let peers = match self.peers.try_lock() {
            Ok(peers) => peers,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let enough = self.limit - self.limit / RELIEF;
        while self.used() > enough {
            let alive = peers.iter().filter_map(Weak::upgrade);
            let rings = alive.flat_map(|peer| resumed().map(move |lane| (Arc::clone(&peer), lane)));
            let largest = rings.max_by_key(|(peer, lane)| peer.outbound(*lane).unsent());
            let Some((peer, lane)) = largest else { return };
            // Not all from one: the next largest may be as large.
            let part = self.used().saturating_sub(enough).min(self.limit / RELIEF / 4 + 1);
            if peer.changing(lane, |outbound| outbound.shed_for_others(part)) == 0 {
                return;
            }
        }
    }
}

/// The lanes that have a ring.
pub(super) fn resumed() -> impl Iterator<Item = Lane> {
    Lane::ALL.into_iter().filter(|lane| lane.is_resumed())
}

/// What one lane has reported. Dropped, it gives that back.
#[derive(Debug)]
pub(super) struct Account {
    budget: Arc<RingBudget>,
    reported: usize,
}

impl Account {
    pub(super) fn open(budget: &Arc<RingBudget>) -> Self {
        budget.rings.fetch_add(1, Ordering::Relaxed);
        Self { budget: Arc::clone(budget), reported: 0 }
    }

    #[inline]
    pub(super) fn budget(&self) -> &RingBudget {
        &self.budget
    }

    #[inline]
    pub(super) fn report(&mut self, held: usize) {
        if held.abs_diff(self.reported) >= STEP || held == 0 {
            self.report_now(held);
        }
    }

    fn report_now(&mut self, held: usize) {
        if held == self.reported {
            return;
        }
        if held > self.reported {
            self.budget.used.fetch_add(held - self.reported, Ordering::Relaxed);
        } else {
            self.budget.used.fetch_sub(self.reported - held, Ordering::Relaxed);
        }
        self.reported = held;
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.reported, Ordering::Relaxed);
        self.budget.rings.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Outbound {
    /// Sheds about so many of its oldest unsent bytes; how many messages that were. They are told of by
    /// [`take_untold`](Self::take_untold).
    fn shed_for_others(&mut self, bytes: usize) -> u64 {
        let enough = self.unsent().saturating_sub(bytes);
        let shed = self.shed_while(u64::MAX, |outbound| outbound.unsent() > enough);
        self.rare().untold += shed;
        shed
    }
}

#[cfg(test)]
mod tests;
