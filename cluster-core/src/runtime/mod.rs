//! The runtime: one engine on real links, a clock and a host. [`Cluster`] is the handle that a node implementation holds.
//!
//! The engine is in a mutex that is held for one input and the handing out of what comes of it; nothing awaits and no host
//! is called under it. Lock order: the endpoint's pump, then the engine, then the endpoint's machine or the table of peers,
//! then a lane.

mod activity;
mod allowance;
mod calling_back;
mod certificates;
mod commands;
mod defence;
mod discovery;
mod error;
mod for_host;
mod handler;
mod host_task;
mod inner;
mod keeping;
mod listening;
mod matrix;
mod operations;
mod pacing;
mod peers;
mod probe;
mod reasons;
mod registers;
mod rooms;
mod start;
mod status;
mod trace;
mod waiting;

use std::fmt;
use std::sync::Arc;

use cluster_transport::proto::{Address, ClusterName, Incarnation, NodeId};

pub use activity::{Activity, SHOWN_ACTIVITY};
pub use calling_back::CalledBack;
pub use certificates::TlsStatus;
pub use commands::{CommandOutcome, Outcomes, Reset};
pub use defence::Defence;
pub use discovery::ProviderStatus;
pub use error::{NotConverged, NotHeard, RequestFailure, StartError};
pub use keeping::KeeperStatus;
pub use matrix::{Matrix, MatrixRow, Sight};
pub use rooms::Notified;
pub use start::ClusterBuilder;
pub use status::{DoubtStatus, LaneStatus, MemberStatus, Status};
pub use trace::TraceStatus;

use crate::config::{BindingName, Config};
use crate::engine::Engine;
use crate::host::{Host, Readiness};
use inner::Inner;

/// A node's membership of its cluster. Cheap to clone; all clones are the same member.
///
/// It goes on until [`leave`](Self::leave) or [`abort`](Self::abort), also when every handle is dropped.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("node", self.node_id()).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Starts a member with the discovery that its configuration names. Has to be called within a tokio runtime.
    ///
    /// When it returns, the member listens; [`wait_ready`](Self::wait_ready) waits until it may serve clients.
    ///
    /// # Errors
    /// When its certificates cannot be used, an address cannot be bound, or must not be bound without TLS.
    pub async fn start(config: Config, host: Arc<dyn Host>) -> Result<Self, StartError> {
        Self::builder(config, host).start().await
    }

    /// As [`start`](Self::start), with providers of addresses besides those of the configuration.
    pub fn builder(config: Config, host: Arc<dyn Host>) -> ClusterBuilder {
        ClusterBuilder::new(config, host)
    }

    /// This node.
    pub fn node_id(&self) -> &NodeId {
        self.inner.node()
    }

    /// Which life of this node it is.
    pub fn incarnation(&self) -> Incarnation {
        self.inner.read(|engine| engine.incarnation())
    }

    /// The cluster that it is a member of.
    pub fn cluster_name(&self) -> &ClusterName {
        self.inner.cluster_name()
    }

    /// The configuration that it was started with.
    pub fn config(&self) -> &Config {
        self.inner.config()
    }

    /// Where it listens for members, with the ports that were really bound.
    pub fn bound(&self) -> &[(BindingName, Address)] {
        self.inner.bound()
    }

    /// Whole days until the certificate in force expires, rounded down; negative once it has, `None` without TLS.
    pub fn days_to_expiry(&self) -> Option<i64> {
        self.inner.tls().map(|tls| tls.days_to_expiry(std::time::SystemTime::now()))
    }

    /// Whether it may serve clients, and why not.
    pub fn readiness(&self) -> Readiness {
        self.inner.readiness()
    }

    /// Waits until it may serve clients. Cancel safe.
    pub async fn wait_ready(&self) {
        self.inner.wait_until(|inner| inner.read(|engine| engine.members().is_ready())).await;
    }

    /// Whether all members hold the same state as this one, as far as it has heard. About a heartbeat behind.
    pub fn is_converged(&self) -> bool {
        self.inner.read(Engine::is_converged)
    }

    /// Everything that it knows of itself and its peers.
    pub fn status(&self) -> Status {
        status::of(&self.inner)
    }

    /// Leaves in good order: not ready at once, the last messages are delivered, then all tasks end. At most 5 s.
    pub async fn leave(&self) {
        self.inner.leave().await;
    }

    /// Ends all tasks at once, without a word to anybody: to the others it is a crash.
    pub fn abort(&self) {
        self.inner.abort();
    }

    /// Why it has ended, if a task of it failed.
    pub fn failure(&self) -> Option<String> {
        self.inner.failure()
    }

    /// Waits until this member has ended, by [`leave`](Self::leave), by [`abort`](Self::abort), or because a task has panicked.
    pub async fn ended(&self) {
        self.inner.ended().await;
    }
}
