//! The PEM texts that a TLS identity is made of, and everything that can be wrong with them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::proto::credentials::NamesError;
use crate::proto::{CertifiedNames, ClusterName, NodeId};

/// The largest PEM file that is read, in bytes.
const MAX_PEM: u64 = 1024 * 1024;

/// Why a TLS identity cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file that cannot be read.
    #[error("cannot read {file}: {source} (check the path and its permissions)")]
    Read {
        /// The role and path of the file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is too large to be what it should be.
    #[error("{file} is larger than {MAX_PEM} bytes: is it the right file?")]
    TooLarge {
        /// The role and path of the file.
        file: String,
    },
    /// A text that is not PEM, for example because it is half-written.
    #[error("{file} is damaged: {problem} (write it again, whole)")]
    Damaged {
        /// The role and path of the file.
        file: String,
        /// What is wrong with the text.
        problem: String,
    },
    /// A file in which the wanted item is missing.
    #[error("{file} holds no {wanted}: it must be PEM text with a line \"-----BEGIN {marker}-----\"")]
    Missing {
        /// The role and path of the file.
        file: String,
        /// What should be in it.
        wanted: &'static str,
        /// How the item begins.
        marker: &'static str,
    },
    /// No file of authorities was given.
    #[error(
        "no authorities are given: name at least one file with the certificate that issued the members' own"
    )]
    NoAuthorities,
    /// A key of a kind that cannot sign.
    #[error("{file} holds a key that cannot be used: {problem} (use ECDSA P-256 or P-384, Ed25519, or RSA)")]
    UnusableKey {
        /// The role and path of the file.
        file: String,
        /// What the crypto library said.
        problem: String,
    },
    /// A key of another certificate.
    #[error("{key} does not belong to {certificate}: give the two that were issued together")]
    KeyMismatch {
        /// The role and path of the key.
        key: String,
        /// The role and path of the certificate.
        certificate: String,
    },
    /// A certificate that serves one direction only.
    #[error("{file} cannot be used in both directions: issue it for serverAuth and clientAuth")]
    OneDirection {
        /// The role and path of the file.
        file: String,
    },
    /// A certificate with names out of bounds.
    #[error("{file}: {source}")]
    Names {
        /// The role and path of the file.
        file: String,
        /// The bound that is passed.
        source: NamesError,
    },
    /// A certificate without the names of the cluster.
    #[error(
        "{file} is not for a member of {cluster}: it names {names}, and needs {cluster}.cluster with \
         NODE.{cluster}.cluster or *.{cluster}.cluster"
    )]
    OtherCluster {
        /// The role and path of the file.
        file: String,
        /// The cluster that it should be for.
        cluster: ClusterName,
        /// The names that it carries.
        names: String,
    },
    /// A certificate of another node.
    #[error("{file} is not for the node {node}: it needs {node}.{cluster}.cluster or *.{cluster}.cluster")]
    OtherNode {
        /// The role and path of the file.
        file: String,
        /// The node that it should be for.
        node: NodeId,
        /// The cluster that it is for.
        cluster: ClusterName,
    },
    /// Anything else that the TLS library refuses.
    #[error("the TLS identity cannot be used: {problem}")]
    Unusable {
        /// What the library said.
        problem: String,
    },
}

impl IdentityError {
    pub(super) fn other_cluster(file: &str, cluster: &ClusterName, names: &CertifiedNames) -> Self {
        let mut listed: Vec<&str> = names.iter().collect();
        if listed.is_empty() {
            listed.push("nothing");
        }
        Self::OtherCluster { file: file.to_owned(), cluster: cluster.clone(), names: listed.join(", ") }
    }
}

/// The files of a TLS identity, all PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The node's certificate, followed by its intermediates if there are any.
    pub certificate: PathBuf,
    /// The private key of that certificate, not encrypted.
    pub key: PathBuf,
    /// The certificates of the authorities whose members are let in; several during a rotation.
    pub authorities: Vec<PathBuf>,
}

impl TlsFiles {
    /// Reads the files; blocks.
    pub(super) fn read(&self) -> Result<PemSet, IdentityError> {
        Ok(PemSet {
            certificate: Pem::read("certificate", &self.certificate)?,
            key: Pem::read("key", &self.key)?,
            authorities: self
                .authorities
                .iter()
                .map(|path| Pem::read("authorities", path))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The texts of a TLS identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PemSet {
    pub(super) certificate: Pem,
    pub(super) key: Pem,
    pub(super) authorities: Vec<Pem>,
}

/// One PEM text and what to call it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pem {
    pub(super) name: String,
    /// Wiped when it is dropped: it may be a private key.
    text: Zeroizing<Vec<u8>>,
}

impl Pem {
    pub(super) fn new(name: &str, text: &[u8]) -> Self {
        Self { name: name.to_owned(), text: Zeroizing::new(text.to_vec()) }
    }

    fn read(role: &str, path: &Path) -> Result<Self, IdentityError> {
        let name = format!("the {role} file {}", path.display());
        let mut text = Zeroizing::new(Vec::new());
        let read = File::open(path).and_then(|file| {
            // A buffer that grows would leave copies behind.
            let length = usize::try_from(file.metadata()?.len().min(MAX_PEM)).unwrap_or_default();
            text.reserve_exact(length.saturating_add(1));
            file.take(MAX_PEM + 1).read_to_end(&mut text)
        });
        match read {
            Ok(length) if length as u64 > MAX_PEM => Err(IdentityError::TooLarge { file: name }),
            Ok(_) => Ok(Self { name, text }),
            Err(source) => Err(IdentityError::Read { file: name, source }),
        }
    }

    /// All certificates in the text, at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(&self.text)
            .collect::<Result<_, _>>()
            .map_err(|error| self.damaged(syntax(&error)))?;
        if found.is_empty() { Err(self.missing("certificate", "CERTIFICATE")) } else { Ok(found) }
    }

    /// The first private key in the text.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, IdentityError> {
        PrivateKeyDer::from_pem_slice(&self.text).map_err(|error| match error {
            pem::Error::NoItemsFound => self.missing("unencrypted private key", "PRIVATE KEY"),
            other => self.damaged(syntax(&other)),
        })
    }

    /// The text is PEM, but what is in it is not what it says.
    pub(super) fn damaged(&self, problem: impl fmt::Display) -> IdentityError {
        IdentityError::Damaged { file: self.name.clone(), problem: problem.to_string() }
    }

    fn missing(&self, wanted: &'static str, marker: &'static str) -> IdentityError {
        IdentityError::Missing { file: self.name.clone(), wanted, marker }
    }
}

/// What is wrong with a PEM text, without a word of it: it may be a private key.
fn syntax(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("it ends before \"-----END {}-----\"", String::from_utf8_lossy(end_marker))
        }
        pem::Error::IllegalSectionStart { .. } => "a line that begins with ----- is incomplete".to_owned(),
        other => other.to_string(),
    }
}

impl fmt::Debug for Pem {
    /// Without the text: it may be a private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.text.len())
    }
}
