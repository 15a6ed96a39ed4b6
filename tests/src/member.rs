//! A member of a cluster on a thread of its own, so that its log is its own and its death takes all its sockets along.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use cluster_core::config::{Config, ConfigBuilder, RedisOptions};
use cluster_core::discovery::{Dns, MemoryDirectory};
use cluster_core::engine::{RoomId, RoomInfo};
use cluster_core::runtime::{Cluster, ProviderStatus, StartError, Status};
use cluster_transport::binding::Binding;
use cluster_transport::proto::Address;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::{GIVE_UP, Logs, Recorder};

/// How a member is to be started: on a free port of 127.0.0.1, without TLS, unless it is told otherwise.
#[derive(Debug)]
pub struct Setup {
    name: String,
    config: ConfigBuilder,
    directory: Option<MemoryDirectory>,
    dns: Option<Dns>,
}

impl Setup {
    /// A member with this node id.
    pub fn new(name: &str) -> Self {
        let config = Config::builder().node_id(Some(name.parse().unwrap()));
        Self { name: name.to_owned(), config, directory: None, dns: None }.bound("tcp://127.0.0.1:0")
    }

    /// The node id that it was made with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Finds the others of this directory, and is found by them.
    #[must_use]
    pub fn in_directory(mut self, directory: &MemoryDirectory) -> Self {
        self.directory = Some(directory.clone());
        self
    }

    /// Finds the others through these names, before it asks its other providers.
    #[must_use]
    pub fn found_through(mut self, names: Dns) -> Self {
        self.dns = Some(names);
        self
    }

    /// Finds the others through this Redis: a value of the setting `plugins.cluster.redis`.
    #[must_use]
    pub fn in_redis(self, redis: &Value) -> Self {
        self.with(|config| config.redis(RedisOptions::from(redis.clone())))
    }

    /// Listens there.
    #[must_use]
    pub fn bound(self, binding: &str) -> Self {
        let binding = Binding::parse(binding, 0).unwrap();
        self.with(|config| config.bind(Some(binding)))
    }

    /// Dials this address, five times in quick succession before it slows down.
    #[must_use]
    pub fn eager_for(self, seed: &Address) -> Self {
        let seeds: Arc<[Address]> = [seed.clone()].into();
        let interval = Duration::from_millis(20);
        self.with(|config| config.seeds(seeds).join_attempt_interval(interval).retry_join(5_u32))
    }

    /// Changes its configuration.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Self {
        self.config = change(self.config);
        self
    }

    /// Starts it.
    pub async fn start(self) -> Member {
        self.try_start().await.unwrap_or_else(|error| panic!("it does not start: {error}"))
    }

    /// Starts it, or says why not.
    ///
    /// # Errors
    /// When the member does not start.
    pub async fn try_start(self) -> Result<Member, StartError> {
        let config = self.config.build().unwrap();
        let (logs, recorder) = (Logs::default(), Recorder::default());
        let mut builder = Cluster::builder(config, Arc::new(recorder.clone()));
        if let Some(directory) = self.directory {
            builder = builder.provider(directory);
        }
        if let Some(dns) = self.dns {
            builder = builder.provider(dns);
        }
        let (started, outcome) = oneshot::channel();
        let subscriber = logs.subscriber();
        let thread = std::thread::Builder::new().name(self.name.clone());
        let thread = thread.spawn(move || {
            let _logging = tracing::subscriber::set_default(subscriber);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                match builder.start().await {
                    Ok(cluster) => {
                        let _ = started.send(Ok(cluster.clone()));
                        cluster.ended().await;
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            });
        });
        let cluster = outcome.await.unwrap()?;
        logs.name(format!("127.0.0.1:{}", cluster.bound().first().unwrap().1.port()), &self.name);
        Ok(Member { name: self.name, cluster, recorder, logs, thread: Some(thread.unwrap()) })
    }
}

/// A running member. It dies with its handle.
#[derive(Debug)]
pub struct Member {
    name: String,
    /// The member itself.
    pub cluster: Cluster,
    /// What its host was told.
    pub recorder: Recorder,
    /// What it logged.
    pub logs: Logs,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    /// Its node id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        self.cluster.bound().first().unwrap().1.clone()
    }

    /// Where it listens, for a socket.
    pub fn socket_address(&self) -> SocketAddr {
        let address = self.address();
        SocketAddr::new(address.ip().unwrap(), address.port())
    }

    /// Shows the addresses of these members by name in its log.
    pub fn knows(&self, others: &[&Self]) {
        for other in others {
            self.logs.name(format!("127.0.0.1:{}", other.address().port()), &other.name);
        }
    }

    /// What it knows of its first provider.
    pub fn provider(&self) -> ProviderStatus {
        self.cluster.status().discovery.into_iter().next().unwrap()
    }

    /// Waits until what it knows fits.
    pub async fn status(&self, fits: impl Fn(&Status) -> bool) {
        let fitting = async {
            while !fits(&self.cluster.status()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(GIVE_UP, fitting).await.is_err() {
            panic!("{} knows only {:#?}", self.name, self.cluster.status());
        }
    }

    /// Waits until it is ready, and in agreement with exactly these others.
    pub async fn together_with(&self, others: &[&str]) {
        self.status(|status| {
            let names: Vec<_> = status.members.iter().map(|member| member.node.as_str()).collect();
            let settled = status.members.iter().all(|member| member.ready && member.agrees);
            status.ready && status.converged && names == others && settled
        })
        .await;
    }

    /// Subscribes a client, and waits until the others have heard of it.
    pub async fn subscribe(&self, connection: u64, room: &RoomInfo) {
        let connection = cluster_core::engine::ConnectionId(connection);
        let subscribed = self.cluster.subscribe(connection, room).unwrap();
        self.cluster.heard(subscribed.version, GIVE_UP).await.unwrap();
    }

    /// Waits until it counts so many subscribers of a room.
    pub async fn counts(&self, room: &RoomInfo, expected: Option<u64>) {
        let fitting = async {
            while self.cluster.count(&room.id()).await != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(GIVE_UP, fitting).await.is_err() {
            let got = self.cluster.count(&room.id()).await;
            panic!("{} counts {got:?} in {}, not {expected:?}", self.name, room.id());
        }
    }

    /// Ends it without a word to anybody, as the system ends a killed process. Its port is free afterwards.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.cluster.abort();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(std::thread::panicking() || ended.is_ok(), "{} has panicked", self.name);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.end();
    }
}

/// A room for the tests; different numbers are different rooms.
pub fn room(number: u8) -> RoomInfo {
    let id = RoomId::new([number; 32]);
    RoomInfo::new(id, "index", "collection", Bytes::from_static(b"{}")).unwrap()
}

/// A port of loopback that nobody listens on just now.
pub fn reserve_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
