//! How links between members are secured.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ConfigError;
use super::settings::Settings;
use super::values::Plaintext;

/// How links between members are secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all; where that is allowed is said.
    Plaintext(Plaintext),
    /// By mutual TLS.
    Tls(TlsFiles),
}

/// The files of mutual TLS, all in PEM. Relative paths count from the directory that the process was started in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
    authorities: Arc<[PathBuf]>,
}

impl TlsFiles {
    /// The file with this node's certificate chain.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// The file with the key of this node's certificate.
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// The files with the authorities that members' certificates are signed by; at least one.
    pub fn authorities(&self) -> &[PathBuf] {
        &self.authorities
    }
}

impl Security {
    /// Takes all files or none, and no plaintext beside TLS.
    pub(super) fn of(settings: &Settings) -> Result<Self, ConfigError> {
        let authorities = settings.tls_authorities.value();
        match (settings.tls_certificate.value(), settings.tls_key.value()) {
            (None, None) if authorities.is_empty() => Ok(Self::Plaintext(settings.plaintext.value)),
            (Some(_), Some(_)) if settings.plaintext.value == Plaintext::DangerousAnywhere => {
                Err(ConfigError::TlsContradiction { given_by: settings.plaintext.source.clone() })
            }
            (Some(certificate), Some(key)) if !authorities.is_empty() => {
                Ok(Self::Tls(TlsFiles { certificate, key, authorities }))
            }
            (certificate, key) => {
                let given = [
                    ("certificate", certificate.is_some()),
                    ("key", key.is_some()),
                    ("authorities", !authorities.is_empty()),
                ];
                let missing: Vec<_> =
                    given.iter().filter(|(_, given)| !given).map(|(name, _)| *name).collect();
                Err(ConfigError::TlsIncomplete { missing: missing.join(" and ") })
            }
        }
    }
}
