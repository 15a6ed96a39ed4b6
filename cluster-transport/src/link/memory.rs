//! Links within one process, for tests and simulations of the parts above.

use super::{Link, LinkInfo, TransportKind};
use crate::proto::PeerIdentity;

/// The bytes that one direction holds before its writer waits.
const CAPACITY: usize = 256 * 1024;

/// Two ends of one link: what is written to one is read from the other, up to 256 KiB ahead.
pub fn pair() -> (Link, Link) {
    let (one, other) = tokio::io::duplex(CAPACITY);
    let info = LinkInfo {
        transport: TransportKind::Memory,
        identity: PeerIdentity::Plaintext,
        certificate_end: None,
        local: None,
        remote: None,
    };
    (Link::over(one, info.clone()), Link::over(other, info))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_one_end_writes_the_other_reads_until_it_is_shut_down() {
        let (mut one, mut other) = pair();
        assert!(one.writer.is_write_vectored());
        one.writer.write_all(b"there").await.unwrap();
        one.writer.shutdown().await.unwrap();
        let mut read = Vec::new();
        other.reader.read_to_end(&mut read).await.unwrap();
        other.writer.write_all(b"back").await.unwrap();
        drop(other);
        let mut answer = Vec::new();
        one.reader.read_to_end(&mut answer).await.unwrap();
        assert_eq!((&read[..], &answer[..]), (&b"there"[..], &b"back"[..]));
    }
}
