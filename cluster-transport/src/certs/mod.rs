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
    not_after: SystemTime,
}

/// What is written of an authority beside the certificates that it has issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Includes {
    /// Its certificate alone: the key is somewhere else, or there already.
    Certificate,
    /// Its key too: it is new.
    Key,
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
        let (not_before, not_after) = validity(AUTHORITY_VALIDITY);
        (params.not_before, params.not_after) = (not_before.into(), not_after.into());
        // Of two authorities with one name a peer could only say that the signature is bad.
        let tail =
            key.public_key_raw().iter().rev().take(4).fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
        params.distinguished_name = common_name(format!("{cluster}.cluster authority {tail:08x}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { cluster: cluster.clone(), issuer: Issuer::new(params, key), pem, not_after })
    }

    /// The authority that [`save`](Self::save) left in a folder, or one made elsewhere and put there under the same
    /// file names. A path to a file is that of the certificate, `NAME.pem`, with the key beside it in `NAME-key.pem`.
    ///
    /// # Errors
    /// When a file cannot be read or used, the two do not belong together, or the certificate may not issue others or has
    /// expired.
    pub fn load(cluster: &ClusterName, path: &Path) -> Result<Self, CertsError> {
        let (path, key_path) = files::of_authority(path);
        let pem = files::read(&path)?;
        let key = KeyPair::from_pem(&files::read(&key_path)?)
            .map_err(|error| CertsError::Damaged { path: key_path.clone(), problem: error.to_string() })?;
        let not_after = files::check_authority(&path, &pem, &key_path, &key)?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key)
            .map_err(|error| CertsError::Damaged { path, problem: error.to_string() })?;
        Ok(Self { cluster: cluster.clone(), issuer, pem, not_after })
    }

    /// Writes `ca.pem` and `ca-key.pem` into a folder, which is made if it is missing.
    ///
    /// The key is for the one who issues; the nodes need `ca.pem` alone.
    pub fn save(&self, folder: &Path, overwrite: Overwrite) -> Result<(), CertsError> {
        files::write_all(folder, overwrite, &self.files(Includes::Key))
    }

    /// What is written of the authority.
    fn files(&self, includes: Includes) -> Vec<Written> {
        let key = Written {
            name: AUTHORITY_KEY_FILE.to_owned(),
            text: self.issuer.key().serialize_pem(),
            access: Access::Owner,
        };
        let certificate =
            Written { name: AUTHORITY_FILE.to_owned(), text: self.pem.clone(), access: Access::All };
        (includes == Includes::Key).then_some(key).into_iter().chain([certificate]).collect()
    }

    /// Writes certificates of this authority into a folder, as [`Issued::save`] does, with `ca.pem` beside them, and with its key if
    /// the authority is new. All files or none: if one is there that may not be replaced, nothing is written.
    ///
    /// # Errors
    /// When a file exists and may not be replaced, `ca.pem` is that of another authority, or the system refuses.
    pub fn save_with(
        &self,
        folder: &Path,
        overwrite: Overwrite,
        includes: Includes,
        issued: &[Issued],
    ) -> Result<Vec<TlsFiles>, CertsError> {
        let mut files = self.files(includes);
        if includes == Includes::Certificate && files::is_there(folder, overwrite, AUTHORITY_FILE, &self.pem)?
        {
            files.clear();
        }
        files.extend(issued.iter().flat_map(Issued::files));
        files::write_all(folder, overwrite, &files)?;
        Ok(issued.iter().map(|issued| issued.loaded_from(folder)).collect())
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
        let (not_before, not_after) = validity(NODE_VALIDITY);
        // Beyond the end of its authority nobody would believe it.
        (params.not_before, params.not_after) = (not_before.into(), not_after.min(self.not_after).into());
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
        files::write_all(folder, overwrite, &self.files())?;
        Ok(self.loaded_from(folder))
    }

    fn files(&self) -> [Written; 2] {
        let Self { name, certificate, key } = self;
        [
            Written { name: format!("{name}-key.pem"), text: key.clone(), access: Access::Owner },
            Written { name: format!("{name}.pem"), text: certificate.clone(), access: Access::All },
        ]
    }

    fn loaded_from(&self, folder: &Path) -> TlsFiles {
        TlsFiles {
            certificate: folder.join(format!("{}.pem", self.name)),
            key: folder.join(format!("{}-key.pem", self.name)),
            authorities: vec![folder.join(AUTHORITY_FILE)],
        }
    }
}

impl fmt::Debug for Issued {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("name", &self.name).finish_non_exhaustive()
    }
}

/// From a little before now until `length` after it.
fn validity(length: Duration) -> (SystemTime, SystemTime) {
    let now = SystemTime::now();
    (now - CLOCK_SKEW, now + length)
}

fn common_name(name: String) -> DistinguishedName {
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, name);
    whole
}
