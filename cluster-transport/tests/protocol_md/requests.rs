//! The messages of the requests lane, as a session writes and reads them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use cluster_transport::proto::body::Positions;
use cluster_transport::proto::frame::{Decoded, Frame, LaneStart, PREFIX, Segment};
use cluster_transport::proto::lanes::{LaneSettings, Payload, PeerLanes};
use cluster_transport::proto::requests::{Begun, FailureCode, Head, Outcome, RequestEvent, RequestId};
use cluster_transport::proto::session::{Session, SessionEvent, SessionStart};
use cluster_transport::proto::{Incarnation, Instant, Lane, PerLane};

use super::{PROTOCOL, SESSION, examples};

/// A session whose peer is the document.
struct Node {
    session: Session,
    lanes: Arc<PeerLanes>,
    received: u64,
}

impl Node {
    fn new() -> Self {
        let lanes = Arc::new(PeerLanes::new(&LaneSettings::default()));
        let session = Session::new(SessionStart {
            session: SESSION,
            peer: "document".parse().unwrap(),
            incarnation: Incarnation { epoch: 1, nonce: 1 },
            version: 1,
            we_dialled: true,
            peer_windows: PerLane::from_fn(|_| 1 << 20),
            peer_positions: Positions::default(),
            lanes: Arc::clone(&lanes),
        });
        let mut node = Self { session, lanes, received: 0 };
        node.take(Frame::LaneStart(LaneStart { session: SESSION, lane: Lane::Requests, first: 0 }));
        node
    }

    fn take(&mut self, frame: Frame) {
        let bytes = frame.encode();
        self.session.handle_frame(Instant::ORIGIN, bytes.slice(PREFIX..));
    }

    fn ask(&self) -> Begun {
        self.lanes.requests().ask(Instant::ORIGIN, Duration::from_secs(5), None).unwrap()
    }

    /// Takes a message in; the one event that follows from it.
    fn receive(&mut self, message: &[u8]) -> RequestEvent {
        let mut packed = BytesMut::new();
        packed.put_u16(message.len().try_into().unwrap());
        packed.put_slice(message);
        let first = self.received;
        self.received += 1;
        self.take(Frame::Segment(Segment { lane: Lane::Requests, first, count: 1, packed: packed.freeze() }));
        match self.session.poll_event() {
            Some(SessionEvent::Request(event)) => event,
            other => panic!("{message:02x?} led to {other:?}"),
        }
    }

    /// Sends a message; what goes out of the lane.
    fn send(&mut self, head: Head, payload: &[u8]) -> Vec<u8> {
        self.lanes.push_with_head(Lane::Requests, head.as_slice(), Payload::Copied(payload)).unwrap();
        let mut out = VecDeque::new();
        self.session.poll_transmit(&mut out, usize::MAX);
        let segment = out.iter().find_map(|frame| match Frame::decode(frame.slice(PREFIX..)) {
            Ok(Decoded::Known(Frame::Segment(segment))) => Some(segment),
            _ => None,
        });
        segment.unwrap().messages().next().unwrap().to_vec()
    }
}

fn documented() -> BTreeMap<String, Vec<u8>> {
    examples(PROTOCOL, "The requests lane")
}

#[test]
fn requests_and_their_ends_are_those_of_the_document() {
    let documented = documented();
    let mut node = Node::new();
    let Begun { id, head, .. } = node.ask();
    assert_eq!(node.send(head, b"hi"), documented["Request"]);
    let reply = RequestEvent::Ended { id, token: None, outcome: Outcome::Reply(Bytes::from_static(b"ok")) };
    assert_eq!(node.receive(&documented["Reply"]), reply);

    let mut node = Node::new();
    let Begun { id, .. } = node.ask();
    let failed = Outcome::Failed { code: FailureCode::APPLICATION, text: "no".to_owned() };
    assert_eq!(
        node.receive(&documented["Failure"]),
        RequestEvent::Ended { id, token: None, outcome: failed }
    );

    let mut node = Node::new();
    let Begun { id, .. } = node.ask();
    let head = node.lanes.cancel(id).unwrap();
    assert_eq!(node.send(head, b""), documented["Cancel"]);
    assert_eq!(documented.len(), 4);
}

#[test]
fn answers_are_those_of_the_document() {
    let documented = documented();
    let id = RequestId(0);
    let asked = RequestEvent::Asked {
        id,
        deadline: Instant::ORIGIN + Duration::from_secs(5),
        payload: Bytes::from_static(b"hi"),
    };
    let mut node = Node::new();
    assert_eq!(node.receive(&documented["Request"]), asked);
    let head = node.lanes.requests().reply(id).unwrap();
    assert_eq!(node.send(head, b"ok"), documented["Reply"]);

    let mut node = Node::new();
    assert_eq!(node.receive(&documented["Request"]), asked);
    let head = node.lanes.requests().fail(id, FailureCode::APPLICATION).unwrap();
    assert_eq!(node.send(head, b"no"), documented["Failure"]);

    let mut node = Node::new();
    assert_eq!(node.receive(&documented["Request"]), asked);
    assert_eq!(node.receive(&documented["Cancel"]), RequestEvent::Cancelled(id));
}
