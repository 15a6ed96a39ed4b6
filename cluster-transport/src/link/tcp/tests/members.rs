//! Members with TLS over TCP that meet.

use std::io::IoSlice;

use rustls::HandshakeKind;

use super::*;
use crate::link::LinkFault;
use crate::tls::fixture::TestAuthority;

#[tokio::test]
async fn bytes_pass_both_ways_and_end_cleanly() {
    let authority = TestAuthority::new();
    let tls = authority.node("a");
    let (mut dialled, mut accepted) = meet(&mut listen(), Some(&tls), Some(&tls)).await;
    let sent = vec![7; 1_000_000];
    let writing = async {
        let mut written = 0;
        while written < sent.len() {
            let (head, tail) = sent[written..].split_at((sent.len() - written) / 2);
            written +=
                dialled.writer.write_vectored(&[IoSlice::new(head), IoSlice::new(tail)]).await.unwrap();
        }
        dialled.writer.shutdown().await.unwrap();
    };
    let mut read = Vec::new();
    let (_, end) = tokio::join!(writing, accepted.reader.read_to_end(&mut read));
    end.unwrap();
    assert!(read == sent, "{} of {} bytes arrived as they were", read.len(), sent.len());

    accepted.writer.write_all(b"thanks").await.unwrap();
    accepted.writer.flush().await.unwrap();
    drop(accepted);
    let mut answer = [0; 6];
    dialled.reader.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"thanks");
    let end = dialled.reader.read_u8().await.unwrap_err();
    assert_eq!(LinkFault::from(end).to_string(), "closed the connection");
}

#[tokio::test]
async fn no_session_is_ever_resumed() {
    let authority = TestAuthority::new();
    let (a, b) = (authority.node("a"), authority.node("b"));
    let mut listener = listen();
    let local = listener.local_addr();
    for _ in 0..2 {
        let dialled = async {
            let stream = TcpStream::connect(local).await.unwrap();
            let mut stream = a.connector().connect(a.server_name(), stream).await.unwrap();
            // A ticket would come with the first bytes.
            stream.read_u8().await.unwrap();
            stream.get_ref().1.handshake_kind()
        };
        let accepted = async {
            let mut link = listener.accept().await.secure(Some(&b), eventually()).await.unwrap();
            link.writer.write_all(&[0]).await.unwrap();
            link.writer.flush().await.unwrap();
            link
        };
        let (kind, _link) = tokio::join!(dialled, accepted);
        assert_eq!(kind, Some(HandshakeKind::Full));
    }
}
