//! A directory in memory, for nodes of one process.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use cluster_transport::proto::Address;

use super::{Looking, Provider};

/// Nodes of one process that share a directory find each other. Clones are the same directory.
#[derive(Clone, Debug, Default)]
pub struct MemoryDirectory {
    addresses: Arc<Mutex<BTreeSet<Address>>>,
}

impl Provider for MemoryDirectory {
    fn name(&self) -> &str {
        "memory"
    }

    fn announce(&self, own: &[Address]) {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).extend(own.iter().cloned());
    }

    fn look(&self) -> Looking<'_> {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let found = addresses.iter().cloned().collect();
        Box::pin(async { Ok(found) })
    }
}
