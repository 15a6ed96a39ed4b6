//! Why a TLS handshake failed, and through whom.

use std::io;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// The most names of a refused certificate that are listed.
const MAX_LISTED: usize = 4;

/// Why a TLS handshake failed. Each is shown as what the peer did, so that it reads on after the peer's address.
///
/// Under TLS 1.3 a dialler has finished its handshake before the acceptor judges its certificate: a refusal
/// ([`RefusedOurs`](Self::RefusedOurs)) is seen at the first read of the link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// The peer judged our certificate: this node has to change, or the peer's list of authorities.
    #[error("refused our certificate: {0}")]
    RefusedOurs(&'static str),
    /// We judged the peer's certificate: the peer has to change, or our list of authorities.
    #[error("presented a certificate that we refuse: {0}")]
    BadPeer(String),
    /// The peer is not a member, or dropped its TLS settings.
    #[error("presented no certificate")]
    NoCertificate,
    /// The peer's bytes are not TLS.
    #[error("does not speak TLS: is it a node without TLS settings?")]
    NotTls,
    /// The peer speaks TLS, but something else within it.
    #[error("speaks TLS, but not the cluster protocol within it")]
    OtherProtocol,
    /// The peer went away.
    #[error("closed the connection during the TLS handshake")]
    Closed,
    /// Anything else.
    #[error("failed the TLS handshake: {0}")]
    Other(String),
}

impl TlsFault {
    /// The fault behind an error of a TLS link; `None` if it is no error of TLS.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Error>().map(Self::of_tls)
    }

    /// The fault behind an error of a handshake, where an early end of the stream is one too; else the error itself.
    pub(crate) fn of_handshake(error: io::Error) -> Result<Self, io::Error> {
        match Self::of(&error) {
            Some(fault) => Ok(fault),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Self::Closed),
            None => Err(error),
        }
    }

    /// Our own TLS settings do not make a connection.
    pub(super) fn unusable(error: impl std::fmt::Display) -> Self {
        Self::Other(format!("our TLS settings cannot be used: {error}"))
    }

    /// The fault behind a QUIC handshake that this side ended with an alert, if no certificate was refused.
    pub(crate) fn of_own_alert(alert: u8, reason: &str) -> Self {
        match AlertDescription::from(alert) {
            AlertDescription::CertificateRequired => Self::NoCertificate,
            AlertDescription::NoApplicationProtocol => Self::OtherProtocol,
            _ => Self::Other(reason.to_owned()),
        }
    }

    /// The fault behind a QUIC connection that the peer ended with an alert.
    pub(crate) fn of_received_alert(alert: u8) -> Self {
        Self::of_alert(alert.into())
    }

    pub(super) fn of_tls(error: &Error) -> Self {
        match error {
            Error::AlertReceived(alert) => Self::of_alert(*alert),
            Error::InvalidCertificate(reason) => Self::BadPeer(refusal(reason)),
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::NoApplicationProtocol => Self::OtherProtocol,
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls,
            other => Self::Other(other.to_string()),
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        use AlertDescription as Alert;
        Self::RefusedOurs(match alert {
            Alert::UnknownCA => "no authority that it trusts has issued it",
            Alert::CertificateExpired => "by its clock it has expired or is not valid yet",
            Alert::CertificateRevoked => "it is revoked",
            Alert::CertificateRequired | Alert::NoCertificate => "it saw none",
            Alert::BadCertificate => "it is not for a member of its cluster",
            Alert::UnsupportedCertificate => "it is not meant for this use",
            Alert::AccessDenied | Alert::CertificateUnknown => "it gave no further reason",
            Alert::DecryptError => "the signature does not match it",
            Alert::NoApplicationProtocol => return Self::OtherProtocol,
            other => return Self::Other(format!("it ended it with the alert {other:?}")),
        })
    }
}

/// Why we refuse a certificate, in words for an operator.
fn refusal(reason: &CertificateError) -> String {
    match reason {
        CertificateError::UnknownIssuer => "no authority that we trust has issued it".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => {
            format!("by our clock it expired {} ago", distance(*not_after, *time))
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("by our clock it is not valid for another {}", distance(*time, *not_before))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().take(MAX_LISTED).map(String::as_str).collect();
            format!("it is not for {} but for [{}]", expected.to_str(), names.join(", "))
        }
        CertificateError::BadSignature => {
            "an authority of the right name but with another key has issued it".to_owned()
        }
        CertificateError::InvalidPurposeContext { .. } => {
            "it is not meant for this use: it needs serverAuth and clientAuth".to_owned()
        }
        other => other.to_string(),
    }
}

fn distance(earlier: UnixTime, later: UnixTime) -> String {
    let seconds = later.as_secs().saturating_sub(earlier.as_secs());
    match seconds / 3600 {
        0 => format!("{seconds} seconds"),
        hours @ 1..48 => format!("{hours} hours"),
        hours => format!("{} days", hours / 24),
    }
}
