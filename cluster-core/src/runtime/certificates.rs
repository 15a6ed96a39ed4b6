//! The member's certificate: loaded, watched, and how long it is still good for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use cluster_transport::tls::{DEFAULT_WATCH_INTERVAL, Tls, TlsFiles, TlsIdentity, TlsWatcher, WatchReport};
use serde::Serialize;

use super::error::StartError;
use super::inner::Inner;
use crate::config::{Config, Security};

/// The certificate that a member shows others, and what became of its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsStatus {
    /// The DNS names that it carries, sorted.
    pub names: Vec<String>,
    /// Whole days until it expires, rounded down; negative once it has.
    pub days_to_expiry: i64,
    /// How often new files were put into force since the start.
    pub reloads: u64,
    /// Why the files as they are now are not in force, if they are not.
    pub refused: Option<String>,
}

/// What was last reported of the files.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    report: Mutex<WatchReport>,
}

impl Certificates {
    fn report(&self) -> WatchReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn status(&self, tls: &Tls) -> TlsStatus {
        let report = self.report();
        TlsStatus {
            names: tls.identity().names().iter().map(str::to_owned).collect(),
            days_to_expiry: tls.days_to_expiry(SystemTime::now()),
            reloads: report.reloads,
            refused: report.refused.map(|error| error.to_string()),
        }
    }
}

/// Loads what the configuration names, if it names anything.
pub(super) fn load(config: &Config) -> Result<Option<(Tls, TlsFiles)>, StartError> {
    let Security::Tls(files) = config.security() else { return Ok(None) };
    let files = TlsFiles {
        certificate: files.certificate().to_owned(),
        key: files.key().to_owned(),
        authorities: files.authorities().to_vec(),
    };
    let tls = Tls::new(TlsIdentity::load(&files)?, &config.cluster_name())?;
    Ok(Some((tls, files)))
}

/// Keeps what is in force at what the files say, until the member stops. What changes is logged by the watcher.
pub(super) async fn watch(inner: Arc<Inner>, tls: Tls, files: TlsFiles) {
    let mut watcher = TlsWatcher::new(tls, files, DEFAULT_WATCH_INTERVAL);
    loop {
        let report = tokio::select! {
            biased;
            () = inner.stop().cancelled() => return,
            report = watcher.changed() => report,
        };
        let Some(report) = report else { return };
        *inner.certificates.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }
}
