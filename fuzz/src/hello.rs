//! Handshakes: whatever dials, answers or interrupts, in any order, an endpoint closes or establishes each link once, says
//! nothing on a closed one, keeps its limits and leaves no timer in the past.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use cluster_transport::proto::body::{
    Fingerprint, Go, Hello, Positions, Refuse, RefuseCode, VersionRange, Welcome,
};
use cluster_transport::proto::endpoint::{
    ConnectFailure, Endpoint, EndpointAction, EndpointSettings, LinkId, SessionEnd,
};
use cluster_transport::proto::frame::{Decoded, Frame, FrameError};
use cluster_transport::proto::wire::{Extension, Extensions, List, Text};
use cluster_transport::proto::{Incarnation, Instant, NodeId, PeerIdentity, PerLane, SessionId};

use crate::input::Input;

/// How many operations an input has at the most.
const MAX_STEPS: usize = 300;
/// Low enough to be reached.
const MAX_HANDSHAKES: usize = 4;
/// How many outputs one input may cause.
const MAX_OUTPUTS: usize = 10_000;
/// Who calls: this node's own id is among them.
const NAMES: [&str; 4] = ["a", "b", "c", "me"];

/// The property. The bytes are inputs of an endpoint; frames are the fuzzer's own or well-formed with fields of its choice.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut harness = Harness::new();
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        harness.step(&mut input);
        harness.drain();
    }
    harness.endpoint.set_leaving(harness.now);
    harness.drain();
    // Rings of nodes that were in session are still looked through once a second.
    let waits = harness.endpoint.poll_timeout().filter(|_| !harness.had_session);
    assert_eq!(waits, None, "an endpoint that leaves waits for nothing");
    assert!(harness.open.is_empty(), "links are left open: {:?}", harness.open);
}

struct Harness {
    now: Instant,
    endpoint: Endpoint,
    /// Links that are neither closed nor established.
    open: BTreeSet<LinkId>,
    /// Those of them that were accepted.
    accepted: BTreeSet<LinkId>,
    /// Those of them that are dialled and not connected yet.
    connecting: BTreeSet<LinkId>,
    /// The link that the world has just closed; what is still said on it goes nowhere.
    gone: Option<LinkId>,
    /// Links that have been, and must not be spoken of again.
    done: BTreeSet<LinkId>,
    sessions: Vec<SessionId>,
    had_session: bool,
    welcomed: Vec<SessionId>,
}

impl Harness {
    fn new() -> Self {
        let incarnation = Incarnation { epoch: 2, nonce: 2 };
        let settings = EndpointSettings::builder("fuzz".parse().unwrap(), "me".parse().unwrap(), incarnation)
            .max_open_handshakes(MAX_HANDSHAKES)
            .max_peers(3)
            .build()
            .unwrap();
        Self {
            now: Instant::ORIGIN,
            endpoint: Endpoint::new(settings, [7; 32]),
            open: BTreeSet::new(),
            accepted: BTreeSet::new(),
            connecting: BTreeSet::new(),
            gone: None,
            done: BTreeSet::new(),
            sessions: Vec::new(),
            had_session: false,
            welcomed: Vec::new(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let now = self.now;
        match input.below(10) {
            0 => {
                let remote = format!("10.0.0.{}:9", input.byte() % 4);
                let link = self.endpoint.handle_accepted(now, PeerIdentity::Plaintext, remote);
                self.open.insert(link);
                self.accepted.insert(link);
            }
            1 => {
                let address = format!("tcp://h{}:1", input.byte() % 4).parse().unwrap();
                if input.bool() {
                    let _ = self.endpoint.add_target(now, address);
                } else {
                    let _ = self.endpoint.probe(now, address);
                }
            }
            2 => {
                let address = format!("tcp://h{}:1", input.byte() % 4).parse().unwrap();
                self.endpoint.remove_target(now, &address);
            }
            3 => {
                self.now += Duration::from_millis(input.number() % 20_000);
                self.endpoint.handle_timeout(self.now);
                let next = self.endpoint.poll_timeout();
                assert!(
                    next.is_none_or(|at| at > self.now),
                    "a timer at {next:?} in the past of {}",
                    self.now
                );
            }
            4 => {
                if let Some(session) = self.pick_session(input) {
                    self.endpoint.handle_session_ended(now, session, SessionEnd::Left);
                }
            }
            5 => self.endpoint.forget(now, &name(input)),
            kind => self.on_link(input, kind),
        }
    }

    fn on_link(&mut self, input: &mut Input<'_>, kind: usize) {
        let now = self.now;
        if self.open.is_empty() {
            return;
        }
        let Some(link) = self.open.iter().copied().nth(input.below(self.open.len())) else { return };
        match kind {
            _ if self.connecting.contains(&link) => {
                self.connecting.remove(&link);
                if input.bool() {
                    self.endpoint.handle_connected(now, link, PeerIdentity::Plaintext);
                } else {
                    self.endpoint.handle_connect_failed(now, link, ConnectFailure::Refused);
                    self.lose(link);
                }
            }
            6 => {
                self.endpoint.handle_link_closed(now, link, "closed".to_owned());
                self.lose(link);
            }
            7 => match Frame::decode(Bytes::copy_from_slice(input.bytes(512))) {
                Ok(Decoded::Known(frame)) => self.endpoint.handle_frame(now, link, frame),
                Ok(Decoded::Skipped(_)) => {}
                Err(error) => self.endpoint.handle_bad_frame(now, link, &error),
            },
            8 if input.byte() == 0 => self.endpoint.handle_bad_frame(now, link, &FrameError::Empty),
            _ => {
                let frame = self.frame(input);
                self.endpoint.handle_frame(now, link, frame);
            }
        }
    }

    /// A well-formed frame, as it came off the wire.
    fn frame(&self, input: &mut Input<'_>) -> Frame {
        let extensions = Extensions::truncated([Extension {
            tag: u16::from(input.byte()),
            value: List::truncated(input.bytes(16).iter().copied()),
        }]);
        let incarnation =
            Incarnation { epoch: u64::from(input.byte() % 4), nonce: u64::from(input.byte() % 2) };
        let (node, positions) = (name(input), Positions::default());
        let session = self.welcomed.get(input.below(4)).copied().unwrap_or(SessionId(input.number() % 4));
        let windows = PerLane::from_fn(|_| 1 << 20);
        match input.below(4) {
            0 => Frame::Hello(
                Hello {
                    versions: VersionRange {
                        min: u16::from(input.byte() % 3),
                        max: u16::from(input.byte() % 3),
                    },
                    cluster: if input.byte() == 1 { "other" } else { "fuzz" }.parse().unwrap(),
                    node,
                    incarnation,
                    features: input.number(),
                    addresses: List::truncated(["tcp://h1:1".parse().unwrap()]),
                    windows,
                    settings: Fingerprint::default(),
                    replace: input.bool().then(|| self.sessions.last().copied().unwrap_or(session)),
                },
                extensions,
            ),
            1 => Frame::Go(Go { session, positions }, extensions),
            2 => Frame::Welcome(
                Welcome {
                    version: 1,
                    node,
                    incarnation,
                    features: 0,
                    addresses: List::default(),
                    windows,
                    session,
                    positions,
                },
                extensions,
            ),
            _ => Frame::Refuse(
                Refuse {
                    code: RefuseCode(u16::from(input.byte() % 12)),
                    session: Some(session),
                    epoch: Some(input.number()),
                    address: None,
                    node: Some(node),
                    text: Text::lossy("no"),
                },
                extensions,
            ),
        }
    }

    fn pick_session(&mut self, input: &mut Input<'_>) -> Option<SessionId> {
        if self.sessions.is_empty() {
            return None;
        }
        let at = input.below(self.sessions.len());
        Some(self.sessions.swap_remove(at))
    }

    /// The world closed a link.
    fn lose(&mut self, link: LinkId) {
        self.gone = Some(link);
        self.close(link);
    }

    fn close(&mut self, link: LinkId) {
        self.open.remove(&link);
        self.accepted.remove(&link);
        self.connecting.remove(&link);
        self.done.insert(link);
    }

    fn drain(&mut self) {
        let mut outputs = 0;
        while let Some(action) = self.endpoint.poll_action() {
            outputs += 1;
            match action {
                EndpointAction::Connect { link, .. } => {
                    assert!(self.open.insert(link), "{link} was used twice")
                }
                EndpointAction::Send { link, frame } => {
                    assert!(!self.done.contains(&link), "{frame:?} on {link}, which is closed or in session");
                    if let Frame::Welcome(welcome, _) = frame {
                        self.welcomed.push(welcome.session);
                    }
                }
                EndpointAction::Establish { link, start } => {
                    assert!(self.open.contains(&link), "{link} is established and not open");
                    self.close(link);
                    assert_ne!(start.peer.as_str(), "me", "a session with itself");
                    self.sessions.push(start.session);
                    self.had_session = true;
                }
                EndpointAction::Close { link } => {
                    assert!(!self.done.contains(&link), "{link} is closed twice");
                    self.close(link);
                }
                EndpointAction::EndSession { session, .. } => self.sessions.retain(|held| *held != session),
                _ => {}
            }
        }
        self.gone = None;
        while self.endpoint.poll_event().is_some() {
            outputs += 1;
        }
        assert!(outputs < MAX_OUTPUTS, "{outputs} outputs of one input");
        assert!(self.accepted.len() <= MAX_HANDSHAKES, "{} handshakes are open", self.accepted.len());
        assert!(self.endpoint.sessions().count() <= self.sessions.len(), "a session that no link carries");
    }
}

fn name(input: &mut Input<'_>) -> NodeId {
    NAMES[input.below(NAMES.len())].parse().unwrap()
}
