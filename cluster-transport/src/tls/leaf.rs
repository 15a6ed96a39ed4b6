//! What is read out of an end-entity certificate: names, validity, and whether it serves both directions.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::proto::CertifiedNames;
use crate::proto::credentials::NamesError;

/// A certificate that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LeafError {
    #[error("the certificate cannot be read: {0}")]
    Encoding(String),
    #[error(transparent)]
    Names(#[from] NamesError),
}

impl From<X509Error> for LeafError {
    fn from(error: X509Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

/// The facts of an end-entity certificate.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) names: CertifiedNames,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
    /// Good for serving and for dialling, as far as it restricts its use at all.
    pub(super) both_directions: bool,
}

impl Leaf {
    pub(super) fn parse(certificate: &CertificateDer<'_>) -> Result<Self, LeafError> {
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|error| LeafError::Encoding(error.to_string()))?;
        let usage = parsed.extended_key_usage()?;
        Ok(Self {
            names: dns_names(&parsed)?,
            not_before: time(parsed.validity().not_before.timestamp()),
            not_after: time(parsed.validity().not_after.timestamp()),
            both_directions: usage.is_none_or(|usage| usage.value.server_auth && usage.value.client_auth),
        })
    }
}

fn dns_names(certificate: &X509Certificate<'_>) -> Result<CertifiedNames, LeafError> {
    let alternatives = certificate.subject_alternative_name()?;
    let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    let dns = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    Ok(CertifiedNames::new(dns)?)
}

/// A time of a certificate, in seconds since 1970; what is out of the system's range is 1970.
fn time(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let time = if seconds < 0 { epoch.checked_sub(distance) } else { epoch.checked_add(distance) };
    time.unwrap_or(epoch)
}
