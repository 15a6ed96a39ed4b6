//! Endpoints by hand: what goes in, and everything that comes out as lines of text.

use std::time::Duration;

use super::*;
use crate::proto::body::RefuseCode;
use crate::proto::credentials::{CertifiedNames, PeerIdentity};

mod dialling;
mod histories;
mod hostile;
mod network;
mod refusals;
mod sessions;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Instant {
    Instant::ORIGIN + Duration::from_secs(seconds)
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn id(text: &str) -> NodeId {
    text.parse().unwrap()
}

fn settings(node: &str, epoch: u64) -> EndpointSettings {
    EndpointSettings::builder("kuzzle".parse().unwrap(), id(node), Incarnation { epoch, nonce: 0 })
        .advertised([address(&format!("tcp://{node}:1"))])
        .build()
        .unwrap()
}

/// One endpoint, and what it said.
struct Side {
    endpoint: Endpoint,
    frames: VecDeque<(LinkId, Frame)>,
    dialled: VecDeque<LinkId>,
    sessions: Vec<SessionId>,
    events: Vec<EndpointEvent>,
}

impl Side {
    fn new(settings: EndpointSettings) -> Self {
        let mut seed = [settings.node.as_str().as_bytes()[0]; 32];
        seed[0] = settings.incarnation.epoch.to_le_bytes()[0];
        Self {
            endpoint: Endpoint::new(settings, seed),
            frames: VecDeque::new(),
            dialled: VecDeque::new(),
            sessions: Vec::new(),
            events: Vec::new(),
        }
    }

    fn node(node: &str) -> Self {
        Self::new(settings(node, 1))
    }

    /// All actions since the last call, one a line.
    fn actions(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(action) = self.endpoint.poll_action() {
            lines.push(self.line(action));
        }
        while let Some(event) = self.endpoint.poll_event() {
            self.events.push(event);
        }
        lines
    }

    fn line(&mut self, action: EndpointAction) -> String {
        match action {
            EndpointAction::Connect { link, address } => {
                self.dialled.push_back(link);
                format!("{link}: connect {address}")
            }
            EndpointAction::Send { link, frame } => {
                let line = format!("{link}: {}", words(&frame));
                self.frames.push_back((link, frame));
                line
            }
            EndpointAction::Establish { link, start } => {
                assert_eq!(start.lanes.owner(), Some(start.session));
                self.sessions.push(start.session);
                let crate::proto::session::SessionStart { peer, incarnation, we_dialled, .. } = start;
                let how = if we_dialled { "dialled" } else { "accepted" };
                format!("{link}: session with {peer} {}, {how}", incarnation.epoch)
            }
            EndpointAction::EndSession { session, code } => {
                let nth = self.sessions.iter().position(|known| *known == session).unwrap() + 1;
                format!("end session {nth} with code {}", code.0)
            }
            EndpointAction::Close { link } => format!("{link}: close"),
        }
    }

    /// All events since the last call.
    fn events(&mut self) -> Vec<EndpointEvent> {
        self.actions();
        std::mem::take(&mut self.events)
    }

    /// The next frame that was sent, from its bytes.
    fn frame(&mut self) -> Frame {
        self.actions();
        let (_, frame) = self.frames.pop_front().expect("nothing was sent");
        match Frame::decode(frame.encode().slice(crate::proto::frame::PREFIX..)) {
            Ok(crate::proto::frame::Decoded::Known(frame)) => frame,
            other => panic!("{frame:?} came back as {other:?}"),
        }
    }

    fn dial(&mut self, now: Instant, to: &str) -> LinkId {
        self.endpoint.probe(now, address(to)).unwrap();
        self.actions();
        self.dialled.pop_back().unwrap()
    }
}

fn words(frame: &Frame) -> String {
    match frame {
        Frame::Hello(hello, _) if hello.replace.is_some() => "Hello, replacing".to_owned(),
        Frame::Hello(..) => "Hello".to_owned(),
        Frame::Welcome(..) => "Welcome".to_owned(),
        Frame::Go(..) => "Go".to_owned(),
        Frame::Refuse(refuse, _) => format!("Refuse, {}: {}", refuse.code.words(), refuse.text.as_str()),
        Frame::Close(close, _) => format!("Close {}: {}", close.code.0, close.text.as_str()),
        other => panic!("{other:?} has no place in a handshake"),
    }
}

/// A byte link between two endpoints.
#[derive(Clone, Copy)]
struct Wire {
    dialler: LinkId,
    acceptor: LinkId,
}

/// Dials and says `Hello`; the acceptor has not read it.
fn wire(now: Instant, dialler: &mut Side, acceptor: &mut Side, to: &str) -> (Wire, Frame) {
    let link = dialler.dial(now, to);
    let wire = Wire {
        dialler: link,
        acceptor: acceptor.endpoint.handle_accepted(now, PeerIdentity::Plaintext, "10.0.0.1:999".to_owned()),
    };
    dialler.endpoint.handle_connected(now, link, PeerIdentity::Plaintext);
    let hello = dialler.frame();
    (wire, hello)
}

/// A whole handshake, up to the acceptor's answer.
fn answer(now: Instant, dialler: &mut Side, acceptor: &mut Side, to: &str) -> (Wire, Frame) {
    let (wire, hello) = wire(now, dialler, acceptor, to);
    acceptor.endpoint.handle_frame(now, wire.acceptor, hello);
    let answer = acceptor.frame();
    (wire, answer)
}

/// A whole handshake that comes to a session at both ends.
fn connect(now: Instant, dialler: &mut Side, acceptor: &mut Side, to: &str) -> SessionId {
    let link = dialler.dial(now, to);
    shake_hands(now, dialler, link, acceptor)
}

/// The same for a dial that is under way.
fn shake_hands(now: Instant, dialler: &mut Side, link: LinkId, acceptor: &mut Side) -> SessionId {
    let accepted = acceptor.endpoint.handle_accepted(now, PeerIdentity::Plaintext, "10.0.0.1:999".to_owned());
    dialler.endpoint.handle_connected(now, link, PeerIdentity::Plaintext);
    let hello = dialler.frame();
    acceptor.endpoint.handle_frame(now, accepted, hello);
    let welcome = acceptor.frame();
    dialler.endpoint.handle_frame(now, link, welcome);
    let go = dialler.frame();
    acceptor.endpoint.handle_frame(now, accepted, go);
    acceptor.actions();
    assert_eq!(dialler.sessions.last(), acceptor.sessions.last());
    *dialler.sessions.last().expect("no session came of it")
}
