//! Starting a member: identity, addresses, certificates, and the tasks that run it.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cluster_transport::endpoint::{Clock, Endpoint, Parts as EndpointParts};
use cluster_transport::proto::body::Fingerprint;
use cluster_transport::proto::endpoint::{DialSettings, EndpointSettings};
use cluster_transport::proto::{Address, Incarnation, NodeId};
use cluster_transport::tls::{Tls, TlsFiles};
use sha2::{Digest as _, Sha256};

use super::discovery::{self, Identity, Providers};
use super::error::StartError;
use super::handler::Transport;
use super::inner::{Inner, Parts};
use super::listening::{Listening, listen};
use super::trace::Trace;
use super::{Cluster, activity, certificates, host_task, keeping, probe};
use crate::config::Config;
use crate::discovery::Provider;
use crate::engine::members::{Discovery, MembersSettings};
use crate::engine::registers::StoreUse;
use crate::engine::tape::Head;
use crate::engine::{Engine, EngineSettings};
use crate::host::Host;
use crate::keeper::{Keeper, RedisKeeper};
use crate::store::Store;

/// Starts a [`Cluster`] member.
pub struct ClusterBuilder {
    config: Config,
    host: Arc<dyn Host>,
    providers: Vec<Arc<dyn Provider>>,
    keeper: Option<Arc<dyn Keeper>>,
}

impl fmt::Debug for ClusterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterBuilder").field("providers", &self.providers).finish_non_exhaustive()
    }
}

impl ClusterBuilder {
    pub(super) fn new(config: Config, host: Arc<dyn Host>) -> Self {
        Self { config, host, providers: Vec::new(), keeper: None }
    }

    /// Adds a provider of addresses to those of the configuration. Default: none.
    #[must_use]
    pub fn provider(mut self, provider: impl Provider) -> Self {
        self.providers.push(Arc::new(provider));
        self
    }

    /// Keeps registers there besides, so that they outlive the whole cluster. Default: in the Redis of the configuration, if it
    /// names one.
    #[must_use]
    pub fn keeper(mut self, keeper: impl Keeper) -> Self {
        self.keeper = Some(Arc::new(keeper));
        self
    }

    /// Starts the member. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// When its certificates cannot be used, an address cannot be bound, or must not be bound without TLS.
    pub async fn start(mut self) -> Result<Cluster, StartError> {
        let config = self.config.clone();
        let store = config.redis().map(|redis| Store::new(redis.clone(), config.cluster_name()));
        self.providers.extend(discovery::configured(&config, store.as_ref()));
        let redis = store.map(|store| Arc::new(RedisKeeper::new(store)) as Arc<dyn Keeper>);
        self.keeper = self.keeper.or(redis);
        let watched = certificates::load(&config)?;
        let tls = watched.as_ref().map(|(tls, _)| tls.clone());
        let node = node_id(&config, tls.as_ref())?;
        if let Some(tls) = &tls {
            tls.require_node(&node)?;
        }
        let incarnation = Incarnation { epoch: epoch_ms(), nonce: random_u64()? };
        let Listening { sockets, quic, bound, advertised } = listen(&config, tls.as_ref()).await?;
        let clock = Clock::start();
        let discovery = if self.providers.is_empty() { Discovery::Absent } else { Discovery::Configured };
        let kept = if self.keeper.is_some() { StoreUse::Configured } else { StoreUse::Absent };
        let (engine, trace) = engine(&config, (&node, incarnation), discovery, kept, clock)?;
        let settings = endpoint_settings(&config, &node, incarnation, &advertised)?;
        let inner = Arc::new(Inner::new(Parts { config, node, bound, engine, clock, trace }));
        let endpoint = Endpoint::start(EndpointParts {
            settings,
            seed: random()?,
            clock,
            tls,
            connector: None,
            listeners: sockets,
            handler: Arc::new(Transport::new(Arc::clone(&inner))),
        });
        quic.into_iter().for_each(|listener| endpoint.listen_quic(listener));
        inner.set_endpoint(endpoint);
        self.spawn_tasks(&inner, watched, &advertised);
        Ok(Cluster { inner })
    }

    /// Every task ends with the member; one that panics ends the member.
    fn spawn_tasks(self, inner: &Arc<Inner>, tls: Option<(Tls, TlsFiles)>, advertised: &[Address]) {
        let timer = Arc::clone(inner);
        let watched_over = Arc::clone(inner);
        guard(inner, "the watch over the endpoint", async move { watched_over.run_endpoint().await });
        guard(inner, "the engine's timer", async move { timer.run_timer().await });
        let paces = Arc::clone(inner);
        guard(inner, "the pace of state", async move { paces.run_paces().await });
        guard(inner, "the probe of round trips", probe::run(Arc::clone(inner)));
        if let Err(error) = host_task::spawn(inner, self.host) {
            inner.fail(format!("no thread for the host: {error}"));
        }
        let identity = Arc::new(Identity::new(advertised, tls.as_ref().map(|(tls, _)| tls.clone())));
        for provider in self.providers {
            guard(inner, "discovery", Providers::ask(inner, provider, Arc::clone(&identity)));
        }
        if let Some(keeper) = self.keeper {
            guard(inner, "the keeping of registers", keeping::run(Arc::clone(inner), keeper));
        }
        if let Some((tls, files)) = tls {
            guard(inner, "the watcher of certificates", certificates::watch(Arc::clone(inner), tls, files));
        }
    }
}

/// Runs a task; its panic ends the member, for half a node would be worse than none.
fn guard(inner: &Arc<Inner>, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let inner = Arc::clone(inner);
    let task = tokio::spawn(task);
    tokio::spawn(async move {
        if let Err(error) = task.await
            && error.is_panic()
        {
            inner.fail(format!("{name} has panicked"));
        }
    });
}

/// The configured id, else the one in the certificate, else a random one.
fn node_id(config: &Config, tls: Option<&Tls>) -> Result<NodeId, StartError> {
    if let Some(id) = config.node_id().or_else(|| tls.and_then(Tls::node_id)) {
        return Ok(id);
    }
    let name = format!("node-{:08x}", random_u64()? >> 32);
    name.parse().map_err(|error| StartError::Random(format!("{error}")))
}

fn engine(
    config: &Config,
    (node, incarnation): (&NodeId, Incarnation),
    discovery: Discovery,
    store: StoreUse,
    clock: Clock,
) -> Result<(Engine, Option<Trace>), StartError> {
    let minimum = u32::try_from(config.minimum_nodes().get()).ok().and_then(NonZeroU32::new);
    let members = MembersSettings::builder(node.clone(), incarnation)
        .minimum_nodes(minimum.unwrap_or(NonZeroU32::MAX))
        .heartbeat(config.heartbeat())
        .ready_wait(config.ready_wait())
        .discovery(discovery)
        .build()?;
    let limits = config.state_limits();
    let settings = EngineSettings { node: node.clone(), incarnation, members, limits, store };
    let (now, seed) = (clock.now(), random()?);
    let mut engine = Engine::new(settings.clone(), now, seed);
    let trace = config.trace_file().map(|file| {
        let origin = activity::origin(&engine, now);
        let head = Head::new(&settings, now, seed, origin.wall_ms);
        let path = file.path(node, incarnation);
        let (trace, sink) = Trace::start(path, config.trace_bytes(), &head);
        engine.tape_to(now, sink);
        trace
    });
    Ok((engine, trace))
}

fn endpoint_settings(
    config: &Config,
    node: &NodeId,
    incarnation: Incarnation,
    advertised: &[Address],
) -> Result<EndpointSettings, StartError> {
    let interval = config.join_attempt_interval();
    let dial = DialSettings {
        interval,
        attempts: config.retry_join().max(1),
        cap: DialSettings::default().cap.max(interval),
        connect_timeout: config.discover_timeout(),
        ..DialSettings::default()
    };
    let settings = EndpointSettings::builder(config.cluster_name(), node.clone(), incarnation)
        .advertised(advertised.iter().cloned())
        .lanes(config.lane_settings())
        .fingerprint(fingerprint(config))
        .dial(dial)
        .handshake_timeout(config.handshake_timeout())
        .build()?;
    Ok(settings)
}

/// Of the settings that must be equal on all nodes: the seed of the room ids, which itself is not told.
fn fingerprint(config: &Config) -> Fingerprint {
    let digest = Sha256::digest(config.filter_seed().as_bytes());
    let mut fingerprint = [0; 16];
    fingerprint.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    Fingerprint(fingerprint)
}

fn epoch_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn random() -> Result<[u8; 32], StartError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| StartError::Random(error.to_string()))?;
    Ok(bytes)
}

fn random_u64() -> Result<u64, StartError> {
    getrandom::u64().map_err(|error| StartError::Random(error.to_string()))
}
