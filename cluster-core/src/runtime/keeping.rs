//! The one task that tells the keeper of registers what the members hold, and the members what it holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::inner::Inner;
use crate::backoff::{Backoff, jittered};
use crate::engine::Engine;
use crate::engine::registers::RegisterEntry;
use crate::keeper::{Keeper, KeeperError, Mark};

/// How often a keeper is asked whether it has lost everything; so long what other nodes wrote may wait for it, too.
const PERIOD: Duration = Duration::from_secs(4);
/// The pauses after an error.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How the keeper of registers is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeeperStatus {
    /// Whether it was read since this node started.
    pub read: bool,
    /// Whether the last call was answered; none before the first.
    pub answers: Option<bool>,
    /// Whether everything that this node holds was offered to it.
    pub complete: bool,
    /// How long ago it last took an offer, in milliseconds; none before the first. An offer without news asks whether it has
    /// lost anything, so while it answers this stays below 5,000.
    pub offered_ms: Option<u64>,
    /// How many writes it was offered since this node started, repeats included.
    pub offered: u64,
    /// How many of those gave way to a newer write that it held.
    pub conflicts: u64,
    /// Why the last call that failed did so.
    pub last_error: Option<String>,
}

/// What others want of the task, and what it has to say.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// This node wrote something, or wants all to be offered.
    news: Notify,
    offer_all: AtomicBool,
    known: Mutex<Option<Known>>,
}

/// What is shown of the keeper.
#[derive(Clone, Debug, Default)]
struct Known {
    status: KeeperStatus,
    offered_at: Option<Instant>,
}

impl Keeping {
    /// This node has written a register.
    pub(super) fn wake(&self) {
        self.news.notify_one();
    }

    /// Has everything offered again.
    pub(super) fn offer_all(&self) {
        self.offer_all.store(true, Ordering::Release);
        self.wake();
    }

    /// How it is doing; none without a keeper.
    pub(super) fn status(&self) -> Option<KeeperStatus> {
        let Known { status, offered_at } = self.known().clone()?;
        let ago = offered_at.map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX));
        Some(KeeperStatus { offered_ms: ago, ..status })
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, update: impl FnOnce(&mut KeeperStatus)) {
        update(&mut self.known().get_or_insert_default().status);
    }

    fn took(&self, offered: usize, conflicts: usize) {
        let mut known = self.known();
        let known = known.get_or_insert_default();
        known.offered_at = Some(Instant::now());
        known.status.offered += offered as u64;
        known.status.conflicts += conflicts as u64;
    }
}

/// Reads the keeper, and then tells it what changes, until the member ends.
pub(super) async fn run(inner: Arc<Inner>, keeper: Arc<dyn Keeper>) {
    inner.keeping.update(|_| {});
    let stop = inner.stop().clone();
    let mut task = Task { inner, keeper, offered: 0, own: 0, mark: None, backoff: Backoff::new(FIRST_PAUSE) };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = task.run() => {}
    }
}

struct Task {
    inner: Arc<Inner>,
    keeper: Arc<dyn Keeper>,
    /// Up to which change everything was offered.
    offered: u64,
    /// The last of this node's own writes that was offered.
    own: u64,
    /// The keeper's mark when it was offered everything.
    mark: Option<Mark>,
    backoff: Backoff,
}

impl Task {
    async fn run(&mut self) {
        while !self.read().await {
            tokio::time::sleep(self.backoff.after_failure(PERIOD)).await;
        }
        // The first offer is of everything: what is in memory and not in the keeper, and its mark.
        let mut complete = false;
        loop {
            let done = if complete { self.offer_news().await } else { self.offer_everything().await };
            let pause = match done {
                Ok(is_complete) => {
                    complete = is_complete;
                    // Those who find another mark together do not offer together.
                    if complete { jittered(PERIOD, 25) } else { jittered(PERIOD / 4, 100) }
                }
                Err(error) => {
                    complete = false;
                    self.failed(&error);
                    // What it lost with the error, nobody knows.
                    self.backoff.after_failure(PERIOD)
                }
            };
            self.wait(pause, complete).await;
            complete &= !self.inner.keeping.offer_all.swap(false, Ordering::AcqRel);
        }
    }

    async fn read(&mut self) -> bool {
        match self.keeper.read().await {
            Ok(entries) => {
                self.answered();
                self.inner.keeping.update(|status| status.read = true);
                self.take(entries);
                true
            }
            Err(error) => {
                self.failed(&error);
                false
            }
        }
    }

    /// Offers all registers, and a mark for those who find none.
    async fn offer_everything(&mut self) -> Result<bool, KeeperError> {
        let random = getrandom::u64().map_err(|error| KeeperError(error.to_string()))?;
        self.mark = self.offer(0, Some(Mark(random))).await?;
        let complete = self.mark.is_some();
        self.inner.keeping.update(|status| status.complete = complete);
        Ok(complete)
    }

    /// Offers what has changed since the last time. False if the keeper is not the one that was offered everything.
    async fn offer_news(&mut self) -> Result<bool, KeeperError> {
        let complete = self.offer(self.offered, None).await? == self.mark;
        self.inner.keeping.update(|status| status.complete = complete);
        Ok(complete)
    }

    async fn offer(&mut self, after: u64, mark: Option<Mark>) -> Result<Option<Mark>, KeeperError> {
        let news = |engine: &Engine| {
            let registers = engine.registers();
            let entries: Vec<RegisterEntry> = registers.changed_since(after).cloned().collect();
            (entries, registers.at(), registers.own_writes())
        };
        let (entries, at, own) = self.inner.read(news);
        let offered = self.keeper.offer(&entries, mark).await?;
        (self.offered, self.own) = (at, own);
        self.answered();
        self.inner.keeping.took(entries.len(), offered.newer.len());
        if !offered.newer.is_empty() {
            self.take(offered.newer);
        }
        Ok(offered.mark)
    }

    fn take(&self, entries: Vec<RegisterEntry>) {
        self.inner.with_engine(|engine, now| engine.handle_stored(now, entries));
    }

    /// Waits until it is time, or this node has written something that is not offered yet.
    async fn wait(&self, pause: Duration, complete: bool) {
        let end = Instant::now() + pause;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(end) => return,
                // While the keeper does not answer, only time helps.
                () = self.inner.keeping.news.notified(), if complete => {
                    let own = self.inner.read(|engine| engine.registers().own_writes());
                    if own != self.own || self.inner.keeping.offer_all.load(Ordering::Acquire) {
                        return;
                    }
                }
            }
        }
    }

    fn answered(&mut self) {
        self.backoff.reset();
        self.inner.keeping.update(|status| {
            if status.answers == Some(false) {
                tracing::info!("the keeper of registers answers again");
            }
            status.answers = Some(true);
        });
    }

    fn failed(&self, error: &KeeperError) {
        self.inner.keeping.update(|status| {
            if status.answers != Some(false) {
                tracing::warn!("the keeper of registers does not answer: {error}");
            }
            status.answers = Some(false);
            status.complete = false;
            status.last_error = Some(error.to_string());
        });
    }
}
