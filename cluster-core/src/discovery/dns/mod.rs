//! Members that the DNS knows: all addresses of a name, as a headless service has them, and SRV records.

mod srv;

use std::net::SocketAddr;
use std::sync::Arc;

use cluster_transport::proto::Address;

use super::names::{self, Miss, Names};
use super::{Announcement, Looking, Provider};
use crate::config::DnsName;

/// Names in the DNS, looked up anew at each question. A node that finds itself among the addresses learns so from the
/// handshake, and leaves that address alone.
///
/// Addresses come from the system's resolver, SRV records from the servers that its configuration names.
#[derive(Debug)]
pub struct Dns {
    asked: Arc<[DnsName]>,
    servers: Vec<SocketAddr>,
    names: Names,
}

impl Dns {
    /// These names.
    pub fn new(names: impl Into<Arc<[DnsName]>>) -> Self {
        Self { asked: names.into(), servers: Vec::new(), names: Names::default() }
    }

    /// Asks these servers for SRV records and their targets, by UDP. Default: those of the system.
    #[must_use]
    pub fn servers(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.servers = servers.into_iter().collect();
        self
    }

    async fn one(&self, asked: &DnsName) -> Result<Vec<Address>, Miss> {
        match asked {
            DnsName::Hosts { scheme, name, port } => names::hosts(*scheme, name, *port).await,
            DnsName::Services { name } => srv::targets(asked.scheme(), name, &self.servers).await,
        }
    }
}

impl Provider for Dns {
    fn name(&self) -> &str {
        "dns"
    }

    fn look<'a>(&'a self, _own: &'a Announcement) -> Looking<'a> {
        let lookups = self.asked.iter().map(|asked| (asked.to_string(), self.one(asked)));
        Box::pin(self.names.look_up(lookups.collect::<Vec<_>>()))
    }
}
