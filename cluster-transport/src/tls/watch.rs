//! Watches the files of a TLS identity and puts new ones into force.
//!
//! It compares contents, not times: a file replaced by a link, or written twice within a second, is seen. A change is
//! taken up only when two polls in a row read the same, so a pair in the middle of being written is not judged at all.
//! What stays half-written or does not fit together is refused once and reported; the identity in force remains. As its
//! end comes near, that is logged once a day.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use super::config::Tls;
use super::identity::TlsIdentity;
use super::pem::{IdentityError, PemSet, TlsFiles};

/// How often the files are read by default.
pub const DEFAULT_WATCH_INTERVAL: Duration = Duration::from_secs(5);

/// From so many days before the end of a certificate on, its owner is told once a day.
const LAST_DAYS: i64 = 14;

/// What a watcher has done so far, and what stands against the files as they are now.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WatchReport {
    /// How often new files were put into force.
    pub reloads: u64,
    /// Why the files as they are now are not in force, if they are not.
    pub refused: Option<Arc<IdentityError>>,
}

/// Keeps a [`Tls`] at what its files say, until it is dropped.
#[derive(Debug)]
pub struct TlsWatcher {
    reports: watch::Receiver<WatchReport>,
    _task: AbortOnDropHandle<()>,
}

impl TlsWatcher {
    /// Reads the files every `interval` (default [`DEFAULT_WATCH_INTERVAL`]) and reloads `tls` when they have changed.
    ///
    /// A change takes effect one to two intervals after it was written. Must be called within a tokio runtime.
    pub fn new(tls: Tls, files: TlsFiles, interval: Duration) -> Self {
        let (sender, reports) = watch::channel(WatchReport::default());
        let watch = Watch { tls, files, reports: sender, last: None, told: None };
        Self { reports, _task: AbortOnDropHandle::new(tokio::spawn(watch.run(interval))) }
    }

    /// The state of things.
    pub fn report(&self) -> WatchReport {
        self.reports.borrow().clone()
    }

    /// The next report that differs from the last one seen by this method; `None` if the watching task is gone.
    ///
    /// Cancel safe.
    pub async fn changed(&mut self) -> Option<WatchReport> {
        self.reports.changed().await.ok()?;
        Some(self.reports.borrow_and_update().clone())
    }
}

/// What a poll found in the files.
type Found = Result<PemSet, Arc<IdentityError>>;

struct Watch {
    tls: Tls,
    files: TlsFiles,
    reports: watch::Sender<WatchReport>,
    /// What the last poll found.
    last: Option<Found>,
    /// How many days were left when that was told last.
    told: Option<i64>,
}

impl Watch {
    async fn run(mut self, every: Duration) {
        let mut polls = interval(every.max(Duration::from_millis(1)));
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            polls.tick().await;
            let files = self.files.clone();
            match spawn_blocking(move || files.read().map_err(Arc::new)).await {
                Ok(found) => self.consider(found, SystemTime::now()),
                Err(_) => return, // The runtime is shutting down.
            }
        }
    }

    fn consider(&mut self, found: Found, now: SystemTime) {
        self.count_days(now);
        if self.last.as_ref().is_some_and(|last| same(last, &found)) {
            self.judge(&found);
        }
        self.last = Some(found);
    }

    /// Tells once a day that the end of what is in force comes near.
    fn count_days(&mut self, now: SystemTime) {
        let days = self.tls.days_to_expiry(now);
        let before = std::mem::replace(&mut self.told, (days < LAST_DAYS).then_some(days));
        let is_news = self.told.is_some() && self.told != before;
        match days {
            _ if !is_news => {}
            0.. => tracing::warn!(days, "the certificate expires soon: put a new one in its place"),
            _ => tracing::error!("the certificate has expired: peers refuse it until it is renewed"),
        }
    }

    /// Acts on what has been the same for two polls.
    fn judge(&mut self, found: &Found) {
        match found {
            Ok(texts) if self.tls.identity().is_made_of(texts) => self.settle(),
            Ok(texts) => match TlsIdentity::from_set(texts.clone()).and_then(|new| self.tls.reload(new)) {
                Ok(()) => self.reloaded(),
                Err(error) => self.refuse(Arc::new(error)),
            },
            Err(error) => self.refuse(error.clone()),
        }
    }

    /// The files are what is in force: whatever stood against them is over.
    fn settle(&self) {
        self.reports.send_if_modified(|report| report.refused.take().is_some());
    }

    fn reloaded(&self) {
        let days = self.tls.days_to_expiry(SystemTime::now());
        tracing::info!(days_to_expiry = days, "new TLS files are in force");
        self.reports.send_modify(|report| {
            report.reloads += 1;
            report.refused = None;
        });
    }

    fn refuse(&self, error: Arc<IdentityError>) {
        let news = |old: &WatchReport| {
            old.refused.as_ref().is_none_or(|refused| refused.to_string() != error.to_string())
        };
        self.reports.send_if_modified(|report| {
            let is_new = news(report);
            if is_new {
                tracing::warn!(%error, "the TLS files are refused, the former ones stay in force");
                report.refused = Some(error.clone());
            }
            is_new
        });
    }
}

fn same(one: &Found, other: &Found) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one == other,
        (Err(one), Err(other)) => one.to_string() == other.to_string(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
