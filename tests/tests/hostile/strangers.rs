//! Before authentication, and in the handshake: whoever reaches the port.

use std::time::Duration;

use cluster_tests::attacker::{Attacker, Verdict, hello, raw};
use cluster_tests::{Pki, SLACK_MIB, Siege};
use cluster_transport::proto::frame::{Frame, kind};
use cluster_transport::proto::wire::Extensions;
use cluster_transport::tls::{Tls, TlsFiles, TlsIdentity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn tls(files: &TlsFiles) -> Tls {
    Tls::new(TlsIdentity::load(files).unwrap(), &"kuzzle".parse().unwrap()).unwrap()
}

/// Sends bytes and waits until the node has closed.
async fn knock(siege: &Siege, bytes: &[u8]) {
    let mut stream = TcpStream::connect(siege.socket()).await.unwrap();
    // Who is turned away is so at any moment.
    let _ = stream.write_all(bytes).await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn connections_that_say_nothing_are_few_and_short_lived() {
    const TRIES: u64 = 600;
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("connections that say nothing", async |siege| {
            let mut open = Vec::new();
            for _ in 0..TRIES {
                open.push(TcpStream::connect(siege.socket()).await.unwrap());
            }
            siege.counts("/turnedAway/busy", TRIES - 256).await;
            siege.counts("/turnedAway/too slow", 256).await;
            TRIES
        })
        .await;
    // There is a place again for somebody who has something to say.
    assert!(aftermath.siege().traitor("node-x").await.is_open());
    aftermath.finish("256 wait 2 s at most, the others are closed at once", SLACK_MIB).await;
}

#[tokio::test]
async fn a_slow_loris_has_so_much_time_and_no_more() {
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("slow loris in TLS, and in Hello", async |siege| {
            let mut stream = TcpStream::connect(siege.socket()).await.unwrap();
            let client_hello = [22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
            let mut slowly = client_hello.iter().cycle();
            while stream.write_all(&[*slowly.next().unwrap()]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let mut peer = Attacker::dial(&siege.address(), Some(&siege.credentials("node-x"))).await;
            let opening = Frame::Hello(hello("kuzzle", "node-x"), Extensions::default()).encode();
            for byte in &opening[..opening.len() - 1] {
                if !peer.is_open() || !peer.send(&[*byte]).await {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let verdict = peer.verdict().await;
            assert_eq!(verdict, Verdict::Closed(9, "the handshake took too long".to_owned()));
            siege.counts("/turnedAway/handshake took too long", 1).await;
            2
        })
        .await;
    aftermath.finish("given up after 2 s; Close 9 once there are frames", SLACK_MIB).await;
}

#[tokio::test]
async fn whoever_speaks_something_else_is_turned_away() {
    const TRIES: u64 = 500;
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("garbage, HTTP and plaintext frames", async |siege| {
            for number in 0..TRIES {
                match number % 5 {
                    0 => knock(siege, b"GET / HTTP/1.1\r\n\r\n").await,
                    1 => knock(siege, &[0xff; 512]).await,
                    2 => knock(siege, b"SSH-2.0-OpenSSH_9.2\r\n").await,
                    3 => knock(siege, &raw(kind::HELLO, &[0; 64])).await,
                    _ => knock(siege, &[22, 3, 1, 0xff, 0xff, 1, 2, 3]).await,
                }
            }
            siege.counts("/turnedAway/HTTP", TRIES / 5).await;
            siege.counts("/turnedAway/another protocol", TRIES / 5 * 2).await;
            siege.counts("/turnedAway/TLS on one side only", TRIES / 5).await;
            siege.counts("/turnedAway/TLS", TRIES / 5).await;
            TRIES
        })
        .await;
    aftermath.finish("told so in its own language, or closed", SLACK_MIB).await;
}

#[tokio::test]
async fn certificates_that_are_no_good_let_nobody_in() {
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("certificates of others, expired, not yet valid, for another name", async |siege| {
            let theirs = Pki::new("kuzzle");
            let foreign = TlsFiles { authorities: vec![siege.pki().authority()], ..theirs.node("node-x") };
            let bad = [foreign, siege.pki().expired("node-x"), siege.pki().not_yet_valid("node-x")];
            let mut tries = 0;
            for files in &bad {
                for _ in 0..10 {
                    let mut peer = Attacker::dial(&siege.address(), Some(&tls(files))).await;
                    peer.frame(Frame::Hello(hello("kuzzle", "node-x"), Extensions::default())).await;
                    assert_eq!(peer.verdict().await, Verdict::Cut);
                    tries += 1;
                }
            }
            siege.counts("/turnedAway/TLS", tries).await;
            for _ in 0..10 {
                let credentials = siege.credentials("node-x");
                let mut peer = Attacker::dial(&siege.address(), Some(&credentials)).await;
                peer.frame(Frame::Hello(hello("kuzzle", "node-b"), Extensions::default())).await;
                let text = "the certificate is not for node-b.kuzzle.cluster".to_owned();
                assert_eq!(peer.verdict().await, Verdict::Refused(4, text));
                tries += 1;
            }
            siege.counts("/turnedAway/not authorised", 10).await;
            let mut peer = Attacker::dial(&siege.address(), Some(&siege.credentials("node-x"))).await;
            peer.frame(Frame::Hello(hello("other", "node-x"), Extensions::default())).await;
            let text = "this is cluster kuzzle, not other".to_owned();
            assert_eq!(peer.verdict().await, Verdict::Refused(1, text));
            siege.counts("/turnedAway/wrong cluster", 1).await;
            tries + 1
        })
        .await;
    aftermath.finish("a TLS alert; Refuse 4 for a wrong id, 1 for a wrong cluster", SLACK_MIB).await;
}

#[tokio::test]
async fn lengths_and_kinds_that_cannot_be_end_the_handshake() {
    let siege = Siege::begin().await;
    let aftermath = siege
        .under(
            "lengths of 4 GiB, of 2 GiB, of 4,097 and of 0, and unknown kinds before Hello",
            async |siege| {
                let credentials = siege.credentials("node-x");
                let mut tries = 0;
                for length in [u32::MAX, 1 << 31, 4_097, 0] {
                    let mut peer = Attacker::dial(&siege.address(), Some(&credentials)).await;
                    peer.send(&[&length.to_be_bytes()[..], &[kind::HELLO; 64]].concat()).await;
                    let verdict = peer.verdict().await;
                    assert!(matches!(verdict, Verdict::Closed(1, _)), "{length}: {verdict:?}");
                    tries += 1;
                }
                for (unknown, code) in [(0x41, 2), (kind::SEGMENT, 1), (kind::GO, 1)] {
                    let mut peer = Attacker::dial(&siege.address(), Some(&credentials)).await;
                    // Those that may be skipped are; the one after them is not.
                    for _ in 0..100 {
                        peer.send(&raw(0xc1, b"?")).await;
                    }
                    peer.send(&raw(unknown, &[])).await;
                    let verdict = peer.verdict().await;
                    assert!(
                        matches!(verdict, Verdict::Closed(got, _) if got == code),
                        "{unknown:#x}: {verdict:?}"
                    );
                    tries += 1;
                }
                siege.counts("/turnedAway/violation", tries).await;
                tries
            },
        )
        .await;
    aftermath
        .finish("Close 1, found at the length; Close 2 for a kind that must be understood", SLACK_MIB)
        .await;
}

#[tokio::test]
async fn a_hello_that_is_said_again_changes_nothing() {
    const TRIES: u64 = 50;
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("the same Hello again, in a session and on other links", async |siege| {
            let mut first = siege.traitor("node-x").await;
            let credentials = siege.credentials("node-x");
            let again = || Frame::Hello(hello("kuzzle", "node-x"), Extensions::default());
            for _ in 0..TRIES {
                let mut peer = Attacker::dial(&siege.address(), Some(&credentials)).await;
                peer.frame(again()).await;
                let text = format!("session {} is there", first.session());
                assert_eq!(peer.verdict().await, Verdict::Refused(6, text));
            }
            siege.counts("/turnedAway/already connected", TRIES).await;
            assert!(first.is_open());
            first.frame(again()).await;
            let text = "a handshake frame in an open session".to_owned();
            assert_eq!(first.verdict().await, Verdict::Closed(1, text));
            siege.counts("/sessionsClosed/violation", 1).await;
            TRIES + 1
        })
        .await;
    aftermath.finish("Refuse 6, the session stays; in the session Close 1", SLACK_MIB).await;
}
