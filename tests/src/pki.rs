//! Certificates of a throw-away authority, good and bad ones.

use std::path::PathBuf;

use cluster_transport::certs::{Authority, Overwrite};
use cluster_transport::proto::ClusterName;
use cluster_transport::tls::TlsFiles;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::Setup;

/// An authority, and the folder that its files are in for as long as this value lives.
#[derive(Debug)]
pub struct Pki {
    folder: TempDir,
    authority: Authority,
    cluster: ClusterName,
}

impl Pki {
    /// A new authority for this cluster.
    pub fn new(cluster: &str) -> Self {
        let cluster: ClusterName = cluster.parse().unwrap();
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new(&cluster).unwrap());
        authority.save(folder.path(), Overwrite::Refuse).unwrap();
        Self { folder, authority, cluster }
    }

    /// The same authority, issuing for another cluster.
    #[must_use]
    pub fn for_cluster(self, cluster: &str) -> Self {
        let cluster: ClusterName = cluster.parse().unwrap();
        let authority = Authority::load(&cluster, self.folder.path()).unwrap();
        Self { authority, cluster, ..self }
    }

    /// The file of the authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for this node.
    pub fn node(&self, name: &str) -> TlsFiles {
        let issued = self.authority.issue(&name.parse().unwrap()).unwrap();
        issued.save(self.folder.path(), Overwrite::Replace).unwrap()
    }

    /// A certificate for any node.
    pub fn shared(&self) -> TlsFiles {
        self.authority.issue_shared().unwrap().save(self.folder.path(), Overwrite::Replace).unwrap()
    }

    /// A certificate for this node that expired in 2001.
    pub fn expired(&self, name: &str) -> TlsFiles {
        self.dated(name, (1975, 2001))
    }

    /// A certificate for this node that is valid from 2090.
    pub fn not_yet_valid(&self, name: &str) -> TlsFiles {
        self.dated(name, (2090, 2095))
    }

    fn dated(&self, name: &str, (from, until): (i32, i32)) -> TlsFiles {
        let read = |file: &str| std::fs::read_to_string(self.folder.path().join(file)).unwrap();
        let key = KeyPair::from_pem(&read("ca-key.pem")).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&read("ca.pem"), key).unwrap();
        let cluster = &self.cluster;
        let names = [format!("{cluster}.cluster"), format!("{name}.{cluster}.cluster")];
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap().pem();
        let path = |file: &str| self.folder.path().join(format!("until-{until}-{name}{file}"));
        let files = TlsFiles {
            certificate: path(".pem"),
            key: path("-key.pem"),
            authorities: vec![self.authority()],
        };
        std::fs::write(&files.certificate, certificate).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

impl Setup {
    /// Uses mutual TLS with these files.
    #[must_use]
    pub fn with_tls(self, files: &TlsFiles) -> Self {
        let TlsFiles { certificate, key, authorities } = files.clone();
        self.with(|config| {
            config.tls_certificate(Some(certificate)).tls_key(Some(key)).tls_authorities(authorities)
        })
    }
}
