//! A directory in memory, for nodes of one process.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use cluster_transport::proto::Address;

use super::{Announcement, Found, Looking, Provider};

/// Nodes of one process that share a directory find each other. Clones are the same directory.
///
/// It keeps the addresses of nodes that have left: to those who look they are hints that come to nothing.
#[derive(Clone, Debug, Default)]
pub struct MemoryDirectory {
    addresses: Arc<Mutex<BTreeSet<Address>>>,
}

impl Provider for MemoryDirectory {
    fn name(&self) -> &str {
        "memory"
    }

    fn look<'a>(&'a self, own: &'a Announcement) -> Looking<'a> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.extend(own.addresses.iter().cloned());
        let found = addresses.iter().cloned().collect();
        Box::pin(async { Ok(Found::new(found)) })
    }
}
