//! The connection to Redis that discovery and registers share: one server, a master found through sentinels, or a Redis
//! Cluster, behind one value.
//!
//! Nothing waits on it without a deadline, and nothing that fails keeps its connection: the next call makes a new one,
//! which finds the master of the day. Who calls again after an error does so after a back-off.
//!
//! All keys of a cluster are under one hash tag, so a script may touch several of them in a Redis Cluster too.

mod connect;
mod error;
mod link;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cluster_transport::proto::ClusterName;
use redis::{Cmd, FromRedisValue, RedisError, Script, ScriptInvocation};
use tokio::sync::Mutex;
use tokio::time::timeout;

pub use error::StoreError;

use crate::config::RedisSettings;
use connect::Connector;
use link::Link;

/// How long making a connection may take, log-in and TLS included.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// How long a call may take on a connection that exists.
pub const CALL_DEADLINE: Duration = Duration::from_secs(1);

/// A Redis, connected when it is first called. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    cluster: ClusterName,
    settings: RedisSettings,
    link: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    link: Option<Link>,
    /// Counts connections, so that a late failure ends its own connection and not the next one.
    generation: u64,
}

impl Store {
    /// A Redis for one cluster. Nothing is dialled yet.
    pub fn new(settings: RedisSettings, cluster: ClusterName) -> Self {
        let inner = Inner { cluster, settings, link: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// What it is connected to, as its settings say.
    pub fn settings(&self) -> &RedisSettings {
        &self.inner.settings
    }

    /// Connects if need be and asks for a sign of life. At most [`CONNECT_DEADLINE`] and [`CALL_DEADLINE`]. Cancel safe.
    ///
    /// # Errors
    /// Why it cannot be reached or will not answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let key = self.key("ping");
        // A read of this cluster's own slot: it is answered only by whom all other calls go to.
        self.query::<bool>(Cmd::new().arg("EXISTS").arg(key)).await.map(|_| ())
    }

    /// What its clock shows, asked in a script, as leases ask for it: so it is also known whether scripts may be called. At
    /// most [`CONNECT_DEADLINE`] and [`CALL_DEADLINE`]. Cancel safe.
    ///
    /// # Errors
    /// Why it cannot be reached or will not answer.
    pub async fn clock(&self) -> Result<SystemTime, StoreError> {
        let script = Script::new("return redis.call('TIME')");
        let (seconds, micros): (u64, u64) = self.script(&script.key(self.key("ping"))).await?;
        let since = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
        Ok(SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH))
    }

    /// The name of a key of this cluster: all of them are in one slot.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{{{}}}:cluster:{name}", self.inner.cluster)
    }

    /// One command. Cancel safe: it may have been carried out.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.call(async |mut link| command.query_async(&mut link).await).await
    }

    /// One call of a script. Cancel safe: it may have been carried out.
    pub(crate) async fn script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        self.call(async |mut link| script.invoke_async(&mut link).await).await
    }

    async fn call<T>(&self, call: impl AsyncFnOnce(Link) -> Result<T, RedisError>) -> Result<T, StoreError> {
        let (link, generation) = self.link().await?;
        let outcome = match timeout(CALL_DEADLINE, call(link)).await {
            Ok(outcome) => outcome.map_err(|error| StoreError::of(self.settings(), &error)),
            Err(_) => Err(StoreError::silent(self.settings(), CALL_DEADLINE)),
        };
        if outcome.is_err() {
            self.drop_link(generation).await;
        }
        outcome
    }

    /// The connection, made if there is none. Those who come meanwhile wait for the same attempt.
    async fn link(&self) -> Result<(Link, u64), StoreError> {
        let mut current = self.inner.link.lock().await;
        if let Some(link) = &current.link {
            return Ok((link.clone(), current.generation));
        }
        let connector = Connector::new(self.settings()).await?;
        let link = match timeout(CONNECT_DEADLINE, connector.connect()).await {
            Ok(link) => link.map_err(|error| StoreError::of(self.settings(), &error))?,
            Err(_) => return Err(StoreError::silent(self.settings(), CONNECT_DEADLINE)),
        };
        current.generation += 1;
        current.link = Some(link.clone());
        Ok((link, current.generation))
    }

    async fn drop_link(&self, generation: u64) {
        let mut current = self.inner.link.lock().await;
        if current.generation == generation {
            current.link = None;
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("cluster", &self.inner.cluster)
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}
