//! Tunnels: links between two nodes that cannot reach each other, carried by a member that reaches both.
//!
//! [`Tunnels`] is one node's table of the tunnels that end at it and of those that it carries. It knows which sessions there are,
//! says what is to be sent on them, and never looks into what is carried: on a tunnel the two ends run an ordinary link, with
//! TLS, handshake and session. The carrier can delay or cut, not read, alter or invent.
//!
//! Bounds: each end may have [`CREDIT`] bytes on the way that the other has not taken, so that is what a carrier holds at most a
//! tunnel and direction; a node takes part in at most [`MAX_TUNNELS`]; a tunnel never goes through a tunnel.

mod end;
mod frames;
mod streams;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

pub use end::TunnelEnd;
pub use frames::{DATA_HEAD, TunnelClose, TunnelCode, TunnelFrame, TunnelId, TunnelOpen};
pub use streams::{Reading, StreamOutput, TunnelStreams};

use super::wire::Extensions;
use super::{NodeId, SessionId};

/// How many bytes may be under way in each direction of a tunnel.
pub const CREDIT: usize = 256 * 1024;
/// How many tunnels a node takes part in, as an end or as the carrier.
pub const MAX_TUNNELS: usize = 64;
/// The longest `TunnelData`, so that others get their turn on the session.
pub const MAX_DATA: usize = 16 * 1024;

/// A tunnel where it meets a session of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leg {
    /// The session.
    pub session: SessionId,
    /// The tunnel's number in it.
    pub tunnel: TunnelId,
}

/// Why a tunnel was not begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TunnelError {
    /// There is no session with the node that is to carry it.
    #[error("there is no session with {via}, which is to carry a tunnel to {to}")]
    NoSession {
        /// Who was to carry it.
        via: NodeId,
        /// Where to.
        to: NodeId,
    },
    /// The session with the carrier goes through a tunnel itself.
    #[error("{via} is itself reached through a tunnel: it carries none to {to}")]
    Nested {
        /// Who was to carry it.
        via: NodeId,
        /// Where to.
        to: NodeId,
    },
    /// This node takes part in as many as it may.
    #[error("this node takes part in {limit} tunnels already, the limit is {limit}")]
    TooMany {
        /// How many it may.
        limit: usize,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TunnelOutput {
    /// Send a frame on a session.
    Send {
        /// The session.
        session: SessionId,
        /// The frame.
        frame: TunnelFrame,
    },
    /// Somebody wants a link to this node.
    Accepted {
        /// This end of it.
        leg: Leg,
        /// Who says to be at the other end. The handshake will show.
        from: NodeId,
        /// Who carries it.
        via: NodeId,
    },
    /// Bytes came for an end at this node.
    Data(Leg, Bytes),
    /// The other end takes so many more bytes.
    Credit(Leg, u32),
    /// A tunnel that ends here is over.
    Closed(Leg, TunnelCode),
}

/// A session over which tunnels may go.
#[derive(Clone, Debug)]
struct Hop {
    node: NodeId,
    is_direct: bool,
    /// The next number of a tunnel that this side opens.
    next: u64,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    End,
    /// What comes from this leg goes on over the other; so many bytes of it the far end has not taken yet.
    Carried {
        other: Leg,
        under_way: usize,
    },
}

/// One node's tunnels.
#[derive(Debug)]
pub struct Tunnels {
    node: NodeId,
    hops: BTreeMap<SessionId, Hop>,
    legs: BTreeMap<Leg, Role>,
    outputs: VecDeque<TunnelOutput>,
    carried_bytes: u64,
}

/// What the world did.
impl Tunnels {
    /// Of this node; none yet.
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            hops: BTreeMap::new(),
            legs: BTreeMap::new(),
            outputs: VecDeque::new(),
            carried_bytes: 0,
        }
    }

    /// A session began.
    pub fn handle_session_up(&mut self, session: SessionId, node: NodeId, is_direct: bool, we_dialled: bool) {
        self.hops.insert(session, Hop { node, is_direct, next: u64::from(we_dialled) });
    }

    /// A session ended: so did all tunnels over it.
    pub fn handle_session_down(&mut self, session: SessionId) {
        self.hops.remove(&session);
        let first = Leg { session, tunnel: TunnelId(0) };
        let last = Leg { session, tunnel: TunnelId(u64::MAX) };
        let legs: Vec<Leg> = self.legs.range(first..=last).map(|(leg, _)| *leg).collect();
        for leg in legs {
            self.end(leg, TunnelCode::LINK_LOST);
        }
    }

    /// A frame came on a session.
    pub fn handle_frame(&mut self, session: SessionId, frame: TunnelFrame) {
        match frame {
            TunnelFrame::Open(open, _) => self.on_open(session, open),
            TunnelFrame::Data(tunnel, bytes) => self.on_data(Leg { session, tunnel }, bytes),
            TunnelFrame::Credit(tunnel, bytes) => self.on_credit(Leg { session, tunnel }, bytes),
            TunnelFrame::Close(close, _) => self.end(Leg { session, tunnel: close.tunnel }, close.code),
        }
    }

    fn on_open(&mut self, session: SessionId, open: TunnelOpen) {
        let TunnelOpen { tunnel, from, to } = open;
        let leg = Leg { session, tunnel };
        let Some(hop) = self.hops.get(&session).cloned() else { return };
        // With one of our own numbers it could take the place of a tunnel that this side opens next.
        let is_ours = tunnel.0 % 2 == hop.next % 2;
        if is_ours || from == to || self.legs.contains_key(&leg) {
            return self.break_off(leg, TunnelCode::VIOLATION);
        }
        if self.taken() >= MAX_TUNNELS {
            return self.send(leg.session, TunnelFrame::close(tunnel, TunnelCode::TOO_MANY));
        }
        if to == self.node {
            self.legs.insert(leg, Role::End);
            self.outputs.push_back(TunnelOutput::Accepted { leg, from, via: hop.node });
            return;
        }
        match self.way_on(&hop, &from, &to) {
            Ok(onward) => {
                let other = self.open_on(onward, from, to);
                self.legs.insert(leg, Role::Carried { other, under_way: 0 });
                self.legs.insert(other, Role::Carried { other: leg, under_way: 0 });
            }
            Err(code) => self.send(leg.session, TunnelFrame::close(tunnel, code)),
        }
    }

    /// The session on which a tunnel goes on.
    fn way_on(&self, hop: &Hop, from: &NodeId, to: &NodeId) -> Result<SessionId, TunnelCode> {
        if *from != hop.node {
            return Err(TunnelCode::VIOLATION);
        }
        let (onward, far) = self.hop_to(to).ok_or(TunnelCode::NO_SESSION)?;
        if hop.is_direct && far.is_direct { Ok(onward) } else { Err(TunnelCode::NESTED) }
    }

    fn on_data(&mut self, leg: Leg, bytes: Bytes) {
        // One that is not known has ended: its last bytes may still be on their way.
        match self.legs.get_mut(&leg) {
            Some(Role::End) => self.outputs.push_back(TunnelOutput::Data(leg, bytes)),
            Some(Role::Carried { other, under_way }) => {
                *under_way += bytes.len();
                let (other, over) = (*other, *under_way > CREDIT);
                if over {
                    return self.break_off(leg, TunnelCode::VIOLATION);
                }
                self.carried_bytes =
                    self.carried_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                self.send(other.session, TunnelFrame::Data(other.tunnel, bytes));
            }
            None => {}
        }
    }

    fn on_credit(&mut self, leg: Leg, bytes: u32) {
        match self.legs.get(&leg).copied() {
            Some(Role::End) => self.outputs.push_back(TunnelOutput::Credit(leg, bytes)),
            Some(Role::Carried { other, .. }) => {
                let taken = usize::try_from(bytes).unwrap_or(usize::MAX);
                if let Some(Role::Carried { under_way, .. }) = self.legs.get_mut(&other) {
                    match under_way.checked_sub(taken) {
                        Some(left) => *under_way = left,
                        None => return self.break_off(leg, TunnelCode::VIOLATION),
                    }
                }
                self.send(other.session, TunnelFrame::Credit(other.tunnel, bytes));
            }
            None => {}
        }
    }
}

/// What this node wants.
impl Tunnels {
    /// Begins a tunnel to a node that this one cannot reach. What is wrong further on is told by [`TunnelOutput::Closed`].
    ///
    /// # Errors
    /// When there is no direct session with the carrier, or there are too many tunnels.
    pub fn open(&mut self, via: &NodeId, to: &NodeId) -> Result<Leg, TunnelError> {
        let hop = self.hop_to(via);
        let Some((session, hop)) = hop else {
            return Err(TunnelError::NoSession { via: via.clone(), to: to.clone() });
        };
        if !hop.is_direct {
            return Err(TunnelError::Nested { via: via.clone(), to: to.clone() });
        }
        if self.taken() >= MAX_TUNNELS {
            return Err(TunnelError::TooMany { limit: MAX_TUNNELS });
        }
        let leg = self.open_on(session, self.node.clone(), to.clone());
        self.legs.insert(leg, Role::End);
        Ok(leg)
    }

    /// This node is done with its end of a tunnel, or its other end broke the rules.
    pub fn close(&mut self, leg: Leg, code: TunnelCode) {
        if self.legs.remove(&leg).is_some() {
            self.send(leg.session, TunnelFrame::close(leg.tunnel, code));
        }
    }

    /// The next thing to be done.
    pub fn poll_output(&mut self) -> Option<TunnelOutput> {
        self.outputs.pop_front()
    }

    /// How many tunnels end here, and how many are carried.
    pub fn counts(&self) -> (usize, usize) {
        let ends = self.legs.values().filter(|role| matches!(role, Role::End)).count();
        (ends, (self.legs.len() - ends) / 2)
    }

    /// How many bytes were carried for others.
    pub fn carried_bytes(&self) -> u64 {
        self.carried_bytes
    }
}

impl Tunnels {
    fn taken(&self) -> usize {
        let (ends, carried) = self.counts();
        ends + carried
    }

    fn hop_to(&self, node: &NodeId) -> Option<(SessionId, &Hop)> {
        self.hops.iter().find(|(_, hop)| hop.node == *node).map(|(session, hop)| (*session, hop))
    }

    fn open_on(&mut self, session: SessionId, from: NodeId, to: NodeId) -> Leg {
        let number = self.hops.get_mut(&session).map_or(0, |hop| {
            hop.next += 2;
            hop.next
        });
        let tunnel = TunnelId(number);
        self.send(session, TunnelFrame::Open(TunnelOpen { tunnel, from, to }, Extensions::default()));
        Leg { session, tunnel }
    }

    /// A tunnel is over at this leg; whoever is behind it is told.
    fn end(&mut self, leg: Leg, code: TunnelCode) {
        match self.legs.remove(&leg) {
            Some(Role::End) => self.outputs.push_back(TunnelOutput::Closed(leg, code)),
            Some(Role::Carried { other, .. }) => {
                self.legs.remove(&other);
                self.send(other.session, TunnelFrame::close(other.tunnel, code));
            }
            None => {}
        }
    }

    /// Ends a tunnel in both directions.
    fn break_off(&mut self, leg: Leg, code: TunnelCode) {
        self.send(leg.session, TunnelFrame::close(leg.tunnel, code));
        self.end(leg, code);
    }

    fn send(&mut self, session: SessionId, frame: TunnelFrame) {
        // There is no session any more when its end is what is told.
        if self.hops.contains_key(&session) {
            self.outputs.push_back(TunnelOutput::Send { session, frame });
        }
    }
}

#[cfg(test)]
mod tests;
