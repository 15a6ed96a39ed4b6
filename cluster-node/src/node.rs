//! A node of the cluster: the clients of this process, and the cluster that they talk through.
//!
//! [`Node`] does what the API's calls ask for. What it knows of its own clients is apart from what it asks the cluster:
//! a subscription is made here first and then in the cluster, a message goes to the own clients and then to the nodes
//! that have others. It speaks no protocol: a server gives it requests and takes texts for its [`Connection`]s.

mod calls;
mod catalogue;
mod connection;
mod host;
mod local;
mod notices;
mod outbox;

use std::sync::Arc;
use std::time::Duration;

use cluster_core::config::{Config, OnMinority};
use cluster_core::runtime::{Cluster, StartError};

pub use connection::Connection;
pub(crate) use outbox::PIECE;
pub use outbox::{Room, TooSlow};

use crate::filter::RoomKey;
use crate::load::Load;
use crate::subscriptions::SubscriptionLimits;
use local::Local;

/// How long the answer to a subscription waits for the other nodes to know of it.
///
/// What is published later, anywhere, reaches the subscriber. A node that does not answer in time delays nobody longer
/// than this.
pub const HEARD_WITHIN: Duration = Duration::from_millis(250);

/// A running node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Node {
    cluster: Cluster,
    local: Arc<Local>,
    on_minority: OnMinority,
    requests: usize,
}

impl Node {
    /// Starts a node; its cluster's listeners are bound when this returns.
    ///
    /// # Errors
    /// What keeps the cluster from starting: a binding, a certificate.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let limits = SubscriptionLimits {
            per_connection: config.server_subscriptions_per_client(),
            rooms: config.server_rooms(),
        };
        let load = Load::new(config.server_outgoing_bytes_total());
        let local = Arc::new(Local::new(RoomKey::new(config.filter_seed().as_bytes()), limits, load));
        let (on_minority, requests) = (config.on_minority(), config.server_requests());
        let cluster = Cluster::start(config, local.clone()).await?;
        Ok(Self { cluster, local, on_minority, requests })
    }

    /// The cluster, as this node sees it.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        self.cluster.node_id().as_str()
    }

    /// What its clients cost.
    pub fn load(&self) -> &Load {
        self.local.load()
    }

    /// How many requests of one client may wait for other nodes just now.
    pub(crate) fn requests_at_a_time(&self) -> usize {
        self.load().at_a_time(self.requests)
    }

    /// Takes in a client, for which at most `outgoing` bytes may wait.
    pub fn connect(&self, outgoing: usize) -> Connection {
        Connection::new(self, outgoing)
    }

    /// Resolves when another node asks this one to shut down.
    pub async fn shutdown_requested(&self) {
        self.local.shutdown().cancelled().await;
    }

    /// Resolves when this node drains: its clients have to move.
    pub async fn drained(&self) {
        self.local.draining().cancelled().await;
    }

    /// Whether another node asked this one to shut down.
    pub fn shuts_down(&self) -> bool {
        self.local.shutdown().is_cancelled()
    }

    /// Whether this node drains, so that it takes no new clients.
    pub fn is_draining(&self) -> bool {
        self.local.draining().is_cancelled()
    }

    /// Waits until something is true of the cluster; asked again after everything that the cluster tells.
    pub async fn until(&self, mut is_true: impl FnMut(&Cluster) -> bool) {
        let mut news = self.local.news();
        while !is_true(&self.cluster) {
            if news.changed().await.is_err() {
                return;
            }
        }
    }
}
