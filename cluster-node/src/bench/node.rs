//! A node of the benchmark: an endpoint with defaults, on loopback or in memory.

use std::sync::Arc;

use cluster_transport::certs::Authority;
use cluster_transport::endpoint::{Clock, Connector, Endpoint, Handler, MemoryConnector, Parts};
use cluster_transport::link::quic;
use cluster_transport::link::tcp::Listener;
use cluster_transport::proto::endpoint::EndpointSettings;
use cluster_transport::proto::{Address, ClusterName, Incarnation, NodeId};
use cluster_transport::tls::{Tls, TlsIdentity};
use serde::{Deserialize, Serialize};

use super::{BenchError, Plan, Transport};

const CLUSTER: &str = "bench";

/// A certificate, its key and the authority that both sides trust, as PEM.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Identity {
    certificate: String,
    key: String,
    authority: String,
}

impl Identity {
    /// Certificates for these nodes, of one authority that is forgotten at once.
    pub(super) fn issue(nodes: &[NodeId]) -> Result<Vec<Self>, BenchError> {
        let authority = Authority::new(&cluster()?)?;
        let issue = |node| {
            let issued = authority.issue(node)?;
            Ok(Self {
                certificate: issued.certificate_pem().to_owned(),
                key: issued.key_pem().to_owned(),
                authority: authority.certificate_pem().to_owned(),
            })
        };
        nodes.iter().map(issue).collect()
    }

    fn tls(&self) -> Result<Tls, BenchError> {
        let Self { certificate, key, authority } = self;
        let (certificate, key) = (certificate.as_bytes(), key.as_bytes());
        let identity = TlsIdentity::from_pem(certificate, key, authority.as_bytes()).map_err(setup)?;
        Tls::new(identity, &cluster()?).map_err(setup)
    }
}

/// How the nodes of a run are made.
#[derive(Debug)]
pub(super) struct Maker<'a> {
    pub(super) plan: &'a Plan,
    /// Those that are reached through memory.
    pub(super) neighbours: MemoryConnector,
}

impl Maker<'_> {
    /// A node that is dialled, and where.
    pub(super) fn receiver(
        &self,
        node: &NodeId,
        identity: Option<&Identity>,
        handler: Arc<dyn Handler>,
    ) -> Result<(Endpoint, Address), BenchError> {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into())?;
        let local = listener.local_addr();
        let address = |scheme: &str| format!("{scheme}://{local}").parse().map_err(setup);
        if self.plan.transport != Transport::Quic {
            let endpoint = self.endpoint(node, identity, vec![listener], handler)?;
            let address: Address = address("tcp")?;
            self.neighbours.tell(address.clone(), endpoint.clone());
            return Ok((endpoint, address));
        }
        let tls = identity.ok_or_else(|| setup("QUIC needs TLS"))?.tls()?;
        let settings = settings(node)?;
        let quic = quic::Listener::bind(local, tls, &settings.lanes().windows)?;
        let endpoint = self.endpoint(node, identity, vec![listener], handler)?;
        endpoint.listen_quic(quic);
        Ok((endpoint, address("quic")?))
    }

    /// A node that dials.
    pub(super) fn dialler(
        &self,
        node: &NodeId,
        identity: Option<&Identity>,
        handler: Arc<dyn Handler>,
    ) -> Result<Endpoint, BenchError> {
        self.endpoint(node, identity, Vec::new(), handler)
    }

    fn endpoint(
        &self,
        node: &NodeId,
        identity: Option<&Identity>,
        listeners: Vec<Listener>,
        handler: Arc<dyn Handler>,
    ) -> Result<Endpoint, BenchError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(setup)?;
        let memory = self.plan.transport == Transport::Memory;
        Ok(Endpoint::start(Parts {
            settings: settings(node)?,
            seed,
            clock: Clock::start(),
            tls: identity.map(Identity::tls).transpose()?,
            connector: memory.then(|| Arc::new(self.neighbours.clone()) as Arc<dyn Connector>),
            listeners,
            handler,
        }))
    }
}

/// The defaults, for this node.
fn settings(node: &NodeId) -> Result<EndpointSettings, BenchError> {
    let incarnation = Incarnation { epoch: 1, nonce: getrandom::u64().map_err(setup)? };
    EndpointSettings::builder(cluster()?, node.clone(), incarnation).build().map_err(setup)
}

fn cluster() -> Result<ClusterName, BenchError> {
    CLUSTER.parse().map_err(setup)
}

/// The node that sends.
pub(super) fn sender() -> Result<NodeId, BenchError> {
    "sender".parse().map_err(setup)
}

/// The nodes that receive.
pub(super) fn receivers(plan: &Plan) -> Result<Vec<NodeId>, BenchError> {
    (1..=plan.peers).map(|i| format!("receiver-{i}").parse().map_err(setup)).collect()
}

pub(super) fn setup(problem: impl std::fmt::Display) -> BenchError {
    BenchError::Setup(problem.to_string())
}
