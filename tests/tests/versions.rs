//! Old and new versions of the wire meet: this node speaks version 1, and a version 2 that only this test knows is spoken by hand.
//!
//! Version 2 has a frame that must be understood (0x0c), one that may be skipped (0x90), and a Close with one more field.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use cluster_tests::attacker::{Attacker, Verdict, hello, raw};
use cluster_tests::{GIVE_UP, Member, Setup, Told};
use cluster_transport::proto::body::{Close, CloseCode, Hello, Positions, VersionRange, Welcome};
use cluster_transport::proto::frame::{Decoded, Frame, kind};
use cluster_transport::proto::wire::{Extension, Extensions, List, MUST_UNDERSTAND, Text};
use cluster_transport::proto::{Address, Incarnation, PerLane, SessionId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Must be understood, and is not known to version 1.
const PULSE: u8 = 0x0c;
/// May be skipped.
const NOTE: u8 = 0x90;

/// The opening of a node that speaks these versions.
fn speaking(min: u16, max: u16) -> Hello {
    Hello { versions: VersionRange { min, max }, ..hello("kuzzle", "x") }
}

/// Dials a member, and opens with this.
async fn open(member: &Member, hello: Hello, extensions: Extensions) -> Attacker {
    let mut peer = Attacker::dial(&member.address(), None).await;
    peer.frame(Frame::Hello(hello, extensions)).await;
    peer
}

async fn joined(member: &Member) {
    member.recorder.was_told(|told| *told == Told::Joined("x".into())).await;
}

/// An acceptor of version 2.
struct Acceptor(TcpListener);

impl Acceptor {
    async fn start() -> (Self, Address) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
        (Self(listener), address)
    }

    /// The next dialler, and its opening.
    async fn accept(&self) -> (TcpStream, Hello, Extensions) {
        let accepted = async {
            let (mut stream, _) = self.0.accept().await.unwrap();
            match read(&mut stream).await {
                Frame::Hello(hello, extensions) => (stream, hello, extensions),
                other => panic!("{other:?} in place of a Hello"),
            }
        };
        tokio::time::timeout(GIVE_UP, accepted).await.unwrap()
    }
}

/// The next frame that version 1 knows.
async fn read(stream: &mut TcpStream) -> Frame {
    let frame = async {
        loop {
            let length = stream.read_u32().await.unwrap();
            let mut frame = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut frame).await.unwrap();
            if let Decoded::Known(frame) = Frame::decode(frame.into()).unwrap() {
                return frame;
            }
        }
    };
    tokio::time::timeout(GIVE_UP, frame).await.unwrap()
}

fn welcome(version: u16) -> Frame {
    let welcome = Welcome {
        version,
        node: "x".parse().unwrap(),
        incarnation: Incarnation { epoch: 1, nonce: 1 },
        // Abilities of versions to come.
        features: u64::MAX,
        addresses: List::truncated([]),
        windows: PerLane::from_fn(|_| 1 << 20),
        session: SessionId(7),
        positions: Positions::default(),
    };
    Frame::Welcome(welcome, Extensions::default())
}

#[tokio::test]
async fn a_dialler_without_a_common_version_is_told_which_are_spoken_here() {
    let member = Setup::new("a").start().await;
    for (min, max) in [(2, 2), (2, u16::MAX), (0, 0)] {
        let peer = open(&member, speaking(min, max), Extensions::default()).await;
        let text = format!("versions 1 to 1 are spoken here, not {min} to {max}");
        assert_eq!(peer.verdict().await, Verdict::Refused(2, text));
    }
}

#[tokio::test]
async fn a_dialler_that_speaks_both_versions_gets_the_first() {
    let member = Setup::new("a").start().await;
    let later = Hello { features: u64::MAX, ..speaking(1, 2) };
    let mut peer = Attacker::join(&member.address(), None, later).await;
    joined(&member).await;
    assert_eq!(member.cluster.status().members[0].protocol, Some(1));
    // What version 2 adds may be skipped, and is.
    assert!(peer.send(&raw(NOTE, b"a note of version 2")).await);
    member.status(|status| status.defence.frames_skipped >= 1).await;
    // What must be understood does not belong into version 1.
    peer.send(&raw(PULSE, &[])).await;
    let verdict = peer.verdict().await;
    let text = "frames of kind 0x0c must be understood and are not known here".to_owned();
    assert_eq!(verdict, Verdict::Closed(2, text));
}

#[tokio::test]
async fn a_body_with_a_field_of_another_version_is_no_body_of_this_one() {
    let member = Setup::new("a").start().await;
    let mut peer = Attacker::join(&member.address(), None, speaking(1, 2)).await;
    joined(&member).await;
    // Version 2 closes with a code, a text, and after how many seconds to come back.
    let close = Close { code: CloseCode::SHUTDOWN, text: Text::lossy("back soon") };
    let old = Frame::Close(close, Extensions::default()).encode();
    let (extensions, fields) = old[5..].split_last().unwrap();
    peer.send(&raw(kind::CLOSE, &[fields, &[30], &[*extensions]].concat())).await;
    let verdict = peer.verdict().await;
    assert!(matches!(&verdict, Verdict::Closed(1, text) if text.contains("Close")), "{verdict:?}");
}

#[tokio::test]
async fn an_extension_that_is_not_known_is_ignored_unless_it_must_be_understood() {
    let member = Setup::new("a").start().await;
    let zone = |tag| Extensions::truncated([Extension { tag, value: List::truncated(*b"eu-west") }]);
    let peer = open(&member, speaking(1, 2), zone(MUST_UNDERSTAND | 3)).await;
    let text = "the required extension 0x8003 of Hello is not known here".to_owned();
    assert_eq!(peer.verdict().await, Verdict::Closed(1, text));
    let mut link = TcpStream::connect(member.socket_address()).await.unwrap();
    link.write_all(&Frame::Hello(speaking(1, 2), zone(3)).encode()).await.unwrap();
    assert!(matches!(read(&mut link).await, Frame::Welcome(welcome, _) if welcome.version == 1));
}

#[tokio::test]
async fn an_acceptor_that_answers_with_another_version_is_refused() {
    let (acceptor, address) = Acceptor::start().await;
    let member = Setup::new("a").eager_for(&address).start().await;
    let (mut link, hello, _) = acceptor.accept().await;
    assert_eq!(hello.versions, VersionRange { min: 1, max: 1 });
    link.write_all(&welcome(2).encode()).await.unwrap();
    let Frame::Refuse(refuse, _) = read(&mut link).await else { panic!("no refusal") };
    assert_eq!((refuse.code.0, refuse.text.as_str()), (2, "versions 1 to 1 are spoken here, not 2 to 2"));
    assert_eq!(member.cluster.status().members, []);
}

#[tokio::test]
async fn an_acceptor_of_a_later_version_is_spoken_to_in_this_one() {
    let (acceptor, address) = Acceptor::start().await;
    let member = Setup::new("a").eager_for(&address).start().await;
    let (mut link, _, _) = acceptor.accept().await;
    link.write_all(&[welcome(1).encode(), raw(NOTE, b"?").into()].concat()).await.unwrap();
    assert!(matches!(read(&mut link).await, Frame::Go(go, _) if go.session == SessionId(7)));
    joined(&member).await;
    link.write_all(&[raw(NOTE, b"?"), raw(PULSE, &[])].concat()).await.unwrap();
    let closed = loop {
        if let Frame::Close(close, _) = read(&mut link).await {
            break close;
        }
    };
    assert_eq!(closed.code, CloseCode::UNKNOWN_KIND);
}

#[tokio::test]
async fn every_dial_is_greased_with_an_extension_that_nobody_knows() {
    const DIALS: usize = 20;
    let (acceptor, address) = Acceptor::start().await;
    let fast = std::time::Duration::from_millis(20);
    let _member = Setup::new("a")
        .with(|config| config.seeds([address]).join_attempt_interval(fast).retry_join(1_000_u32))
        .start()
        .await;
    let mut tags = BTreeSet::new();
    for _ in 0..DIALS {
        // The link ends here, so that the next one is dialled.
        let (_link, hello, extensions) = acceptor.accept().await;
        assert_eq!(hello.features, 0);
        let [grease] = extensions.as_slice() else { panic!("{extensions:?}") };
        assert_eq!(grease.tag & MUST_UNDERSTAND, 0);
        tags.insert(grease.tag);
    }
    assert!(tags.len() > DIALS / 2, "{tags:?}");
}
