//! A development certificate authority: makes the certificates that members of a cluster show each other.
//!
//! A certificate carries `NAME.cluster` and `NODE.NAME.cluster`, or `*.NAME.cluster` for one that all nodes share, and
//! serves and dials. Keys are ECDSA P-256, files PEM, key files readable by their owner alone. No file is overwritten
//! unless it is asked for.

mod error;
mod files;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use crate::proto::{ClusterName, NodeId};
use crate::tls::TlsFiles;

pub use error::CertsError;
pub use files::Overwrite;
use files::{Access, Written};

/// How long an authority is valid.
pub const AUTHORITY_VALIDITY: Duration = Duration::from_secs(3650 * DAY);
/// How long a node's certificate is valid.
pub const NODE_VALIDITY: Duration = Duration::from_secs(825 * DAY);
/// How far the clocks of two machines may differ when a fresh certificate is shown.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);
const DAY: u64 = 86_400;

/// The file of the authority's certificate.
const AUTHORITY_FILE: &str = "ca.pem";
/// The file of the authority's key.
const AUTHORITY_KEY_FILE: &str = "ca-key.pem";
/// What a shared certificate's files are called after.
const SHARED: &str = "shared";

/// A certificate authority of one cluster.
pub struct Authority {
    cluster: ClusterName,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    name: String,
    certificate: String,
    key: String,
}

impl Authority {
    /// A new authority, in memory.
    pub fn new(cluster: &ClusterName) -> Result<Self, CertsError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = validity(AUTHORITY_VALIDITY);
        // Of two authorities with one name a peer could only say that the signature is bad.
        let tail =
            key.public_key_raw().iter().rev().take(4).fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
        params.distinguished_name = common_name(format!("{cluster}.cluster authority {tail:08x}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { cluster: cluster.clone(), issuer: Issuer::new(params, key), pem })
    }

    /// The authority that [`save`](Self::save) left in a folder, or one made elsewhere and put there under the same
    /// file names.
    pub fn load(cluster: &ClusterName, folder: &Path) -> Result<Self, CertsError> {
        let path = folder.join(AUTHORITY_FILE);
        let key_path = folder.join(AUTHORITY_KEY_FILE);
        let pem = files::read(&path)?;
        let key = KeyPair::from_pem(&files::read(&key_path)?)
            .map_err(|error| CertsError::Damaged { path: key_path.clone(), problem: error.to_string() })?;
        files::check_authority(&path, &pem, &key_path, &key)?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key)
            .map_err(|error| CertsError::Damaged { path, problem: error.to_string() })?;
        Ok(Self { cluster: cluster.clone(), issuer, pem })
    }

    /// Writes `ca.pem` and `ca-key.pem` into a folder, which is made if it is missing.
    ///
    /// The key is for the one who issues; the nodes need `ca.pem` alone.
    pub fn save(&self, folder: &Path, overwrite: Overwrite) -> Result<(), CertsError> {
        files::write_all(
            folder,
            overwrite,
            &[
                Written {
                    name: AUTHORITY_KEY_FILE,
                    text: &self.issuer.key().serialize_pem(),
                    access: Access::Owner,
                },
                Written { name: AUTHORITY_FILE, text: &self.pem, access: Access::All },
            ],
        )
    }

    /// The authority's certificate, as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for one node.
    pub fn issue(&self, node: &NodeId) -> Result<Issued, CertsError> {
        self.issue_label(node.as_str(), node.as_str())
    }

    /// A certificate for any node of the cluster. Whoever holds its key can be each of them.
    pub fn issue_shared(&self) -> Result<Issued, CertsError> {
        self.issue_label("*", SHARED)
    }

    fn issue_label(&self, label: &str, name: &str) -> Result<Issued, CertsError> {
        let cluster = &self.cluster;
        let key = KeyPair::generate()?;
        let mut params =
            CertificateParams::new([format!("{cluster}.cluster"), format!("{label}.{cluster}.cluster")])?;
        (params.not_before, params.not_after) = validity(NODE_VALIDITY);
        params.distinguished_name = common_name(format!("{name} of {cluster}"));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { name: name.to_owned(), certificate, key: key.serialize_pem() })
    }
}

impl fmt::Debug for Authority {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl Issued {
    /// The certificate, as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The private key, as PEM.
    pub fn key_pem(&self) -> &str {
        &self.key
    }

    /// Writes `NODE.pem` and `NODE-key.pem` into a folder, which is made if it is missing, and says what a node loads.
    ///
    /// A shared one is `shared.pem`. The authority's `ca.pem` is expected beside them.
    pub fn save(&self, folder: &Path, overwrite: Overwrite) -> Result<TlsFiles, CertsError> {
        let certificate = format!("{}.pem", self.name);
        let key = format!("{}-key.pem", self.name);
        files::write_all(
            folder,
            overwrite,
            &[
                Written { name: &key, text: &self.key, access: Access::Owner },
                Written { name: &certificate, text: &self.certificate, access: Access::All },
            ],
        )?;
        Ok(TlsFiles {
            certificate: folder.join(certificate),
            key: folder.join(key),
            authorities: vec![folder.join(AUTHORITY_FILE)],
        })
    }
}

impl fmt::Debug for Issued {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("name", &self.name).finish_non_exhaustive()
    }
}

/// From a little before now until `length` after it.
fn validity<T: From<SystemTime>>(length: Duration) -> (T, T) {
    let now = SystemTime::now();
    ((now - CLOCK_SKEW).into(), (now + length).into())
}

fn common_name(name: String) -> DistinguishedName {
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, name);
    whole
}
