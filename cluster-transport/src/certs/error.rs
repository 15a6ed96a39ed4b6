//! What can go wrong with certificate files.

use std::io;
use std::path::PathBuf;

/// Why certificates could not be made, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertsError {
    /// A file that exists is left alone.
    #[error("{} exists already: remove it, choose another folder, or ask for it to be overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder that cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that does not hold what it should.
    #[error("{} cannot be used: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A key of another authority.
    #[error("{} is not the key of {}: give the two that were made together", key.display(), certificate.display())]
    KeyMismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the authority's certificate.
        certificate: PathBuf,
    },
    /// A certificate that may not issue others.
    #[error("{} is not the certificate of an authority: it may not issue others", path.display())]
    NotAnAuthority {
        /// The file.
        path: PathBuf,
    },
    /// An authority whose time is over.
    #[error("{} expired {days} days ago: nobody would believe what it issues; make a new authority", path.display())]
    Expired {
        /// The file of its certificate.
        path: PathBuf,
        /// How many days ago.
        days: u64,
    },
    /// The certificate of another authority is where that of this one belongs.
    #[error(
        "{} is the certificate of another authority: choose another folder, or ask for it to be overwritten", path.display()
    )]
    OtherAuthority {
        /// The file.
        path: PathBuf,
    },
    /// The crypto library failed.
    #[error("cannot make a certificate: {0}")]
    Generate(#[from] rcgen::Error),
}
