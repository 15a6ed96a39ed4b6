//! Who plays in the demonstration: names, ports and certificates.

use std::num::NonZeroUsize;
use std::path::Path;

use cluster_core::config::{Config, ConfigError};
use cluster_transport::binding::Binding;
use cluster_transport::certs::{Authority, Overwrite};
use cluster_transport::proto::{Address, ClusterName, NodeId};
use cluster_transport::tls::TlsFiles;

use crate::cli::Failure;

const CLUSTER: &str = "demo";

/// The nodes of a demonstration.
#[derive(Clone, Debug)]
pub struct Cast {
    cluster: ClusterName,
    roles: Vec<Role>,
}

/// One node.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) name: NodeId,
    pub(super) http_port: u16,
    tls: Option<TlsFiles>,
}

impl Cast {
    /// This many nodes, without TLS. Node i serves clients on `base_port` + i, all on free ports if that is 0.
    ///
    /// # Errors
    /// When there are no such ports.
    pub fn new(nodes: u16, base_port: u16) -> Result<Self, Failure> {
        let cluster = CLUSTER.parse().map_err(unusable)?;
        let role = |i: u16| {
            let http_port = if base_port == 0 { Some(0) } else { base_port.checked_add(i) };
            let http_port =
                http_port.ok_or_else(|| Failure::Usage(format!("there is no port {base_port} + {i}")))?;
            Ok(Role { name: format!("node-{i}").parse().map_err(unusable)?, http_port, tls: None })
        };
        Ok(Self { cluster, roles: (1..=nodes).map(role).collect::<Result<_, Failure>>()? })
    }

    /// Gives all nodes certificates of a new authority, kept in a folder.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn secured(mut self, folder: &Path) -> Result<Self, Failure> {
        let authority = Authority::new(&self.cluster)?;
        authority.save(folder, Overwrite::Refuse)?;
        for role in &mut self.roles {
            role.tls = Some(authority.issue(&role.name)?.save(folder, Overwrite::Refuse)?);
        }
        Ok(self)
    }

    /// Gives the last node a certificate of an authority of its own: the others will not have it.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn with_a_stranger(mut self, folder: &Path) -> Result<Self, Failure> {
        let stranger = Self { roles: self.roles.pop().into_iter().collect(), ..self.clone() };
        self.roles.extend(stranger.secured(folder)?.roles);
        Ok(self)
    }

    pub(super) fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Half of the nodes, rounded up: one of them may be lost.
    fn quorum(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.roles.len().div_ceil(2)).unwrap_or(NonZeroUsize::MIN)
    }

    /// The configuration of a node that listens for members here.
    pub(super) fn config(
        &self,
        role: &Role,
        bind: Binding,
        seeds: Vec<Address>,
    ) -> Result<Config, ConfigError> {
        let config = Config::builder()
            .cluster_name(self.cluster.clone())
            .node_id(role.name.clone())
            .bind(bind)
            .seeds(seeds)
            .minimum_nodes(self.quorum());
        let config = match &role.tls {
            None => config,
            Some(files) => config
                .tls_certificate(files.certificate.clone())
                .tls_key(files.key.clone())
                .tls_authorities(files.authorities.clone()),
        };
        config.build()
    }

    pub(super) fn is_secured(&self) -> bool {
        self.roles.iter().all(|role| role.tls.is_some())
    }
}

fn unusable(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}
