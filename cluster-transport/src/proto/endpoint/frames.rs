//! The frames of a handshake as this node fills them in.

use rand::{Rng, RngExt};

use super::handshake::Offer;
use super::settings::EndpointSettings;
use crate::proto::SessionId;
use crate::proto::body::{Close, CloseCode, Go, Hello, Positions, Refuse, VersionRange, Welcome};
use crate::proto::frame::Frame;
use crate::proto::wire::{Extension, Extensions, List, MUST_UNDERSTAND, Text};

/// The longest value of a grease extension, in bytes.
const MAX_GREASE: usize = 16;

pub(super) fn hello(settings: &EndpointSettings, replace: Option<SessionId>, rng: &mut impl Rng) -> Frame {
    let hello = Hello {
        versions: VersionRange::OURS,
        cluster: settings.cluster.clone(),
        node: settings.node.clone(),
        incarnation: settings.incarnation,
        features: settings.features,
        addresses: List::truncated(settings.advertised.iter().cloned()),
        windows: settings.lanes.windows,
        settings: settings.fingerprint,
        replace,
    };
    Frame::Hello(hello, grease(rng))
}

/// One optional extension that nobody knows, so that nobody comes to rely on there being none.
fn grease(rng: &mut impl Rng) -> Extensions {
    let tag = rng.random::<u16>() & !MUST_UNDERSTAND;
    let value: [u8; MAX_GREASE] = rng.random();
    let length = rng.random_range(0..=MAX_GREASE);
    Extensions::truncated([Extension { tag, value: List::truncated(value.into_iter().take(length)) }])
}

pub(super) fn welcome(
    settings: &EndpointSettings,
    version: u16,
    session: SessionId,
    positions: Positions,
) -> Frame {
    let welcome = Welcome {
        version,
        node: settings.node.clone(),
        incarnation: settings.incarnation,
        features: settings.features,
        addresses: List::truncated(settings.advertised.iter().cloned()),
        windows: settings.lanes.windows,
        session,
        positions,
    };
    Frame::Welcome(welcome, Extensions::default())
}

pub(super) fn go(session: SessionId, positions: Positions) -> Frame {
    Frame::Go(Go { session, positions }, Extensions::default())
}

pub(super) fn refuse(refuse: Refuse) -> Frame {
    Frame::Refuse(refuse, Extensions::default())
}

pub(super) fn close(code: CloseCode, text: &str) -> Frame {
    Frame::Close(Close { code, text: Text::lossy(text) }, Extensions::default())
}

impl Offer {
    /// What a dialler offers with its `Hello`.
    pub(super) fn of_hello(session: SessionId, version: u16, hello: Hello) -> Self {
        Self {
            session,
            version,
            node: hello.node,
            incarnation: hello.incarnation,
            addresses: hello.addresses.into_vec(),
            windows: hello.windows,
            features: hello.features,
        }
    }

    /// What an acceptor offers with its `Welcome`.
    pub(super) fn of_welcome(welcome: Welcome) -> Self {
        Self {
            session: welcome.session,
            version: welcome.version,
            node: welcome.node,
            incarnation: welcome.incarnation,
            addresses: welcome.addresses.into_vec(),
            windows: welcome.windows,
            features: welcome.features,
        }
    }
}
