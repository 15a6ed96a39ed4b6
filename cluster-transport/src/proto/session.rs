//! One session: the lanes of a pair on one link, from `Go` to its end.
//!
//! The session turns received frames into batches and events, and what the lanes hold into frames. It keeps the peer to the
//! rules: a fault closes the session with a code, and costs nobody else anything. It owns no numbers: those are in
//! [`PeerLanes`], so the next session goes on where this one ends.

mod event;
mod outbox;
mod rare;
mod sending;

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use bytes::{Buf, Bytes};

pub use event::{Direction, Missed, SessionEnd, SessionEvent};
pub use outbox::Outbox;

use self::rare::{PeerLeave, Rare};
use super::body::{Close, CloseCode, Leave, Positions};
use super::few::Few;
use super::frame::{Acknowledge, Decoded, Frame, FrameError, Lagged, LaneStart, Segment, kind};
use super::lanes::{Batch, Inbound, InboundFault, InboundLimits, Payload, PeerLanes, Taken};
use super::requests::Heard;
use super::tunnel::TunnelFrame;
use super::wire::{Extensions, Text, WireError};
use super::{Incarnation, Instant, Lane, NodeId, PerLane, SessionId};

/// How long a `Leave` waits for the last messages of the lanes.
pub const LEAVE_WAIT: Duration = Duration::from_secs(2);

/// What a handshake has agreed on.
#[derive(Clone, Debug)]
pub struct SessionStart {
    /// The session's id.
    pub session: SessionId,
    /// The peer.
    pub peer: NodeId,
    /// Which life of the peer.
    pub incarnation: Incarnation,
    /// The version of the wire.
    pub version: u16,
    /// Whether this side dialled.
    pub we_dialled: bool,
    /// How many bytes the peer lets this side have unacknowledged.
    pub peer_windows: PerLane<u32>,
    /// From where the peer wants this side's numbers.
    pub peer_positions: Positions,
    /// The pair's numbers and rings.
    pub lanes: Arc<PeerLanes>,
}

/// The session's own machine. See the module.
///
/// In this order, so that a turn without an event touches the first cache line alone.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Session {
    id: SessionId,
    lanes: Arc<PeerLanes>,
    ended: bool,
    /// Whether much that was taken in of the control lane is not acknowledged.
    owes_much: bool,
    rare: Option<Box<Rare>>,
    record: Box<Record>,
    events: Few<SessionEvent>,
}

/// What is there to be asked for.
#[derive(Debug)]
struct Record {
    start: SessionStart,
    skipped_frames: u64,
    refused_requests: u64,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Lane(#[from] InboundFault),
    #[error(transparent)]
    Message(#[from] WireError),
    #[error("a handshake frame in an open session")]
    Handshake,
    #[error("number {next} on the {lane} lane is acknowledged, and was not sent")]
    NotSent { lane: Lane, next: u64 },
}

impl Session {
    /// Begins a session. From here on only its input counts for the pair.
    pub fn new(start: SessionStart) -> Self {
        start.lanes.begin(start.session);
        let mut session = Self {
            id: start.session,
            lanes: Arc::clone(&start.lanes),
            ended: false,
            owes_much: false,
            rare: None,
            record: Box::new(Record { start, skipped_frames: 0, refused_requests: 0 }),
            events: Few::default(),
        };
        for lane in Lane::ALL {
            session.start_lane(lane);
        }
        session
    }

    fn start_lane(&mut self, lane: Lane) {
        let SessionStart { peer_positions, peer_windows, .. } = &self.record.start;
        let (position, session, window) = (peer_positions.on(lane), self.id, peer_windows[lane]);
        let started = self.lanes.changing(lane, |outbound| outbound.start(session, window, position));
        let start = LaneStart { session: self.id, lane, first: started.first };
        self.rare().frames.push_back((lane, Frame::LaneStart(start).encode()));
        if lane.is_resumed() && !started.continues && (started.first > 0 || started.lost > 0) {
            let (direction, missed) = (Direction::Outbound, Missed::Unknown);
            self.events.push(SessionEvent::Lagged { lane, direction, missed });
        }
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The pair's numbers and rings.
    pub fn lanes(&self) -> &Arc<PeerLanes> {
        &self.lanes
    }

    /// What the handshake agreed on.
    pub fn start(&self) -> &SessionStart {
        &self.record.start
    }

    /// How many frames of unknown kinds were skipped.
    pub fn skipped_frames(&self) -> u64 {
        self.record.skipped_frames
    }

    /// How many requests of the peer were refused because too many were under way.
    pub fn refused_requests(&self) -> u64 {
        self.record.refused_requests
    }

    /// Takes in a frame of the peer, without its length.
    pub fn handle_frame(&mut self, now: Instant, frame: Bytes) {
        if self.ended {
            return;
        }
        if let Err(fault) = self.take_frame(now, frame) {
            self.refuse(&fault);
        }
        if self.rare.is_some() {
            self.check_leave(now);
        }
    }

    #[cold]
    fn refuse(&mut self, fault: &Fault) {
        let code = match fault {
            Fault::Frame(FrameError::UnknownKind { .. }) => CloseCode::UNKNOWN_KIND,
            _ => CloseCode::VIOLATION,
        };
        self.close(code, &fault.to_string());
    }

    fn take_frame(&mut self, now: Instant, mut frame: Bytes) -> Result<(), Fault> {
        match frame.first() {
            // Nearly all are segments and acknowledgements.
            Some(&kind::SEGMENT) => {
                frame.advance(1);
                self.take_segment(now, Segment::decode(frame)?)
            }
            Some(&kind::ACKNOWLEDGE) => {
                frame.advance(1);
                self.take_acknowledge(Acknowledge::decode(frame)?)
            }
            _ => self.take_other(now, frame),
        }
    }

    fn take_other(&mut self, now: Instant, frame: Bytes) -> Result<(), Fault> {
        match Frame::decode(frame)? {
            Decoded::Known(frame) => self.take(now, frame)?,
            Decoded::Skipped(_) => self.record.skipped_frames += 1,
        }
        Ok(())
    }

    /// The peer closed the link, or its system did.
    pub fn handle_link_closed(&mut self) {
        self.end(SessionEnd::LinkClosed);
    }

    /// The link does not carry anything any more.
    pub fn handle_link_lost(&mut self, why: &str) {
        self.end(SessionEnd::LinkLost(why.to_owned()));
    }

    /// A deadline has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(mut requests) = self.lanes.requests_under_way() {
            requests.handle_timeout(now);
        }
        self.check_leave(now);
        if self.rare.as_ref().and_then(|rare| rare.leaving).is_some_and(|until| until <= now) {
            self.end(SessionEnd::WeLeft);
        }
    }

    /// The next deadline.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.ended {
            return None;
        }
        let requests = self.lanes.requests_under_way().and_then(|requests| requests.poll_timeout());
        match &self.rare {
            None => requests,
            Some(rare) => rare.poll_timeout().into_iter().chain(requests).min(),
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        if self.events.is_empty() {
            self.collect_requests();
        }
        self.events.pop()
    }

    /// Collects what ended without a message of the peer.
    fn collect_requests(&mut self) {
        let Some(mut requests) = self.lanes.requests_under_way() else { return };
        while let Some(event) = requests.poll_event() {
            self.events.push(SessionEvent::Request(event));
        }
    }

    /// Ends the requests that were asked before anybody could know that the session is over.
    pub fn end_requests(&mut self) {
        if self.ended {
            self.lanes.end_requests(self.id);
        }
    }

    /// Whether more than one request of this side waits for its answer.
    pub fn is_asking_much(&self) -> bool {
        self.lanes.requests_under_way().is_some_and(|requests| requests.under_way().0 > 1)
    }

    /// Sends something of a tunnel, in order, behind what the lanes have.
    pub fn send_tunnel(&mut self, frame: TunnelFrame) {
        if !self.ended {
            self.rare().tunnels.push_back(Frame::Tunnel(frame).encode());
        }
    }

    /// Leaves the cluster: what the lanes hold is still delivered, for at most [`LEAVE_WAIT`].
    pub fn leave(&mut self, now: Instant) {
        if self.ended || self.is_leaving() {
            return;
        }
        let ends = PerLane::from_fn(|lane| self.lanes.outbound(lane).next());
        self.say(Frame::Leave(Leave { ends }, Extensions::default()));
        self.rare().leaving = Some(now + LEAVE_WAIT);
    }

    fn is_leaving(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.leaving.is_some())
    }

    /// Ends the session with a word to the peer.
    pub fn close(&mut self, code: CloseCode, text: &str) {
        if self.ended {
            return;
        }
        let close = Close { code, text: Text::lossy(text) };
        self.say(Frame::Close(close.clone(), Extensions::default()));
        self.end(SessionEnd::ClosedByUs(close));
    }

    /// Whether the session is over.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Puts up a frame that belongs to no lane's messages.
    fn say(&mut self, frame: Frame) {
        self.rare().frames.push_back((Lane::Control, frame.encode()));
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn end(&mut self, end: SessionEnd) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.lanes.end_requests(self.id);
        self.lanes.session_ended(self.id);
        self.collect_requests();
        self.events.push(SessionEvent::Ended(end));
    }

    fn take(&mut self, now: Instant, frame: Frame) -> Result<(), Fault> {
        match frame {
            Frame::Hello(..) | Frame::Welcome(..) | Frame::Go(..) => Err(Fault::Handshake),
            Frame::Refuse(refuse, _) => {
                // The acceptor has turned our `Go` down: there never was a session at its end.
                let close = Close { code: CloseCode::REFUSED, text: refuse.text };
                self.end(SessionEnd::ClosedByPeer(close));
                Ok(())
            }

            Frame::Acknowledge(acknowledge) => self.take_acknowledge(acknowledge),
            Frame::Segment(segment) => self.take_segment(now, segment),
            Frame::Leave(leave, _) => {
                let leave = PeerLeave { ends: leave.ends, until: now + LEAVE_WAIT };
                self.rare().peer_leave.get_or_insert(leave);
                Ok(())
            }
            Frame::Close(close, _) => {
                let left = self.is_leaving() && close.code == CloseCode::LEFT;
                self.end(if left { SessionEnd::WeLeft } else { SessionEnd::ClosedByPeer(close) });
                Ok(())
            }
            Frame::Tunnel(frame) => {
                self.events.push(SessionEvent::Tunnel(Box::new(frame)));
                Ok(())
            }
            frame => self.take_from_lane(now, frame),
        }
    }

    fn take_acknowledge(&self, Acknowledge { lane, next }: Acknowledge) -> Result<(), Fault> {
        match self.lanes.acknowledged(lane, next) {
            true => Ok(()),
            false => Err(Fault::NotSent { lane, next }),
        }
    }

    /// The receiving side, if only the input of this session counts. Counts a frame that does not.
    fn own_inbound<'a>(&self, lanes: &'a PeerLanes) -> Option<MutexGuard<'a, Inbound>> {
        let mut inbound = lanes.inbound();
        if !inbound.is_owned_by(self.id) {
            inbound.stale_frames += 1;
            return None;
        }
        Some(inbound)
    }

    fn take_segment(&mut self, now: Instant, segment: Segment) -> Result<(), Fault> {
        let (lanes, lane) = (&self.lanes, segment.lane);
        let Some(mut inbound) = self.own_inbound(lanes) else { return Ok(()) };
        let taken = inbound.segment(segment)?;
        let owes_much = inbound.lane(lane).owes_much();
        drop(inbound);
        self.taken(now, lane, taken, owes_much)
    }

    fn take_from_lane(&mut self, now: Instant, frame: Frame) -> Result<(), Fault> {
        let lanes = &self.lanes;
        let Some(mut inbound) = self.own_inbound(lanes) else { return Ok(()) };
        match frame {
            Frame::LaneStart(start) if start.session != self.id => {
                Err(InboundFault::NotStarted { lane: start.lane }.into())
            }
            Frame::LaneStart(start) => {
                let continues = inbound.start(start)?;
                drop(inbound);
                if !continues && start.lane.is_resumed() {
                    let (direction, missed) = (Direction::Inbound, Missed::Unknown);
                    self.events.push(SessionEvent::Lagged { lane: start.lane, direction, missed });
                }
                Ok(())
            }
            Frame::Lagged(lagged) => {
                let news = inbound.lagged(&lagged)?;
                drop(inbound);
                self.peer_lagged(&lagged, news);
                Ok(())
            }
            Frame::Fragment(fragment) => {
                let (lane, limits) = (fragment.lane, self.limits(&inbound));
                let taken = inbound.fragment(&fragment, limits)?;
                let owes_much = inbound.lane(lane).owes_much();
                drop(inbound);
                self.taken(now, lane, taken, owes_much)
            }
            _ => Err(Fault::Handshake),
        }
    }

    fn taken(&mut self, now: Instant, lane: Lane, taken: Taken, owes_much: bool) -> Result<(), Fault> {
        if lane == Lane::Control {
            self.owes_much = owes_much;
        }
        match (lane, taken) {
            (_, Taken::Duplicate) => {}
            (lane, Taken::Absorbed) => self.lanes.absorbed(lane),
            (Lane::Requests, Taken::Batch(batch)) => return self.take_requests(now, batch),
            (_, Taken::Batch(batch)) => self.events.push(SessionEvent::Batch(batch)),
        }
        Ok(())
    }

    fn peer_lagged(&mut self, lagged: &Lagged, news: Option<u64>) {
        let Some(messages) = news else { return };
        self.lanes.absorbed(lagged.lane);
        if lagged.lane == Lane::Requests {
            // Each request has its outcome, and nobody misses what is given up of one.
            return;
        }
        let (lane, direction) = (lagged.lane, Direction::Inbound);
        self.events.push(SessionEvent::Lagged { lane, direction, missed: Missed::Known(messages) });
    }

    fn take_requests(&mut self, now: Instant, batch: Batch) -> Result<(), Fault> {
        let end = batch.end();
        let (mut refusals, mut unwanted) = (Vec::new(), Vec::new());
        let mut requests = self.lanes.requests();
        for message in batch.into_messages() {
            match requests.handle(now, message)? {
                Heard::Event(event) => self.events.push(SessionEvent::Request(event)),
                Heard::Refusal(head) => {
                    self.record.refused_requests += 1;
                    refusals.push(head);
                }
                Heard::Late => {}
                Heard::Unwanted(head) => unwanted.push(head),
            }
        }
        drop(requests);
        for refusal in refusals {
            // A full lane drops the answer; the peer's own deadline ends the request.
            let _ = self.lanes.push(Lane::Requests, Payload::Copied(refusal.as_slice()));
        }
        for head in unwanted {
            self.lanes.withdraw(head);
        }
        self.lanes.done(Lane::Requests, end);
        Ok(())
    }

    fn limits(&self, inbound: &Inbound) -> InboundLimits {
        let settings = self.lanes.settings();
        InboundLimits {
            max_message: settings.max_message,
            reassembly_left: settings.reassembly.saturating_sub(inbound.reassembling()),
            reassembly: settings.reassembly,
        }
    }

    /// A leave takes effect when the last messages have arrived, or have had their time.
    fn check_leave(&mut self, now: Instant) {
        let Some(leave) = self.rare.as_ref().and_then(|rare| rare.peer_leave) else { return };
        let complete = self.lanes.inbound().has_reached(self.id, &leave.ends);
        if self.ended || (!complete && leave.until > now) {
            return;
        }
        let close = Close { code: CloseCode::LEFT, text: Text::default() };
        self.say(Frame::Close(close, Extensions::default()));
        self.end(SessionEnd::PeerLeft);
    }
}

#[cfg(test)]
mod tests;
