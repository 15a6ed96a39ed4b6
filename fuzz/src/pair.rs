//! Two ends of a pair of nodes, joined by byte streams that can break anywhere.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use cluster_transport::proto::frame::{MAX_FRAME, PREFIX};
use cluster_transport::proto::lanes::{Batch, LaneSettings, Payload, PeerLanes};
use cluster_transport::proto::requests::{Begun, FailureCode, RequestEvent, RequestId};
use cluster_transport::proto::session::{Direction, Missed, Session, SessionEnd, SessionEvent, SessionStart};
use cluster_transport::proto::{Incarnation, Instant, Lane, PerLane, SessionId};

/// Small enough that a few messages fill a window, and a few more a ring.
pub(crate) fn settings() -> LaneSettings {
    let mut settings = LaneSettings::default();
    settings.windows = PerLane::from_fn(|_| 16 * 1024);
    settings.ring = 64 * 1024;
    settings.max_message = 48 * 1024;
    settings.reassembly = 64 * 1024;
    settings.max_requests = 8;
    settings
}

/// How many turns the ends may take to fall silent.
const MAX_TURNS: usize = 100_000;
/// How many events one frame may cause.
const MAX_EVENTS: usize = 100_000;

/// One node's end, whose lanes outlive its sessions.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) lanes: Arc<PeerLanes>,
    pub(crate) session: Option<Session>,
    wire: BytesMut,
    /// What was received and is not taken yet.
    pub(crate) batches: VecDeque<Batch>,
    /// Messages taken, by lane.
    pub(crate) received: PerLane<Vec<Vec<u8>>>,
    /// Messages announced as lost by lane, inbound.
    pub(crate) announced: PerLane<u64>,
    /// How often this end was told by lane that numbers do not continue, inbound and outbound.
    pub(crate) broken: PerLane<[u64; 2]>,
    /// Requests of the peer that are not answered.
    pub(crate) asked: Vec<RequestId>,
    /// How often each request of this end has ended.
    pub(crate) outcomes: BTreeMap<RequestId, usize>,
    pub(crate) ends: Vec<SessionEnd>,
    /// Whether batches are taken as they come.
    pub(crate) takes: bool,
}

impl End {
    fn new(settings: &LaneSettings) -> Self {
        Self {
            lanes: Arc::new(PeerLanes::new(settings)),
            session: None,
            wire: BytesMut::new(),
            batches: VecDeque::new(),
            received: PerLane::default(),
            announced: PerLane::default(),
            broken: PerLane::default(),
            asked: Vec::new(),
            outcomes: BTreeMap::new(),
            ends: Vec::new(),
            takes: true,
        }
    }

    /// Asks the peer, if as many as allowed are not under way; the request then has one outcome, whatever happens.
    pub(crate) fn ask(&mut self, now: Instant, timeout: Duration, payload: &[u8]) {
        let asked = self.lanes.requests().ask(now, timeout, None);
        let Ok(Begun { id, head, .. }) = asked else { return };
        if self.lanes.push_with_head(Lane::Requests, head.as_slice(), Payload::Copied(payload)).is_ok() {
            assert!(self.outcomes.insert(id, 0).is_none(), "{id:?} was used twice");
        } else {
            self.lanes.cancel(id);
        }
    }

    /// Gives up one of the own requests.
    pub(crate) fn cancel(&mut self, which: usize) {
        let Some(id) = self.outcomes.keys().nth(which).copied() else { return };
        let head = self.lanes.cancel(id);
        if let Some(head) = head {
            *self.outcomes.entry(id).or_default() += 1;
            let _ = self.lanes.push_with_head(Lane::Requests, head.as_slice(), Payload::Copied(&[]));
        }
    }

    /// Answers the oldest request of the peer, well or with a failure.
    pub(crate) fn answer(&mut self, well: bool, payload: &[u8]) {
        if self.asked.is_empty() {
            return;
        }
        let id = self.asked.remove(0);
        let head = if well {
            self.lanes.requests().reply(id)
        } else {
            self.lanes.requests().fail(id, FailureCode(1))
        };
        if let Some(head) = head {
            let _ = self.lanes.push_with_head(Lane::Requests, head.as_slice(), Payload::Copied(payload));
        }
    }

    /// Bytes came over the link.
    pub(crate) fn arrive(&mut self, now: Instant, bytes: &[u8]) {
        self.wire.extend_from_slice(bytes);
        self.read(now);
    }

    fn read(&mut self, now: Instant) {
        while let Some(length) = self.wire.first_chunk::<PREFIX>().map(|l| u32::from_be_bytes(*l) as usize) {
            if self.wire.len() < PREFIX + length {
                break;
            }
            self.wire.advance(PREFIX);
            let frame = self.wire.split_to(length).freeze();
            self.frame(now, frame);
        }
    }

    /// A frame came, without its length.
    pub(crate) fn frame(&mut self, now: Instant, frame: Bytes) {
        if let Some(session) = &mut self.session {
            session.handle_frame(now, frame);
        }
        self.drain();
    }

    /// The session's deadlines up to now.
    pub(crate) fn timeout(&mut self, now: Instant) {
        let Some(session) = &mut self.session else { return };
        session.handle_timeout(now);
        let next = session.poll_timeout();
        assert!(next.is_none_or(|at| at > now), "a timer at {next:?} in the past of {now}");
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        let Some(session) = &mut self.session else { return };
        for count in 0.. {
            assert!(count < MAX_EVENTS, "the events never end");
            let Some(event) = session.poll_event() else { break };
            match event {
                SessionEvent::Batch(batch) => self.batches.push_back(batch),
                SessionEvent::Lagged { lane, direction: Direction::Inbound, missed: Missed::Known(n) } => {
                    self.announced[lane] += n;
                }
                SessionEvent::Lagged { lane, direction, missed: Missed::Unknown } => {
                    self.broken[lane][usize::from(direction == Direction::Outbound)] += 1;
                }
                SessionEvent::Lagged { .. } => {}
                SessionEvent::Request(RequestEvent::Asked { id, .. }) => self.asked.push(id),
                SessionEvent::Request(RequestEvent::Cancelled(id)) => self.asked.retain(|asked| *asked != id),
                SessionEvent::Request(RequestEvent::Ended { id, .. }) => {
                    *self.outcomes.get_mut(&id).expect("only what was asked ends") += 1;
                }
                // Whoever takes part in no tunnels drops what belongs to them.
                SessionEvent::Tunnel(_) => {}
                SessionEvent::Ended(end) => self.ends.push(end),
            }
        }
        if self.takes {
            self.take(usize::MAX);
        }
    }

    /// Takes so many batches, as an application does.
    pub(crate) fn take(&mut self, batches: usize) {
        for _ in 0..batches {
            let Some(batch) = self.batches.pop_front() else { break };
            let lane = batch.lane();
            self.received[lane].extend(batch.iter().map(<[u8]>::to_vec));
            self.lanes.done(lane, batch.end());
        }
    }

    /// What the link can write now.
    pub(crate) fn written(&mut self, budget: usize) -> Vec<u8> {
        let mut out = VecDeque::new();
        if let Some(session) = &mut self.session {
            session.poll_transmit(&mut out, budget);
        }
        out.into_iter().flatten().collect()
    }

    /// Each request has one outcome at the most, and exactly one once the session is over.
    pub(crate) fn check_outcomes(&self, is_over: bool) {
        for (id, outcomes) in &self.outcomes {
            assert!(*outcomes <= 1 && (!is_over || *outcomes == 1), "{outcomes} outcomes of {id:?}");
        }
    }

    /// What is held for the application and in flight stays within what the settings allow.
    pub(crate) fn check_budgets(&self) {
        let settings = self.lanes.settings();
        for lane in Lane::ALL {
            let held: usize =
                self.batches.iter().filter(|batch| batch.lane() == lane).map(Batch::bytes).sum();
            let window = settings.windows[lane] as usize;
            // One frame may always be under way.
            assert!(
                held <= window + MAX_FRAME + settings.reassembly,
                "{held} bytes are held on the {lane} lane"
            );
            let lag = self.lanes.lag(lane);
            assert!(lag.unacknowledged_bytes <= window.max(PREFIX + MAX_FRAME), "{lane}: {lag:?}");
            if lane.is_resumed() {
                let kept = lag.unsent_bytes + lag.unacknowledged_bytes;
                assert!(kept <= settings.ring + settings.max_message as usize, "{lane}: {lag:?}");
            }
        }
        let (asked, answering) = self.lanes.requests().under_way();
        assert!(asked <= settings.max_requests && answering <= settings.max_requests);
    }
}

/// Both ends, and a clock.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) ends: [End; 2],
    sessions: u64,
}

impl Pair {
    /// Two ends in session.
    pub(crate) fn new(settings: &LaneSettings) -> Self {
        let ends = [End::new(settings), End::new(settings)];
        let mut pair = Self { now: Instant::ORIGIN, ends, sessions: 0 };
        pair.connect();
        pair
    }

    /// Does what a handshake does: both sides state their positions, then both begin.
    pub(crate) fn connect(&mut self) {
        self.sessions += 1;
        let session = SessionId(self.sessions);
        let positions = [1, 0].map(|other: usize| self.ends[other].lanes.positions());
        for (number, (end, peer_positions)) in self.ends.iter_mut().zip(positions).enumerate() {
            end.wire.clear();
            end.session = Some(Session::new(SessionStart {
                session,
                peer: ["b", "a"][number].parse().unwrap(),
                incarnation: Incarnation { epoch: 1, nonce: 1 },
                version: 1,
                we_dialled: number == 0,
                peer_windows: end.lanes.settings().windows,
                peer_positions,
                lanes: Arc::clone(&end.lanes),
            }));
            end.drain();
        }
    }

    /// The link breaks after so many of the bytes that are on their way in each direction.
    pub(crate) fn cut(&mut self, survive: [usize; 2]) {
        let mut sent = [0, 1].map(|number: usize| self.ends[number].written(usize::MAX));
        for (number, kept) in survive.into_iter().enumerate() {
            sent[number].truncate(kept);
            self.ends[1 - number].arrive(self.now, &sent[number]);
        }
        for end in &mut self.ends {
            if let Some(session) = &mut end.session {
                session.handle_link_lost("cut");
            }
            end.drain();
            end.session = None;
        }
    }

    /// Carries about so many bytes from each end to the other; whether there was anything.
    pub(crate) fn exchange(&mut self, bytes: usize) -> bool {
        let sent = [0, 1].map(|number: usize| self.ends[number].written(bytes));
        self.ends[1].arrive(self.now, &sent[0]);
        self.ends[0].arrive(self.now, &sent[1]);
        sent.iter().any(|sent| !sent.is_empty())
    }

    /// Lets everything through until both ends are silent.
    pub(crate) fn settle(&mut self) {
        for end in &mut self.ends {
            end.takes = true;
            end.take(usize::MAX);
        }
        for _ in 0..MAX_TURNS {
            if !self.exchange(1 << 16) {
                return;
            }
        }
        panic!("the pair never falls silent");
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, span: Duration) {
        self.now += span;
        for end in &mut self.ends {
            end.timeout(self.now);
        }
    }
}
