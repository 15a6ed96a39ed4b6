//! Requests under way between two nodes: ids, deadlines, and exactly one outcome for each.
//!
//! ```text
//! request  | 1 | id: 8 | milliseconds to its deadline: 4 | payload |
//! reply    | 2 | id: 8 | payload |
//! failure  | 3 | id: 8 | code: 2 | text |
//! cancel   | 4 | id: 8 |
//! ```
//! A request belongs to the session it was asked in: when that ends, its outcome is `LinkLost` and nothing is sent again.

mod under_way;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};

use self::under_way::UnderWay;
use super::Instant;
use super::wire::WireError;

/// The longest head of a message on the requests lane.
const HEAD: usize = 1 + 8 + 4;
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const FAILURE: u8 = 3;
const CANCEL: u8 = 4;
/// The longest text of a failure, in bytes.
pub const MAX_FAILURE_TEXT: usize = 1024;

/// The number of a request, unique among those that one node asks another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Why the other side did not answer with a reply. Numbers that this version does not know are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FailureCode(pub u16);

impl FailureCode {
    /// The application there refused or failed.
    pub const APPLICATION: Self = Self(1);
    /// As many requests as it allows are being answered there.
    pub const TOO_MANY: Self = Self(2);
    /// Nobody there answers requests of this kind.
    pub const NOT_HANDLED: Self = Self(3);
    /// It gave the request up without an answer.
    pub const ABANDONED: Self = Self(4);
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Reply(Bytes),
    /// The other side says that there will be no reply.
    Failed {
        /// Why.
        code: FailureCode,
        /// The same in words.
        text: String,
    },
    /// The deadline passed first.
    DeadlinePassed,
    /// The session ended first. The other side may or may not have done what was asked.
    LinkLost,
}

/// What the peer sent on the requests lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestEvent {
    /// The peer asks.
    Asked {
        /// Its number, for the answer.
        id: RequestId,
        /// When the peer stops waiting.
        deadline: Instant,
        /// What it asks.
        payload: Bytes,
    },
    /// The peer does not want the answer any more.
    Cancelled(RequestId),
    /// A request of ours ended.
    Ended {
        /// Which.
        id: RequestId,
        /// What was given with it when it was asked.
        token: Option<u64>,
        /// How.
        outcome: Outcome,
    },
}

/// A request that begins.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    /// Its number.
    pub id: RequestId,
    /// What goes before its payload on the requests lane.
    pub head: Head,
    /// Whether the session has a new next deadline.
    pub is_next: bool,
}

/// What a message on the requests lane leads to.
#[derive(Debug)]
pub(super) enum Heard {
    Event(RequestEvent),
    /// To be sent at once.
    Refusal(Head),
    /// It belongs to a request that has ended.
    Late,
    /// An answer that begins with this is not wanted any more.
    Unwanted(Head),
}

/// Too many requests are under way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} requests to this peer are under way, the limit is {limit}: wait for one to end")]
pub struct TooManyRequests {
    limit: usize,
}

/// The head of a message on the requests lane.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    bytes: [u8; HEAD],
    len: usize,
}

impl Head {
    fn new(kind: u8, id: RequestId, tail: &[u8]) -> Self {
        let mut bytes = [0; HEAD];
        let mut out = bytes.as_mut_slice();
        out.put_u8(kind);
        out.put_u64(id.0);
        out.put_slice(tail);
        Self { bytes, len: 9 + tail.len() }
    }

    /// With what every request under this number begins.
    pub(super) fn of_request(id: RequestId) -> Self {
        Self::new(REQUEST, id, &[])
    }

    /// The bytes that go before the payload.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The requests under way with one peer, in both directions.
#[derive(Debug)]
pub struct Requests {
    limit: usize,
    next: u64,
    /// With what was given when they were asked.
    asked: UnderWay<Option<u64>>,
    answering: UnderWay<()>,
    events: VecDeque<RequestEvent>,
}

impl Requests {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            next: 0,
            asked: UnderWay::default(),
            answering: UnderWay::default(),
            events: VecDeque::new(),
        }
    }

    /// Begins a request. Its end is told with the token.
    ///
    /// # Errors
    /// When as many as allowed are under way.
    pub fn ask(
        &mut self,
        now: Instant,
        timeout: Duration,
        token: Option<u64>,
    ) -> Result<Begun, TooManyRequests> {
        if self.asked.len() >= self.limit {
            return Err(TooManyRequests { limit: self.limit });
        }
        let id = RequestId(self.next);
        self.next += 1;
        let is_next = self.asked.insert(id, now + timeout, token);
        let timeout = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        Ok(Begun { id, head: Head::new(REQUEST, id, &timeout.to_be_bytes()), is_next })
    }

    /// Gives a request up. The head of the message that tells the peer, unless the request has ended already.
    pub(super) fn cancel(&mut self, id: RequestId) -> Option<Head> {
        self.asked.remove(id).map(|_| Head::new(CANCEL, id, &[]))
    }

    /// Answers a request of the peer; nothing if it does not wait for an answer any more.
    pub fn reply(&mut self, id: RequestId) -> Option<Head> {
        self.answering.remove(id).map(|_| Head::new(REPLY, id, &[]))
    }

    /// Tells the peer that there will be no reply; nothing if it does not wait for one any more.
    pub fn fail(&mut self, id: RequestId, code: FailureCode) -> Option<Head> {
        self.answering.remove(id).map(|_| Head::new(FAILURE, id, &code.0.to_be_bytes()))
    }

    /// Whether nothing is under way and nothing waits to be told.
    pub(super) fn is_idle(&self) -> bool {
        self.asked.len() == 0 && self.answering.len() == 0 && self.events.is_empty()
    }

    /// How many requests of ours and of the peer are under way.
    pub fn under_way(&self) -> (usize, usize) {
        (self.asked.len(), self.answering.len())
    }

    /// Takes a message of the requests lane in.
    pub(super) fn handle(&mut self, now: Instant, mut message: Bytes) -> Result<Heard, WireError> {
        let short = |need, left| WireError::Short { what: "a message on the requests lane", need, left };
        if message.len() < 9 {
            return Err(short(9, message.len()));
        }
        let (kind, id) = (message.get_u8(), RequestId(message.get_u64()));
        Ok(match kind {
            REQUEST if message.len() >= 4 => {
                let deadline = now + Duration::from_millis(message.get_u32().into());
                if self.answering.len() >= self.limit {
                    return Ok(Heard::Refusal(Head::new(
                        FAILURE,
                        id,
                        &FailureCode::TOO_MANY.0.to_be_bytes(),
                    )));
                }
                self.answering.insert(id, deadline, ());
                Heard::Event(RequestEvent::Asked { id, deadline, payload: message })
            }
            REPLY => self.ended(id, || Outcome::Reply(message)),
            FAILURE if message.len() >= 2 => {
                let code = FailureCode(message.get_u16());
                message.truncate(MAX_FAILURE_TEXT);
                let text = String::from_utf8_lossy(&message).into_owned();
                self.ended(id, || Outcome::Failed { code, text })
            }
            CANCEL => match self.answering.remove(id) {
                Some(()) => Heard::Event(RequestEvent::Cancelled(id)),
                None => Heard::Unwanted(Head::new(REPLY, id, &[])),
            },
            REQUEST | FAILURE => return Err(short(4, message.len())),
            _ => return Err(WireError::Malformed { what: "a message on the requests lane" }),
        })
    }

    /// An answer to a request that has ended already changes nothing.
    fn ended(&mut self, id: RequestId, outcome: impl FnOnce() -> Outcome) -> Heard {
        match self.asked.remove(id) {
            Some(token) => Heard::Event(RequestEvent::Ended { id, token, outcome: outcome() }),
            None => Heard::Late,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for (id, token) in self.asked.take_late(now) {
            self.events.push_back(RequestEvent::Ended { id, token, outcome: Outcome::DeadlinePassed });
        }
        self.answering.take_late(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called: at the next deadline, or before it.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.asked.poll_timeout().into_iter().chain(self.answering.poll_timeout()).min()
    }

    /// The session has ended: every request of ours is lost, every one of the peer is forgotten.
    pub(super) fn handle_link_lost(&mut self) {
        while let Some((id, token)) = self.asked.pop_first() {
            self.events.push_back(RequestEvent::Ended { id, token, outcome: Outcome::LinkLost });
        }
        self.answering = UnderWay::default();
    }

    /// What came of deadlines and of the ends of sessions, in order.
    pub(super) fn poll_event(&mut self) -> Option<RequestEvent> {
        self.events.pop_front()
    }
}
