//! Finding other nodes: providers of addresses, whose results are united.
//!
//! An address is a hint and nothing more: who is there is learned from the handshake. A provider that fails holds nobody
//! back that has been found otherwise, and takes nobody away that has been found before.

mod dns;
mod fingerprint;
mod memory;
mod names;
mod redis;
mod seeds;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cluster_transport::proto::{Address, Incarnation, NodeId};

pub use dns::Dns;
pub use fingerprint::Fingerprint;
pub use memory::MemoryDirectory;
pub use redis::{LEASE_LIFE, RedisDirectory};
pub use seeds::Seeds;

/// How often a provider is asked that says nothing else.
pub const DEFAULT_PAUSE: Duration = Duration::from_secs(30);

/// A question to a provider that is under way.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Result<Found, DiscoveryError>> + Send + 'a>>;

/// A good-bye to a provider that is under way.
pub type Withdrawing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A provider cannot say who is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DiscoveryError(pub String);

/// What this node tells others of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Announcement {
    /// This node.
    pub node: NodeId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Where it can be dialled.
    pub addresses: Arc<[Address]>,
    /// What has to be equal for a session to come about.
    pub fingerprint: Fingerprint,
    /// Whether it may be announced.
    pub standing: Standing,
}

/// Whether a node may be announced to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Active,
    /// Another process of its id runs: it looks for others, and says nothing of itself.
    Superseded,
}

/// What a provider knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// All addresses that it knows now; this node's own may be among them.
    pub addresses: Vec<Address>,
    /// How many entries were left out because no session with them can come about.
    pub foreign: usize,
    /// How this node itself is entered, if the provider takes entries.
    pub lease: Option<Lease>,
    /// What it could not find out, if it found out the rest.
    pub problem: Option<String>,
}

/// How this node is entered with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// Entered, for so long from the answer on.
    Held(Duration),
    /// Not entered: this node is superseded.
    Withheld,
    /// Not entered: a later life of this node is.
    Outranked(Incarnation),
}

/// Says where nodes of the cluster may be found.
///
/// One task asks a provider, one question at a time. A question ends after `timers.discoverTimeout` at the latest; one
/// that failed is asked again after a pause that grows up to `timers.joinAttemptInterval`, and one that was answered with
/// a problem after one that grows up to [`pause`](Self::pause).
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// Its name, as status shows it.
    fn name(&self) -> &str;

    /// All that it knows now. A provider through which nodes announce themselves enters `own` first, so that of two nodes
    /// that come at the same moment at least one sees the other. It has to be cancel safe.
    ///
    /// # Errors
    /// In words for the log and status, with the remedy if there is one.
    fn look<'a>(&'a self, own: &'a Announcement) -> Looking<'a>;

    /// Takes back what it was told of this node, which leaves. It is given up after a second. Default: nothing.
    fn withdraw<'a>(&'a self, own: &'a Announcement) -> Withdrawing<'a> {
        let _ = own;
        Box::pin(async {})
    }

    /// The pause after a question that was answered, shortened at random by up to a tenth. Default 30 s.
    fn pause(&self) -> Duration {
        DEFAULT_PAUSE
    }
}

impl Found {
    /// These addresses.
    pub fn new(addresses: Vec<Address>) -> Self {
        Self { addresses, ..Self::default() }
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(life) => write!(f, "held for {life:?}"),
            Self::Withheld => f.write_str("withheld: this node is superseded"),
            Self::Outranked(by) => write!(f, "outranked: the life {by} of this node is entered"),
        }
    }
}
