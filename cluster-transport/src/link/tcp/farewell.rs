//! Closing a connection so that the peer hears the last words.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a refused peer may take to hear why.
const PATIENCE: Duration = Duration::from_secs(1);
/// The bytes of a refused peer that are read and dropped at most.
const MAX_DRAINED: u64 = 64 * 1024;

/// Sends the last words, closes our half, and drops what the peer still sends until it closes too; a second at most.
///
/// A socket that is closed while the peer still sends resets the connection: the peer fails at its next write and, on
/// some systems, loses the words that it had not read yet.
pub(super) async fn farewell(mut stream: TcpStream, words: &[u8]) {
    let goodbye = async {
        stream.write_all(words).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(MAX_DRAINED), &mut tokio::io::sink()).await
    };
    // The peer is refused either way; whether it listens is its own affair.
    let _ = timeout(PATIENCE, goodbye).await;
}
