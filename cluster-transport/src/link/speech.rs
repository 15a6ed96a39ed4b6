//! What a stranger speaks, told from its first bytes.
//!
//! A frame begins with its length in four bytes and is at most 4 KiB before the handshake is done, so its first byte is
//! 0; that of a life line is 1. A TLS record begins with its content type, 20 to 23, and the major version 3. One byte tells these from text.

/// The longest text that [`Speech::of`] looks at, in bytes.
pub const MAX_FIRST_BYTES: usize = 8;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// Frames of this protocol.
    Cluster,
    /// TLS records.
    Tls,
    /// The end of a QUIC session that is watched over TCP.
    LifeLine,
    /// An HTTP request.
    Http,
    /// Something else, or too little of it to tell.
    Other,
}

impl Speech {
    /// What these first bytes are; one is enough for all but HTTP, eight for every
    /// method of that.
    pub fn of(first: &[u8]) -> Self {
        match first {
            [0, ..] => Self::Cluster,
            [1, ..] => Self::LifeLine,
            [20..=23] | [20..=23, 3, ..] => Self::Tls,
            text if METHODS.iter().any(|method| text.starts_with(method)) => Self::Http,
            _ => Self::Other,
        }
    }
}

/// How an HTTP request begins; PRI opens a connection of HTTP/2.
const METHODS: [&[u8]; 10] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"PRI ",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_who_is_there() {
        for (first, speech) in [
            (&[0, 0, 1, 0, 1][..], Speech::Cluster),
            (&[0], Speech::Cluster),
            (&[1], Speech::LifeLine),
            (&[22], Speech::Tls),
            (&[22, 3, 1, 2, 0], Speech::Tls),
            (&[21, 3, 3, 0, 2, 2, 40], Speech::Tls),
            (&[22, 22, 22], Speech::Other),
            (b"GET / HT", Speech::Http),
            (b"OPTIONS ", Speech::Http),
            (b"GETAWAY ", Speech::Other),
            (b"G", Speech::Other),
            (b"SSH-2.0-", Speech::Other),
            (&[255; 8], Speech::Other),
            (&[], Speech::Other),
        ] {
            assert_eq!(Speech::of(first), speech, "{first:?}");
        }
    }

    #[test]
    fn no_method_is_longer_than_what_is_looked_at() {
        assert!(METHODS.iter().all(|method| method.len() <= MAX_FIRST_BYTES));
    }
}
