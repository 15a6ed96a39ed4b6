//! What an error of an established link means.

use std::io;

use crate::tls::TlsFault;

/// Why a link failed, each shown as what the peer did, so that it reads on after the peer's address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkFault {
    /// TLS ended it; before the peer's first bytes this is where a refused certificate shows.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// The peer ended it, as a leaving or a killed process does.
    #[error("closed the connection")]
    Closed,
    /// The peer's machine, or one on the way, broke it off.
    #[error("reset the connection")]
    Reset,
    /// Anything else that the system reports.
    #[error("is out of reach: {0}")]
    Io(io::Error),
}

impl From<io::Error> for LinkFault {
    fn from(error: io::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(fault) => return fault,
            Err(error) => error,
        };
        if let Some(fault) = TlsFault::of(&error) {
            return Self::Tls(fault);
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::WriteZero => Self::Reset,
            _ => Self::Io(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_link_reads_on_after_the_peers_address() {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA);
        for (error, shown) in [
            (
                io::Error::new(io::ErrorKind::InvalidData, alert),
                "refused our certificate: no authority that it trusts has issued it",
            ),
            (io::ErrorKind::UnexpectedEof.into(), "closed the connection"),
            (io::ErrorKind::ConnectionReset.into(), "reset the connection"),
            (io::ErrorKind::BrokenPipe.into(), "reset the connection"),
            (io::Error::other("no route"), "is out of reach: no route"),
        ] {
            assert_eq!(LinkFault::from(error).to_string(), shown);
        }
    }
}
