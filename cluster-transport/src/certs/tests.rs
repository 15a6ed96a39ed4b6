use tempfile::tempdir;
use tokio::time::Instant;

use super::*;
use crate::link::tcp::{Listener, connect};
use crate::proto::Address;
use crate::proto::address::Scheme;
use crate::tls::{Tls, TlsIdentity};

fn prod() -> ClusterName {
    "prod".parse().unwrap()
}

fn names(identity: &TlsIdentity) -> Vec<String> {
    identity.names().iter().map(str::to_owned).collect()
}

#[test]
fn a_saved_pair_loads_as_the_identity_of_its_node() {
    let folder = tempdir().unwrap();
    let authority = Authority::new(&prod()).unwrap();
    authority.save(folder.path(), Overwrite::Refuse).unwrap();
    let files =
        authority.issue(&"a".parse().unwrap()).unwrap().save(folder.path(), Overwrite::Refuse).unwrap();
    let identity = TlsIdentity::load(&files).unwrap();
    assert_eq!(names(&identity), ["a.prod.cluster", "prod.cluster"]);
    let tls = Tls::new(identity, &prod()).unwrap();
    assert_eq!(tls.node_id().unwrap().as_str(), "a");
    assert_eq!(tls.days_to_expiry(SystemTime::now()), 824);
}

#[test]
fn a_shared_certificate_is_for_any_node() {
    let authority = Authority::new(&prod()).unwrap();
    let shared = authority.issue_shared().unwrap();
    let identity = TlsIdentity::from_pem(
        shared.certificate_pem().as_bytes(),
        shared.key_pem().as_bytes(),
        authority.certificate_pem().as_bytes(),
    )
    .unwrap();
    assert_eq!(names(&identity), ["*.prod.cluster", "prod.cluster"]);
    let tls = Tls::new(identity, &prod()).unwrap();
    assert_eq!(tls.node_id(), None);
    tls.require_node(&"any".parse().unwrap()).unwrap();
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_keys() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempdir().unwrap();
    let authority = Authority::new(&prod()).unwrap();
    let issued = authority.issue(&"a".parse().unwrap()).unwrap();
    for overwrite in [Overwrite::Refuse, Overwrite::Replace] {
        authority.save(folder.path(), overwrite).unwrap();
        issued.save(folder.path(), overwrite).unwrap();
        for key in ["ca-key.pem", "a-key.pem"] {
            let mode = std::fs::metadata(folder.path().join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{key} after {overwrite:?}");
        }
    }
}

#[test]
fn nothing_is_overwritten_unless_it_is_asked_for() {
    let folder = tempdir().unwrap();
    let key = folder.path().join("a-key.pem");
    let certificate = folder.path().join("a.pem");
    std::fs::write(&certificate, "mine").unwrap();
    let issued = Authority::new(&prod()).unwrap().issue(&"a".parse().unwrap()).unwrap();

    let error = issued.save(folder.path(), Overwrite::Refuse).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{} exists already: remove it, choose another folder, or ask for it to be overwritten",
            certificate.display()
        )
    );
    assert_eq!(std::fs::read_to_string(&certificate).unwrap(), "mine");
    assert!(!key.exists(), "half a pair was written");

    issued.save(folder.path(), Overwrite::Replace).unwrap();
    assert_eq!(std::fs::read_to_string(&certificate).unwrap(), issued.certificate_pem());
    assert_eq!(std::fs::read_to_string(&key).unwrap(), issued.key_pem());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "a draft was left behind");
}

#[tokio::test]
async fn members_with_own_and_shared_certificates_meet() {
    let authority = Authority::new(&prod()).unwrap();
    let member = |issued: &Issued| {
        let (certificate, key) = (issued.certificate_pem().as_bytes(), issued.key_pem().as_bytes());
        let identity =
            TlsIdentity::from_pem(certificate, key, authority.certificate_pem().as_bytes()).unwrap();
        Tls::new(identity, &prod()).unwrap()
    };
    let a: NodeId = "a".parse().unwrap();
    let own = member(&authority.issue(&a).unwrap());
    let shared = member(&authority.issue_shared().unwrap());
    let mut listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let local = listener.local_addr();
    let address = Address::from_ip(Scheme::Tcp, local.ip(), local.port());
    let deadline = Instant::now() + Duration::from_secs(20);
    for (dialler, acceptor) in [(&own, &shared), (&shared, &own)] {
        let (dialled, accepted) = tokio::join!(connect(&address, Some(dialler), deadline), async {
            listener.accept().await.secure(Some(acceptor), deadline).await
        });
        for link in [dialled.unwrap(), accepted.unwrap()] {
            assert!(link.info.identity.permits(&prod(), &a), "{link:?}");
        }
    }
}

#[test]
fn a_loaded_authority_issues_for_the_members_that_trust_it() {
    let folder = tempdir().unwrap();
    Authority::new(&prod()).unwrap().save(folder.path(), Overwrite::Refuse).unwrap();
    let loaded = Authority::load(&prod(), folder.path()).unwrap();
    let files = loaded.issue(&"b".parse().unwrap()).unwrap().save(folder.path(), Overwrite::Refuse).unwrap();
    let leaf = std::fs::read(&files.certificate).unwrap();
    let authority = std::fs::read(folder.path().join("ca.pem")).unwrap();
    let (_, leaf) = x509_parser::pem::parse_x509_pem(&leaf).unwrap();
    let (_, authority) = x509_parser::pem::parse_x509_pem(&authority).unwrap();
    let (leaf, authority) = (leaf.parse_x509().unwrap(), authority.parse_x509().unwrap());
    assert_eq!(leaf.issuer(), authority.subject());
    leaf.verify_signature(Some(authority.public_key())).unwrap();
}

#[test]
fn an_authority_that_cannot_issue_is_refused_by_name() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let load = || Authority::load(&prod(), folder.path()).map(|_| ()).unwrap_err();

    assert!(matches!(load(), CertsError::Read { path: missing, .. } if missing == path("ca.pem")));

    let (one, other) = (Authority::new(&prod()).unwrap(), Authority::new(&prod()).unwrap());
    one.save(folder.path(), Overwrite::Refuse).unwrap();
    std::fs::write(path("ca.pem"), other.certificate_pem()).unwrap();
    assert!(matches!(load(), CertsError::KeyMismatch { key, .. } if key == path("ca-key.pem")));

    let node = one.issue(&"a".parse().unwrap()).unwrap();
    std::fs::write(path("ca.pem"), node.certificate_pem()).unwrap();
    assert!(matches!(load(), CertsError::NotAnAuthority { path: named } if named == path("ca.pem")));

    std::fs::write(path("ca-key.pem"), "half a k").unwrap();
    assert!(matches!(load(), CertsError::Damaged { path: named, .. } if named == path("ca-key.pem")));
}

#[test]
fn certificates_of_a_known_authority_come_with_its_own_and_without_its_key() {
    let (home, out) = (tempdir().unwrap(), tempdir().unwrap());
    Authority::new(&prod()).unwrap().save(home.path(), Overwrite::Refuse).unwrap();
    for named in [home.path().to_owned(), home.path().join("ca.pem")] {
        let authority = Authority::load(&prod(), &named).unwrap();
        let issued = [authority.issue(&"a".parse().unwrap()).unwrap()];
        let saved =
            authority.save_with(out.path(), Overwrite::Replace, Includes::Certificate, &issued).unwrap();
        TlsIdentity::load(&saved[0]).unwrap();
        assert!(!out.path().join("ca-key.pem").exists());
    }
}

#[test]
fn where_one_file_is_in_the_way_none_is_written() {
    let (home, out) = (tempdir().unwrap(), tempdir().unwrap());
    let authority = Authority::new(&prod()).unwrap();
    authority.save(home.path(), Overwrite::Refuse).unwrap();
    let issued = ["a", "b"].map(|node| authority.issue(&node.parse().unwrap()).unwrap());
    let save = || authority.save_with(out.path(), Overwrite::Refuse, Includes::Certificate, &issued);
    let files = || std::fs::read_dir(out.path()).unwrap().count();

    std::fs::write(out.path().join("b.pem"), "mine").unwrap();
    assert!(matches!(save(), Err(CertsError::Exists { path }) if path.ends_with("b.pem")));
    assert_eq!(files(), 1);

    std::fs::remove_file(out.path().join("b.pem")).unwrap();
    std::fs::write(out.path().join("ca.pem"), "theirs").unwrap();
    assert!(matches!(save(), Err(CertsError::OtherAuthority { path }) if path.ends_with("ca.pem")));
    assert_eq!(files(), 1);
}

#[test]
fn an_authority_that_has_expired_is_refused_and_one_that_ends_soon_issues_for_as_long() {
    use rcgen::date_time_ymd;

    let folder = tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut save = |not_after: SystemTime| {
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), not_after.into());
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(folder.path().join("ca-key.pem"), key.serialize_pem()).unwrap();
        Authority::load(&prod(), folder.path())
    };
    let days = |days: u64| Duration::from_secs(days * DAY);
    let error = save(SystemTime::now() - days(3) - Duration::from_secs(60)).unwrap_err();
    assert!(matches!(error, CertsError::Expired { days: 3, .. }), "{error}");

    let authority = save(SystemTime::now() + days(10) + Duration::from_secs(60)).unwrap();
    let saved =
        authority.issue(&"a".parse().unwrap()).unwrap().save(folder.path(), Overwrite::Refuse).unwrap();
    let tls = Tls::new(TlsIdentity::load(&saved).unwrap(), &prod()).unwrap();
    assert_eq!(tls.days_to_expiry(SystemTime::now()), 10);
}
