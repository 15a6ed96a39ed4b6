//! What an error of a QUIC connection means.

use std::io;

use quinn::{ConnectionError, ReadError, TransportErrorCode, WriteError};

use crate::link::LinkFault;
use crate::tls::{TlsFault, Witness};

impl From<ConnectionError> for LinkFault {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(_) | ConnectionError::LocallyClosed => Self::Closed,
            ConnectionError::Reset => Self::Reset,
            ConnectionError::TimedOut => Self::Io(io::ErrorKind::TimedOut.into()),
            ConnectionError::ConnectionClosed(close) => match alert(close.error_code) {
                Some(alert) => Self::Tls(TlsFault::of_received_alert(alert)),
                None => Self::Io(io::Error::other(close.to_string())),
            },
            ConnectionError::TransportError(error) => match alert(error.code) {
                Some(alert) => Self::Tls(TlsFault::of_own_alert(alert, &error.reason)),
                None => Self::Io(io::Error::other(error)),
            },
            other => Self::Io(io::Error::other(other)),
        }
    }
}

/// Why a handshake failed. Of the peer's certificate the witness knows more than QUIC tells.
pub(super) fn of_handshake(error: ConnectionError, witness: &Witness) -> LinkFault {
    witness.refusal().map_or_else(|| error.into(), LinkFault::Tls)
}

/// Whether the acceptor takes no more handshakes just now.
pub(super) fn is_busy(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::ConnectionClosed(close) if close.error_code == TransportErrorCode::CONNECTION_REFUSED)
}

/// As an error of a byte stream; [`LinkFault::from`] finds the fault in it again.
pub(super) fn of_read(error: ReadError) -> io::Error {
    match error {
        ReadError::ConnectionLost(error) => into_io(error.into()),
        ReadError::Reset(_) => into_io(LinkFault::Reset),
        other => io::Error::other(other),
    }
}

/// As an error of a byte stream; [`LinkFault::from`] finds the fault in it again.
pub(super) fn of_write(error: WriteError) -> io::Error {
    match error {
        WriteError::ConnectionLost(error) => into_io(error.into()),
        WriteError::Stopped(_) | WriteError::ClosedStream => into_io(LinkFault::Closed),
        other => io::Error::other(other),
    }
}

/// As an error of a byte stream; [`LinkFault::from`] finds the fault in it again.
pub(super) fn of_connection(error: ConnectionError) -> io::Error {
    into_io(error.into())
}

fn into_io(fault: LinkFault) -> io::Error {
    match fault {
        LinkFault::Closed => io::ErrorKind::UnexpectedEof.into(),
        LinkFault::Reset => io::ErrorKind::ConnectionReset.into(),
        LinkFault::Io(error) => error,
        fault @ LinkFault::Tls(_) => io::Error::other(fault),
    }
}

/// The TLS alert that an error code stands for (RFC 9001, section 4.8).
fn alert(code: TransportErrorCode) -> Option<u8> {
    u64::from(code).checked_sub(0x100).and_then(|alert| u8::try_from(alert).ok())
}
