//! Addresses that were written down.

use std::sync::Arc;

use cluster_transport::proto::Address;

use super::names::{self, Names};
use super::{Announcement, Found, Looking, Provider};

/// Addresses that were written down. A name among them stands for all addresses that the system's resolver knows for it,
/// and is looked up anew at each question.
#[derive(Debug)]
pub struct Seeds {
    addresses: Vec<Address>,
    named: Vec<Address>,
    names: Names,
}

impl Seeds {
    /// These addresses.
    pub fn new(addresses: impl Into<Arc<[Address]>>) -> Self {
        let (addresses, named) =
            addresses.into().iter().cloned().partition(|address: &Address| address.ip().is_some());
        Self { addresses, named, names: Names::default() }
    }
}

impl Provider for Seeds {
    fn name(&self) -> &str {
        "seeds"
    }

    fn look<'a>(&'a self, _own: &'a Announcement) -> Looking<'a> {
        Box::pin(async {
            let lookup = |seed: &'a Address| names::hosts(seed.scheme(), seed.host(), seed.port());
            let named = self.named.iter().map(|seed| (seed.to_string(), lookup(seed)));
            let mut found = match self.names.look_up(named).await {
                // Others were written down as addresses, so something is known.
                Err(error) if !self.addresses.is_empty() => {
                    Found { problem: Some(error.0), ..Found::default() }
                }
                found => found?,
            };
            found.addresses.extend(self.addresses.iter().cloned());
            Ok(found)
        })
    }
}
