//! Certificate files: replaced as a whole, keys for their owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{KeyPair, PublicKeyData};
use x509_parser::pem::parse_x509_pem;

use super::{AUTHORITY_FILE, AUTHORITY_KEY_FILE, CertsError, DAY};

/// Whether a file that exists already may be written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Leave it alone and fail; nothing is written then.
    Refuse,
    /// Replace it, as a whole.
    Replace,
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Owner,
    All,
}

/// A file to write.
pub(super) struct Written {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) access: Access,
}

pub(super) fn read(path: &Path) -> Result<String, CertsError> {
    fs::read_to_string(path).map_err(|source| CertsError::Read { path: path.to_owned(), source })
}

/// The files of an authority that is named by its folder, or by the file of its certificate.
pub(super) fn of_authority(path: &Path) -> (PathBuf, PathBuf) {
    if !path.is_file() {
        return (path.join(AUTHORITY_FILE), path.join(AUTHORITY_KEY_FILE));
    }
    let mut key = path.file_stem().unwrap_or_default().to_owned();
    key.push("-key.pem");
    (path.to_owned(), path.with_file_name(key))
}

/// Whether a file holds this text already.
///
/// # Errors
/// When it holds another one, and may not be replaced.
pub(super) fn is_there(
    folder: &Path,
    overwrite: Overwrite,
    name: &str,
    text: &str,
) -> Result<bool, CertsError> {
    let path = folder.join(name);
    match fs::read(&path) {
        Ok(found) if found == text.as_bytes() => Ok(true),
        Ok(_) if overwrite == Overwrite::Refuse => Err(CertsError::OtherAuthority { path }),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(CertsError::Read { path, source }),
    }
}

/// Writes files that belong together, none of them if one is there that may not be replaced.
pub(super) fn write_all(folder: &Path, overwrite: Overwrite, files: &[Written]) -> Result<(), CertsError> {
    fs::create_dir_all(folder).map_err(|source| CertsError::Write { path: folder.to_owned(), source })?;
    if overwrite == Overwrite::Refuse
        && let Some(path) = files.iter().map(|file| folder.join(&file.name)).find(|path| path.exists())
    {
        return Err(CertsError::Exists { path });
    }
    files.iter().try_for_each(|file| write(&folder.join(&file.name), overwrite, file))
}

fn write(path: &Path, overwrite: Overwrite, file: &Written) -> Result<(), CertsError> {
    let written = match overwrite {
        Overwrite::Refuse => create(path, file),
        Overwrite::Replace => replace(path, file),
    };
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => CertsError::Exists { path: path.to_owned() },
        _ => CertsError::Write { path: path.to_owned(), source },
    })
}

/// Writes the file beside its place and moves it there, so that a node that watches it never sees half of it.
fn replace(path: &Path, file: &Written) -> io::Result<()> {
    let draft = path.with_added_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => create(&draft, file)?,
    }
    fs::rename(&draft, path)
}

/// Writes a file that must not exist yet, with its access from the first moment.
fn create(path: &Path, file: &Written) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(match file.access {
            Access::Owner => 0o600,
            Access::All => 0o644,
        });
    }
    options.open(path)?.write_all(file.text.as_bytes())
}

/// Checks that a certificate may issue others still and that the key is its own. When it ends.
pub(super) fn check_authority(
    path: &Path,
    pem: &str,
    key_path: &Path,
    key: &KeyPair,
) -> Result<SystemTime, CertsError> {
    let damaged = |problem: String| CertsError::Damaged { path: path.to_owned(), problem };
    let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|error| damaged(error.to_string()))?;
    let certificate = block.parse_x509().map_err(|error| damaged(error.to_string()))?;
    if !certificate.is_ca() {
        return Err(CertsError::NotAnAuthority { path: path.to_owned() });
    }
    if certificate.public_key().raw != key.subject_public_key_info() {
        return Err(CertsError::KeyMismatch { key: key_path.to_owned(), certificate: PathBuf::from(path) });
    }
    let seconds = certificate.validity().not_after.timestamp();
    let not_after = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    match SystemTime::now().duration_since(not_after) {
        Ok(since) => Err(CertsError::Expired { path: path.to_owned(), days: since.as_secs() / DAY }),
        Err(_) => Ok(not_after),
    }
}
