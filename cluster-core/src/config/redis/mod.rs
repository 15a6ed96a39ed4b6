//! Which Redis finds other nodes, and how it is reached.
//!
//! It is given as the configuration of a Kuzzle host gives it, in the options of the client library ioredis: in
//! `plugins.cluster.redis`, else in `services.internalCache`. `options` holds what was given; `read` makes of it what is
//! meant. What other parts of the host read from the same place is left alone.

mod fields;
mod options;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use options::RedisOptions;
pub(super) use options::Tree;

use super::error::ConfigError;
use super::settings::Settings;

/// The port of a Redis that names none.
pub const DEFAULT_REDIS_PORT: u16 = 6379;
/// The port of a sentinel that names none.
pub const DEFAULT_SENTINEL_PORT: u16 = 26379;

/// A Redis, and how it is reached. It shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    topology: RedisTopology,
    database: u32,
    login: RedisLogin,
    tls: Option<RedisTls>,
}

/// Which servers a Redis consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisTopology {
    /// One server.
    Single(RedisHost),
    /// A master and its replicas, found through sentinels.
    Sentinel {
        /// The sentinels, at least one.
        sentinels: Arc<[RedisHost]>,
        /// The name of the master there.
        master: Arc<str>,
        /// How to log in to the sentinels.
        login: RedisLogin,
        /// How links to the sentinels are secured.
        tls: Option<RedisTls>,
    },
    /// A Redis Cluster, of which these nodes are asked for the others; at least one.
    Cluster(Arc<[RedisHost]>),
}

/// The name and password that a server asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisLogin {
    /// The user; none is the user `default`.
    pub user: Option<Arc<str>>,
    /// The password.
    pub password: Option<Secret>,
}

/// How links to Redis are secured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// The authorities that servers' certificates are signed by; none are those of the system.
    pub authorities: Arc<[PemSource]>,
    /// This client's certificate chain and key, if the server wants one.
    pub identity: Option<(PemSource, PemSource)>,
    /// Whether servers' certificates are looked at.
    pub verification: RedisVerification,
}

/// Whether certificates of Redis servers are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedisVerification {
    /// They have to be of a known authority and for the host that is dialled.
    #[default]
    Full,
    /// Not at all: whoever intercepts the link is Redis (`rejectUnauthorized: false`).
    DangerousNone,
}

/// Where a PEM text is.
#[derive(Clone, PartialEq, Eq)]
pub enum PemSource {
    /// The text itself.
    Text(Arc<str>),
    /// In this file; a relative path counts from the directory that the process was started in.
    File(PathBuf),
}

/// A text that shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

/// The host and port of a server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RedisHost {
    host: Arc<str>,
    port: u16,
}

impl RedisSettings {
    /// The Redis that is configured, if one is.
    pub(super) fn of(settings: &Settings) -> Result<Option<Self>, ConfigError> {
        read::settings(settings)
    }

    /// Which servers it consists of.
    pub fn topology(&self) -> &RedisTopology {
        &self.topology
    }

    /// The number of the database; 0 in a Redis Cluster.
    pub fn database(&self) -> u32 {
        self.database
    }

    /// How to log in.
    pub fn login(&self) -> &RedisLogin {
        &self.login
    }

    /// How links to it are secured; none is plaintext.
    pub fn tls(&self) -> Option<&RedisTls> {
        self.tls.as_ref()
    }
}

/// As in "no answer from …".
impl fmt::Display for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.topology {
            RedisTopology::Single(host) => write!(f, "the Redis {host}"),
            RedisTopology::Sentinel { sentinels, master, .. } => {
                write!(f, "the Redis {master} of the sentinels {}", listed(sentinels))
            }
            RedisTopology::Cluster(nodes) => write!(f, "the Redis Cluster of {}", listed(nodes)),
        }
    }
}

fn listed(hosts: &[RedisHost]) -> String {
    hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl RedisHost {
    /// A host, IPv6 without brackets, and a port.
    pub fn new(host: impl Into<Arc<str>>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// The host: a name, or an IP address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for RedisHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for RedisHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Secret {
    /// A secret.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A text may hold a private key.
impl fmt::Debug for PemSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("***"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}
