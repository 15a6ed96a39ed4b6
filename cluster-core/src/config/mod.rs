//! The configuration of a node: the file of a Kuzzle host, the environment and the command line over it, or a builder.
//!
//! Ours are the keys under `plugins.cluster` and `server.limits`, with `server.port`, `server.host` and what `services.internalCache` says of its
//! Redis; all else in a file is left alone. An unknown
//! key of ours, a value of the wrong type or out of range is an error that names the key, the value, where it was given and
//! what fits. A [`Config`] that exists is a valid one. It remembers where each value came from.
//!
//! `settings` is the table of all keys; `layers` merges the sources; `kinds` reads single values.

mod defaults;
mod dns;
mod error;
mod keys;
mod kinds;
mod layers;
mod limits;
mod listen;
mod redis;
mod security;
mod settings;
mod sources;
mod table;
#[cfg(test)]
mod tests;
mod trace_file;
mod values;

use std::net::SocketAddr;
use std::sync::Arc;

use cluster_transport::binding::Binding;

pub use defaults::*;
pub use dns::DnsName;
pub use error::{ConfigError, ExposureError};
pub use listen::{BindingName, Listener};
pub use redis::{
    DEFAULT_REDIS_PORT, DEFAULT_SENTINEL_PORT, PemSource, RedisHost, RedisLogin, RedisOptions, RedisSettings,
    RedisTls, RedisTopology, RedisVerification, Secret,
};
pub use security::{Security, TlsFiles};
pub use sources::{Source, Sources};
pub use table::Effective;
pub use trace_file::{TraceFile, TraceFileError};
pub use values::{AcceptedCommand, AdminToken, FilterSeed, OnMinority, Plaintext, ServerHost, ValueError};

use settings::Settings;
use table::Sourced;

/// A valid configuration. All that it hands out is cheap to clone.
#[derive(Clone, Debug)]
pub struct Config {
    settings: Settings,
    security: Security,
    listeners: Arc<[Listener]>,
    filter_seed: FilterSeed,
    redis: Option<Arc<RedisSettings>>,
}

/// Sets values by program; what is not set keeps its default. The values are checked by [`ConfigBuilder::build`].
#[derive(Clone, Debug, Default)]
pub struct ConfigBuilder {
    settings: Settings,
}

impl Config {
    /// A builder that starts from the defaults.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Reads and checks a configuration. The files that it names are not opened.
    ///
    /// ```
    /// use cluster_core::config::{Config, Sources};
    ///
    /// let sources = Sources::new()
    ///     .file("kuzzle.jsonc", r#"{ "plugins": { "cluster": { "minimumNodes": 2 } } }"#)
    ///     .assign("plugins.cluster.seeds=tcp://node-b:7511");
    /// let config = Config::load(&sources)?;
    /// assert_eq!(config.minimum_nodes().get(), 2);
    /// # Ok::<(), cluster_core::config::ConfigError>(())
    /// ```
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut builder = Self::builder();
        for given in layers::merge(sources)? {
            builder.settings.take(&given)?;
        }
        builder.build()
    }

    /// How links between members are secured.
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// Where to listen for members, at least one place.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// The seed of the room ids, equal on all nodes. Default: [`FilterSeed::of_cluster`].
    pub fn filter_seed(&self) -> FilterSeed {
        self.filter_seed
    }

    /// The Redis through which others are found, if one is configured: `plugins.cluster.redis`, else what
    /// `services.internalCache` says of `nodes`, else of `node`.
    pub fn redis(&self) -> Option<&RedisSettings> {
        self.redis.as_deref()
    }

    /// Whether a binding may be bound at the address that it was found to mean.
    ///
    /// Without TLS that is loopback only, unless plaintext is allowed anywhere.
    pub fn check_exposure(&self, binding: &Binding, address: SocketAddr) -> Result<(), ExposureError> {
        listen::check_exposure(&self.security, binding, address)
    }

    /// Every setting as it is in effect, with where it came from, in the order of the documentation.
    pub fn effective(&self) -> impl Iterator<Item = Effective<'_>> {
        self.settings.effective()
    }
}

impl ConfigBuilder {
    /// Checks all values, each by itself and with the others.
    pub fn build(mut self) -> Result<Config, ConfigError> {
        let settings = &mut self.settings;
        settings.check()?;
        limits::check(settings)?;
        let security = Security::of(settings)?;
        let listeners = listen::listeners(settings, &security)?.into();
        listen::check_quic(settings, &security)?;
        let filter_seed = match settings.filter_seed.value {
            Some(given) => given,
            None => {
                let derived = FilterSeed::of_cluster(&settings.cluster_name.value);
                settings.filter_seed = Sourced { value: Some(derived), source: Source::Default };
                derived
            }
        };
        let redis = RedisSettings::of(settings)?.map(Arc::new);
        Ok(Config { settings: self.settings, security, listeners, filter_seed, redis })
    }
}
