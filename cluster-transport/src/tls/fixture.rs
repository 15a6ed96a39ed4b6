//! Certificates for tests, good and bad.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::{Tls, TlsIdentity};
use crate::proto::ClusterName;

/// The cluster of the tests.
pub(crate) fn prod() -> ClusterName {
    "prod".parse().unwrap()
}

/// A throw-away authority.
pub(crate) struct TestAuthority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, as PEM.
pub(crate) struct TestPair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl TestAuthority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // Two authorities of one name could not be told apart before the signature is checked.
        params
            .distinguished_name
            .push(DnType::CommonName, format!("test {:02x?}", &key.public_key_raw()[1..9]));
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A pair for these DNS names, valid for the time being, after `change`.
    pub(crate) fn issue_changed(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> TestPair {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        TestPair { certificate, key: key.serialize_pem() }
    }

    pub(crate) fn issue(&self, names: &[&str]) -> TestPair {
        self.issue_changed(names, |_| {})
    }

    /// A pair that expired in 2001.
    pub(crate) fn issue_expired(&self, names: &[&str]) -> TestPair {
        self.issue_changed(names, |params| params.not_after = date_time_ymd(2001, 1, 1))
    }

    /// A member of the cluster of the tests.
    pub(crate) fn node(&self, id: &str) -> Tls {
        self.member(&self.issue(&["prod.cluster", &format!("{id}.prod.cluster")]))
    }

    pub(crate) fn member(&self, pair: &TestPair) -> Tls {
        Tls::new(self.identity(pair), &prod()).unwrap()
    }

    pub(crate) fn identity(&self, pair: &TestPair) -> TlsIdentity {
        TlsIdentity::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes(), self.pem.as_bytes()).unwrap()
    }
}
