//! A peer that speaks frames by hand and keeps to no rule.

use bytes::Bytes;
use cluster_transport::link::Link;
use cluster_transport::link::tcp::connect;
use cluster_transport::proto::body::{Go, Positions};
use cluster_transport::proto::frame::{Decoded, Frame};
use cluster_transport::proto::wire::Extensions;
use cluster_transport::tls::Tls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{GIVE_UP, Member};

/// A link to a member, for bytes of all kinds.
#[derive(Debug)]
pub struct Hostile(Link);

impl Hostile {
    /// Dials a member.
    pub async fn dial(member: &Member, tls: Option<&Tls>) -> Self {
        Self(connect(&member.address(), tls, tokio::time::Instant::now() + GIVE_UP).await.unwrap())
    }

    /// The opening of a node that this member would take, but for what may be wrong with its id.
    pub fn hello(member: &Member, node: &str) -> Bytes {
        let hello = crate::attacker::hello(member.cluster.cluster_name().as_str(), node);
        Frame::Hello(hello, Extensions::default()).encode()
    }

    /// Dials a member and comes into session with it.
    pub async fn in_session(member: &Member, node: &str) -> Self {
        let mut peer = Self::dial(member, None).await;
        peer.send(&Self::hello(member, node)).await;
        let Some(Frame::Welcome(welcome, _)) = peer.next().await else { panic!("no welcome") };
        let go = Go { session: welcome.session, positions: Positions::default() };
        peer.send(&Frame::Go(go, Extensions::default()).encode()).await;
        peer
    }

    /// Sends these bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.writer.write_all(bytes).await.unwrap();
        self.0.writer.flush().await.unwrap();
    }

    /// The next frame of a kind that is known; none when the member has closed.
    pub async fn next(&mut self) -> Option<Frame> {
        let next = async {
            loop {
                let length = self.0.reader.read_u32().await.ok()?;
                let mut frame = vec![0; usize::try_from(length).unwrap()];
                self.0.reader.read_exact(&mut frame).await.ok()?;
                if let Decoded::Known(frame) = Frame::decode(frame.into()).unwrap() {
                    return Some(frame);
                }
            }
        };
        tokio::time::timeout(GIVE_UP, next).await.unwrap()
    }
}
