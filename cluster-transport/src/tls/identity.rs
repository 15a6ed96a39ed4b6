//! One node's certificate with its key, and the authorities whose members it lets in: read, checked, not yet in use.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};

use super::config::ring;
use super::leaf::{Leaf, LeafError};
use super::pem::{IdentityError, Pem, PemSet, TlsFiles};
use crate::proto::{CertifiedNames, ClusterName, NodeId};

/// A certificate with its key and the authorities to trust; a cheap clone.
///
/// It is complete and consistent (the key is the certificate's, all texts are whole), but it may be out of its time: a
/// node with an expired certificate still starts, and says so.
#[derive(Clone)]
pub struct TlsIdentity {
    inner: Arc<Inner>,
}

struct Inner {
    source: PemSet,
    key: Arc<CertifiedKey>,
    roots: Arc<RootCertStore>,
    leaf: Leaf,
}

impl TlsIdentity {
    /// Reads and checks the files; blocks while it reads them.
    pub fn load(files: &TlsFiles) -> Result<Self, IdentityError> {
        Self::from_set(files.read()?)
    }

    /// Checks PEM texts: a certificate chain, its private key, and the authorities' certificates.
    pub fn from_pem(certificate: &[u8], key: &[u8], authorities: &[u8]) -> Result<Self, IdentityError> {
        Self::from_set(PemSet {
            certificate: Pem::new("the certificate", certificate),
            key: Pem::new("the key", key),
            authorities: vec![Pem::new("the authorities", authorities)],
        })
    }

    pub(super) fn from_set(source: PemSet) -> Result<Self, IdentityError> {
        let chain = source.certificate.certificates()?;
        let leaf = leaf(&source.certificate, &chain)?;
        let key = Arc::new(certified_key(&source, chain, source.key.private_key()?)?);
        let roots = Arc::new(roots(&source.authorities)?);
        Ok(Self { inner: Arc::new(Inner { source, key, roots, leaf }) })
    }

    /// The DNS names in the certificate.
    pub fn names(&self) -> &CertifiedNames {
        &self.inner.leaf.names
    }

    /// When the certificate begins to be valid.
    pub fn not_before(&self) -> SystemTime {
        self.inner.leaf.not_before
    }

    /// When the certificate expires.
    pub fn not_after(&self) -> SystemTime {
        self.inner.leaf.not_after
    }

    /// What stands for each authority that is trusted: its name and its public key, in DER.
    pub fn authorities(&self) -> Vec<Vec<u8>> {
        let anchors = self.inner.roots.roots.iter();
        anchors
            .map(|anchor| [anchor.subject.as_ref(), anchor.subject_public_key_info.as_ref()].concat())
            .collect()
    }

    /// What to call the certificate in a message.
    pub(super) fn certificate_name(&self) -> &str {
        &self.inner.source.certificate.name
    }

    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        self.inner.key.clone()
    }

    pub(super) fn roots(&self) -> Arc<RootCertStore> {
        self.inner.roots.clone()
    }

    /// Whether it was made of exactly these texts.
    pub(super) fn is_made_of(&self, texts: &PemSet) -> bool {
        self.inner.source == *texts
    }

    pub(super) fn check_cluster(&self, cluster: &ClusterName) -> Result<(), IdentityError> {
        let names = self.names();
        if names.belongs_to(cluster) && names.names_a_node(cluster) {
            return Ok(());
        }
        Err(IdentityError::other_cluster(self.certificate_name(), cluster, names))
    }

    pub(super) fn check_node(&self, cluster: &ClusterName, node: &NodeId) -> Result<(), IdentityError> {
        if self.names().permits(cluster, node) {
            return Ok(());
        }
        let file = self.certificate_name().to_owned();
        Err(IdentityError::OtherNode { file, node: node.clone(), cluster: cluster.clone() })
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity")
            .field("source", &self.inner.source)
            .field("leaf", &self.inner.leaf)
            .finish_non_exhaustive()
    }
}

fn leaf(certificate: &Pem, chain: &[CertificateDer<'_>]) -> Result<Leaf, IdentityError> {
    let first = chain.first().ok_or_else(|| certificate.damaged("the chain is empty"))?;
    let file = certificate.name.clone();
    match Leaf::parse(first) {
        Ok(leaf) if leaf.both_directions => Ok(leaf),
        Ok(_) => Err(IdentityError::OneDirection { file }),
        Err(LeafError::Names(source)) => Err(IdentityError::Names { file, source }),
        Err(LeafError::Encoding(problem)) => Err(certificate.damaged(problem)),
    }
}

fn certified_key(
    source: &PemSet,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, IdentityError> {
    CertifiedKey::from_der(chain, key, &ring()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => IdentityError::KeyMismatch {
            key: source.key.name.clone(),
            certificate: source.certificate.name.clone(),
        },
        Error::InvalidCertificate(problem) => source.certificate.damaged(problem),
        other => IdentityError::UnusableKey { file: source.key.name.clone(), problem: other.to_string() },
    })
}

fn roots(authorities: &[Pem]) -> Result<RootCertStore, IdentityError> {
    if authorities.is_empty() {
        return Err(IdentityError::NoAuthorities);
    }
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        for certificate in authority.certificates()? {
            roots.add(certificate).map_err(|error| authority.damaged(error))?;
        }
    }
    Ok(roots)
}

#[cfg(test)]
mod tests;
