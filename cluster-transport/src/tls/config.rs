//! The TLS settings in force: what new handshakes use, replaced as a whole by a reload.

use std::fmt::{self, Display};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, CommonState, ServerConfig};
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::fault::TlsFault;
use super::identity::TlsIdentity;
use super::leaf::Leaf;
use super::pem::IdentityError;
use super::witness::Witness;
use crate::proto::{ClusterName, NodeId, PeerIdentity};

/// The application protocol that both sides name in the TLS handshake.
pub const ALPN: &[u8] = b"cluster/1";
/// Seconds of a day.
const DAY: i64 = 86_400;

/// Mutual TLS for one cluster: dials and accepts with the identity in force. Cheap to clone; clones share reloads.
#[derive(Clone)]
pub struct Tls {
    inner: Arc<Inner>,
}

struct Inner {
    cluster: ClusterName,
    server_name: ServerName<'static>,
    /// The node that this process is, once it is known.
    node: OnceLock<NodeId>,
    in_force: watch::Sender<Configs>,
}

#[derive(Clone)]
struct Configs {
    identity: TlsIdentity,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    judges: Judges,
}

/// The stock verifiers of one set of authorities.
#[derive(Clone)]
struct Judges {
    of_servers: Arc<dyn ServerCertVerifier>,
    of_clients: Arc<dyn ClientCertVerifier>,
}

impl Tls {
    /// Puts an identity into force for a cluster, of which it must carry the names.
    ///
    /// A certificate out of its time is taken, with a warning in the log: peers will refuse it until it is renewed.
    pub fn new(identity: TlsIdentity, cluster: &ClusterName) -> Result<Self, IdentityError> {
        let server_name = ServerName::try_from(format!("{cluster}.cluster"))
            .map_err(|error| IdentityError::Unusable { problem: error.to_string() })?;
        let in_force = watch::Sender::new(Configs::new(identity, cluster)?);
        let (cluster, node) = (cluster.clone(), OnceLock::new());
        Ok(Self { inner: Arc::new(Inner { cluster, server_name, node, in_force }) })
    }

    /// Says which node this process is: the certificate in force must be for it, and so must those of later reloads.
    ///
    /// The first call that succeeds decides for good which node reloads are held to.
    pub fn require_node(&self, node: &NodeId) -> Result<(), IdentityError> {
        self.identity().check_node(&self.inner.cluster, node)?;
        self.inner.node.get_or_init(|| node.clone());
        Ok(())
    }

    /// Replaces the identity for the handshakes that begin from now on; established links are left alone.
    ///
    /// On an error the identity in force remains.
    pub fn reload(&self, identity: TlsIdentity) -> Result<(), IdentityError> {
        if let Some(node) = self.inner.node.get() {
            identity.check_node(&self.inner.cluster, node)?;
        }
        let configs = Configs::new(identity, &self.inner.cluster)?;
        self.inner.in_force.send_replace(configs);
        Ok(())
    }

    /// The cluster that it is for.
    pub fn cluster(&self) -> &ClusterName {
        &self.inner.cluster
    }

    /// The identity in force.
    pub fn identity(&self) -> TlsIdentity {
        self.inner.in_force.borrow().identity.clone()
    }

    /// The node that the certificate in force is for, if it is for exactly one.
    pub fn node_id(&self) -> Option<NodeId> {
        self.identity().names().node_id(&self.inner.cluster)
    }

    /// When the certificate in force expires.
    pub fn not_after(&self) -> SystemTime {
        self.identity().not_after()
    }

    /// Whole days from `now` until the certificate in force expires, rounded down; negative once it has.
    pub fn days_to_expiry(&self, now: SystemTime) -> i64 {
        days_until(self.not_after(), now)
    }

    pub(crate) fn connector(&self) -> TlsConnector {
        TlsConnector::from(self.inner.in_force.borrow().client.clone())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.inner.in_force.borrow().server.clone())
    }

    /// What a QUIC dialler uses for one connection; the witness learns why the peer's certificate is refused, if it is.
    pub(crate) fn quic_client(&self, witness: &Witness) -> Result<QuicClientConfig, TlsFault> {
        let in_force = self.inner.in_force.borrow().clone();
        let judge = witness.beside_server_verifier(in_force.judges.of_servers);
        let config = client_config(&in_force.identity, judge).map_err(TlsFault::unusable)?;
        QuicClientConfig::try_from(config).map_err(TlsFault::unusable)
    }

    /// What a QUIC acceptor uses for one connection; the witness learns why the peer's certificate is refused, if it is.
    pub(crate) fn quic_server(&self, witness: &Witness) -> Result<QuicServerConfig, TlsFault> {
        let in_force = self.inner.in_force.borrow().clone();
        let judge = witness.beside_client_verifier(in_force.judges.of_clients);
        let config = server_config(&in_force.identity, judge).map_err(TlsFault::unusable)?;
        QuicServerConfig::try_from(config).map_err(TlsFault::unusable)
    }

    /// The name that a dialler asks for and checks.
    pub(crate) fn server_name(&self) -> ServerName<'static> {
        self.inner.server_name.clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("cluster", &self.inner.cluster)
            .field("identity", &self.identity())
            .finish_non_exhaustive()
    }
}

impl Configs {
    fn new(identity: TlsIdentity, cluster: &ClusterName) -> Result<Self, IdentityError> {
        identity.check_cluster(cluster)?;
        warn_if_out_of_time(&identity, SystemTime::now());
        let judges = Judges::new(&identity).map_err(unusable)?;
        let client = client_config(&identity, Arc::clone(&judges.of_servers)).map_err(unusable)?;
        let server = server_config(&identity, Arc::clone(&judges.of_clients)).map_err(unusable)?;
        Ok(Self { identity, client: Arc::new(client), server: Arc::new(server), judges })
    }
}

impl Judges {
    fn new(identity: &TlsIdentity) -> Result<Self, VerifierBuilderError> {
        Ok(Self {
            of_servers: WebPkiServerVerifier::builder_with_provider(identity.roots(), ring()).build()?,
            of_clients: WebPkiClientVerifier::builder_with_provider(identity.roots(), ring()).build()?,
        })
    }
}

/// Whole days from `now` until a certificate ends, rounded down; negative once it has.
pub fn days_until(end: SystemTime, now: SystemTime) -> i64 {
    let seconds = match end.duration_since(now) {
        Ok(left) => i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        Err(past) => i64::try_from(past.duration().as_secs()).map_or(i64::MIN, |since| -since - 1),
    };
    seconds.div_euclid(DAY)
}

/// What a peer has shown in a finished handshake.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) identity: PeerIdentity,
    pub(crate) not_after: SystemTime,
}

impl Shown {
    /// Who the peer is, and until when it is certified; without TLS nobody vouches for it.
    pub(crate) fn split(shown: Option<Self>) -> (PeerIdentity, Option<SystemTime>) {
        shown.map_or((PeerIdentity::Plaintext, None), |shown| (shown.identity, Some(shown.not_after)))
    }
}

/// Who a peer proved to be in a finished handshake.
pub(crate) fn peer_identity(connection: &CommonState) -> Result<Shown, TlsFault> {
    identity_of(connection.alpn_protocol(), connection.peer_certificates())
}

/// As [`peer_identity`], of what a handshake has agreed on and shown.
pub(crate) fn identity_of(
    protocol: Option<&[u8]>,
    certificates: Option<&[CertificateDer<'_>]>,
) -> Result<Shown, TlsFault> {
    if protocol != Some(ALPN) {
        return Err(TlsFault::OtherProtocol);
    }
    let leaf = certificates.and_then(<[_]>::first).ok_or(TlsFault::NoCertificate)?;
    let leaf = Leaf::parse(leaf).map_err(|error| TlsFault::BadPeer(error.to_string()))?;
    Ok(Shown { identity: PeerIdentity::Certified(leaf.names), not_after: leaf.not_after })
}

/// Installs ring as the crypto provider of the process if there is none yet.
///
/// This crate does not need it; libraries that ask for a process-wide provider do.
pub fn install_ring_if_none() {
    if CryptoProvider::get_default().is_none() {
        // Losing the race means that somebody else installed one in between, which is as good.
        let _ = default_provider().install_default();
    }
}

pub(super) fn ring() -> Arc<CryptoProvider> {
    Arc::new(default_provider())
}

fn unusable(error: impl Display) -> IdentityError {
    IdentityError::Unusable { problem: error.to_string() }
}

/// The verifier is the stock one, perhaps with a witness beside it.
fn client_config(
    identity: &TlsIdentity,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(ring())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Ok(config)
}

fn server_config(
    identity: &TlsIdentity,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(ring())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session would go on showing the client certificate of the first one, after a reload too.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

fn warn_if_out_of_time(identity: &TlsIdentity, now: SystemTime) {
    let certificate = identity.certificate_name();
    if now > identity.not_after() {
        tracing::warn!(certificate, "the certificate has expired: peers refuse it until it is renewed");
    } else if now < identity.not_before() {
        tracing::warn!(certificate, "the certificate is not valid yet: is the clock of this machine right?");
    }
}

#[cfg(test)]
mod tests;
