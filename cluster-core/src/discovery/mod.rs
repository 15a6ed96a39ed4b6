//! Finding other nodes: providers of addresses, whose results are united.
//!
//! An address is a hint and nothing more: who is there is learned from the handshake. A provider that fails holds nobody
//! back that has been found otherwise.

mod memory;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use cluster_transport::proto::Address;

pub use memory::MemoryDirectory;

/// A question to a provider that is under way.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Result<Vec<Address>, DiscoveryError>> + Send + 'a>>;

/// A provider cannot say who is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DiscoveryError(pub String);

/// Says where nodes of the cluster may be found.
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// Its name, as status shows it.
    fn name(&self) -> &str;

    /// Tells where this node can be dialled, before the first question.
    fn announce(&self, own: &[Address]) {
        let _ = own;
    }

    /// All addresses that it knows now; this node's own may be among them.
    fn look(&self) -> Looking<'_>;
}

/// Addresses that were written down.
#[derive(Clone, Debug)]
pub struct Seeds(Arc<[Address]>);

impl Seeds {
    /// These addresses.
    pub fn new(addresses: impl Into<Arc<[Address]>>) -> Self {
        Self(addresses.into())
    }
}

impl Provider for Seeds {
    fn name(&self) -> &str {
        "seeds"
    }

    fn look(&self) -> Looking<'_> {
        Box::pin(async { Ok(self.0.to_vec()) })
    }
}
