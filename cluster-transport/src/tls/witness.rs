//! Remembers why a certificate was refused.
//!
//! QUIC reports a refusal as the number of an alert and a text. What an operator needs (by how much it has expired, which
//! names it carries) is in the verifier's answer, so a witness stands beside the stock verifier and keeps that. It never
//! changes an answer.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::fault::TlsFault;

/// What the verifier of one connection said against the peer's certificate, if it did. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness {
    refusal: Arc<Mutex<Option<TlsFault>>>,
}

impl Witness {
    /// Why the peer's certificate was refused.
    pub(crate) fn refusal(&self) -> Option<TlsFault> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn beside_server_verifier(
        &self,
        judge: Arc<dyn ServerCertVerifier>,
    ) -> Arc<dyn ServerCertVerifier> {
        Arc::new(Witnessed { judge, witness: self.clone() })
    }

    pub(super) fn beside_client_verifier(
        &self,
        judge: Arc<dyn ClientCertVerifier>,
    ) -> Arc<dyn ClientCertVerifier> {
        Arc::new(Witnessed { judge, witness: self.clone() })
    }

    fn hear<T>(&self, verdict: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &verdict {
            let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
            refusal.get_or_insert_with(|| TlsFault::of_tls(error));
        }
        verdict
    }
}

/// A verifier with a witness.
#[derive(Debug)]
struct Witnessed<J: ?Sized> {
    witness: Witness,
    judge: Arc<J>,
}

impl ServerCertVerifier for Witnessed<dyn ServerCertVerifier> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judge = &self.judge;
        let verdict = judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        self.witness.hear(verdict)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.witness.hear(self.judge.verify_tls12_signature(message, cert, signature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.witness.hear(self.judge.verify_tls13_signature(message, cert, signature))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.judge.root_hint_subjects()
    }
}

impl ClientCertVerifier for Witnessed<dyn ClientCertVerifier> {
    fn offer_client_auth(&self) -> bool {
        self.judge.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.judge.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.judge.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.witness.hear(self.judge.verify_client_cert(end_entity, intermediates, now))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.witness.hear(self.judge.verify_tls12_signature(message, cert, signature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.witness.hear(self.judge.verify_tls13_signature(message, cert, signature))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}
