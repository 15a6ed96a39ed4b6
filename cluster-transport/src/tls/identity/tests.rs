use std::path::Path;

use tempfile::{TempDir, tempdir};

use super::*;
use crate::tls::fixture::{TestAuthority, TestPair, prod};

struct Folder {
    folder: TempDir,
    files: TlsFiles,
}

impl Folder {
    /// A folder with the files of node a.
    fn new(authority: &TestAuthority) -> Self {
        let folder = tempdir().unwrap();
        let files = TlsFiles {
            certificate: folder.path().join("a.pem"),
            key: folder.path().join("a-key.pem"),
            authorities: vec![folder.path().join("ca.pem")],
        };
        let TestPair { certificate, key } = authority.issue(&["prod.cluster", "a.prod.cluster"]);
        std::fs::write(&files.certificate, certificate).unwrap();
        std::fs::write(&files.key, key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
        Self { folder, files }
    }

    fn error(&self) -> String {
        let shown = TlsIdentity::load(&self.files).unwrap_err().to_string();
        shown.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::write(path, text).unwrap();
}

#[test]
fn whole_files_load() {
    let folder = Folder::new(&TestAuthority::new());
    let identity = TlsIdentity::load(&folder.files).unwrap();
    assert_eq!(identity.names().node_id(&prod()).unwrap().as_str(), "a");
    assert!(identity.not_before() < identity.not_after());
}

#[test]
fn a_missing_file_is_named() {
    for (gone, shown) in [
        ("a.pem", "cannot read the certificate file a.pem: "),
        ("a-key.pem", "cannot read the key file a-key.pem: "),
        ("ca.pem", "cannot read the authorities file ca.pem: "),
    ] {
        let folder = Folder::new(&TestAuthority::new());
        std::fs::remove_file(folder.folder.path().join(gone)).unwrap();
        assert_eq!(
            folder.error(),
            format!("{shown}No such file or directory (os error 2) (check the path and its permissions)")
        );
    }
}

#[test]
fn a_file_without_the_wanted_item_is_named() {
    let folder = Folder::new(&TestAuthority::new());
    let key = std::fs::read(&folder.files.key).unwrap();
    let certificate = std::fs::read(&folder.files.certificate).unwrap();

    write(&folder.files.certificate, &key);
    assert_eq!(
        folder.error(),
        "the certificate file a.pem holds no certificate: it must be PEM text with a line \
         \"-----BEGIN CERTIFICATE-----\""
    );
    write(&folder.files.certificate, &certificate);
    write(&folder.files.key, &certificate);
    assert_eq!(
        folder.error(),
        "the key file a-key.pem holds no unencrypted private key: it must be PEM text with a line \
         \"-----BEGIN PRIVATE KEY-----\""
    );
    write(&folder.files.key, &key);
    write(&folder.files.authorities[0], "");
    assert_eq!(
        folder.error(),
        "the authorities file ca.pem holds no certificate: it must be PEM text with a line \
         \"-----BEGIN CERTIFICATE-----\""
    );
}

#[test]
fn a_certificate_cut_anywhere_is_refused() {
    let folder = Folder::new(&TestAuthority::new());
    let whole = std::fs::read(&folder.files.certificate).unwrap();
    let end = whole.len() - "-----\n".len();
    for length in (0..end).step_by(7) {
        write(&folder.files.certificate, &whole[..length]);
        assert!(TlsIdentity::load(&folder.files).is_err(), "{length} of {} bytes were taken", whole.len());
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let authority = TestAuthority::new();
    let folder = Folder::new(&authority);
    write(&folder.files.key, authority.issue(&["prod.cluster"]).key);
    assert_eq!(
        folder.error(),
        "the key file a-key.pem does not belong to the certificate file a.pem: give the two that were issued together"
    );
}

#[test]
fn a_certificate_for_one_direction_is_refused() {
    let authority = TestAuthority::new();
    let folder = Folder::new(&authority);
    let pair = authority.issue_changed(&["prod.cluster", "a.prod.cluster"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    write(&folder.files.certificate, pair.certificate);
    write(&folder.files.key, pair.key);
    assert_eq!(
        folder.error(),
        "the certificate file a.pem cannot be used in both directions: issue it for serverAuth and clientAuth"
    );
}

#[test]
fn a_file_too_large_is_not_read_to_its_end() {
    let folder = Folder::new(&TestAuthority::new());
    write(&folder.files.key, vec![b'\n'; 1024 * 1024 + 1]);
    assert_eq!(folder.error(), "the key file a-key.pem is larger than 1048576 bytes: is it the right file?");
}

#[test]
fn without_authorities_nobody_could_be_let_in() {
    let mut folder = Folder::new(&TestAuthority::new());
    folder.files.authorities.clear();
    assert!(matches!(TlsIdentity::load(&folder.files), Err(IdentityError::NoAuthorities)));
}

#[test]
fn a_key_is_never_shown() {
    let folder = Folder::new(&TestAuthority::new());
    let identity = TlsIdentity::load(&folder.files).unwrap();
    let key = std::fs::read_to_string(&folder.files.key).unwrap();
    let secret = key.lines().nth(1).unwrap();
    let shown = format!("{identity:?} {:?}", folder.files.read().unwrap());
    assert!(!shown.contains(secret) && !shown.contains("PRIVATE KEY"), "{shown}");
}
