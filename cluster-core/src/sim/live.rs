//! A session that runs on its link, as a task of the runtime drives it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use cluster_transport::proto::frame::PREFIX;
use cluster_transport::proto::lanes::{Batch, Payload};
use cluster_transport::proto::session::{Outbox as _, Session};
use cluster_transport::proto::tunnel::{Leg, TunnelStreams};
use cluster_transport::proto::{Instant, Lane, NodeId, SessionId};

use super::desk::{Desk, Waiting};
use super::links::Conduit;
use super::network::Network;
use super::pieces::Pieces;
use super::process::{WRITE_DEADLINE, earlier};
use super::sessions::Seat;
use super::wires::Socket;
use crate::engine::Engine;
use crate::engine::members::is_heartbeat;
use crate::engine::state::Intake;
use crate::engine::state::message::MAX_DELTA;

/// How much a session gives for one turn of its link.
const TURN: usize = 256 * 1024;

/// A session and its link.
///
/// What a heartbeat touches is one cache line, and the session behind it: of a million sessions' ends each has its turn when nothing
/// of it is at hand.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Live {
    pub(super) peer: NodeId,
    /// None if the session goes through a tunnel.
    socket: Option<Socket>,
    /// What the link is behind with, or the tunnel. Mostly there is nothing of the kind.
    apart: Option<Box<Apart>>,
    seat: Seat,
    is_stirred: bool,
    /// Whether the engine may have state or registers for the peer. What a heartbeat leads to is said by the engine.
    pub(super) may_tell: bool,
    pub(super) session: Session,
}

/// What most sessions have nothing of.
#[derive(Debug, Default)]
struct Apart {
    /// The tunnel.
    leg: Option<Leg>,
    /// What has come and is no whole frame yet.
    buffer: Bytes,
    /// What the link has not taken yet.
    out: Pieces,
    write_by: Option<Instant>,
    /// The earliest of the session's deadlines, as of the last time that it was looked at.
    deadline: Option<Instant>,
}

impl Apart {
    fn is_nothing(&self) -> bool {
        let waits = !self.buffer.is_empty() || !self.out.is_empty() || self.write_by.is_some();
        !waits && self.leg.is_none() && self.deadline.is_none()
    }
}

impl Live {
    pub(super) fn new(session: Session, conduit: Conduit, seat: Seat) -> Self {
        let peer = session.start().peer.clone();
        let (socket, leg) = match conduit {
            Conduit::Socket(socket) => (Some(socket), None),
            Conduit::Tunnel(leg) => (None, Some(leg)),
        };
        let apart = leg.map(|leg| Box::new(Apart { leg: Some(leg), ..Apart::default() }));
        Self { peer, socket, apart, seat, is_stirred: false, may_tell: true, session }
    }

    /// Whether it reads from this socket.
    pub(super) fn reads_from(&self, socket: Socket) -> bool {
        self.socket == Some(socket)
    }

    /// What it goes over.
    pub(super) fn conduit(&self) -> Option<Conduit> {
        let leg = || self.apart.as_ref().and_then(|apart| apart.leg);
        self.socket.map(Conduit::Socket).or_else(|| leg().map(Conduit::Tunnel))
    }

    pub(super) fn id(&self) -> SessionId {
        self.session.id()
    }

    pub(super) fn seat(&self) -> Seat {
        self.seat
    }

    /// Has it look for something to say.
    pub(super) fn stir(&mut self, stirred: &mut VecDeque<(Seat, SessionId)>) {
        if !std::mem::replace(&mut self.is_stirred, true) {
            stirred.push_back((self.seat, self.id()));
        }
    }

    /// It is looked at.
    pub(super) fn unstir(&mut self) {
        self.is_stirred = false;
    }

    fn change_apart(&mut self, change: impl FnOnce(&mut Apart)) {
        change(self.apart.get_or_insert_default());
        self.apart.take_if(|apart| apart.is_nothing());
    }
}

/// Deadlines.
impl Live {
    /// Notes when it wants to be looked at next.
    pub(super) fn note_deadline(&mut self, deadlines: &mut BTreeSet<(Instant, SessionId)>) {
        let apart = self.apart.as_ref().map_or((None, None), |apart| (apart.write_by, apart.deadline));
        let (deadline, before) = (earlier(self.session.poll_timeout(), apart.0), apart.1);
        if deadline != before {
            self.set_deadline(deadline, deadlines);
        }
    }

    #[inline(never)]
    fn set_deadline(&mut self, deadline: Option<Instant>, deadlines: &mut BTreeSet<(Instant, SessionId)>) {
        let id = self.id();
        self.change_apart(|apart| {
            if let Some(before) = std::mem::replace(&mut apart.deadline, deadline) {
                deadlines.remove(&(before, id));
            }
            deadlines.extend(deadline.map(|deadline| (deadline, id)));
        });
    }

    /// It has none any more.
    pub(super) fn forget_deadline(&mut self, deadlines: &mut BTreeSet<(Instant, SessionId)>) {
        self.set_deadline(None, deadlines);
    }

    /// Whether the link has not taken a byte for too long.
    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        let write_by = self.apart.as_ref().and_then(|apart| apart.write_by);
        write_by.is_some_and(|by| by <= now)
    }
}

/// What comes.
impl Live {
    /// Takes bytes of its link in.
    pub(super) fn read(
        &mut self,
        now: Instant,
        mut bytes: Bytes,
        engine: &mut Engine,
        stirred: &mut VecDeque<(Seat, SessionId)>,
    ) {
        if let Some(apart) = &mut self.apart {
            bytes = joined(std::mem::take(&mut apart.buffer), bytes);
        }
        while let Some(frame) = next_frame(&mut bytes) {
            self.session.handle_frame(now, frame);
        }
        if !bytes.is_empty() || self.apart.is_some() {
            self.change_apart(|apart| apart.buffer = bytes);
        }
        engine.handle_heard(now, &self.peer, self.id());
        self.stir(stirred);
    }

    /// Takes a batch without so many messages at its beginning, which vanish.
    pub(super) fn take_batch(
        &mut self,
        now: Instant,
        batch: Batch,
        without: usize,
        engine: &mut Engine,
        desk: &mut Desk,
    ) {
        self.may_tell |= batch.lane() != Lane::Control || !batch.iter().all(is_heartbeat);
        let (lane, end) = (batch.lane(), batch.end());
        match lane {
            Lane::Control | Lane::State => {
                if engine.handle_rest(now, &self.peer, self.id(), &batch, without) == Intake::OverBudget {
                    return;
                }
            }
            Lane::Events | Lane::Notifications => {
                let (peer, lanes) = (self.peer.clone(), Arc::clone(self.session.lanes()));
                return desk.put(Waiting { peer, session: self.id(), lanes, batch });
            }
            Lane::Requests => {}
        }
        self.session.lanes().done(lane, end);
    }
}

/// What goes.
impl Live {
    /// Cuts deltas as long as the lane has room for them.
    pub(super) fn fill_state(&mut self, engine: &mut Engine) {
        let (id, lanes) = (self.id(), self.session.lanes());
        loop {
            let room = lanes.room(Lane::State).min(MAX_DELTA + 1_024);
            if room < MAX_DELTA / 2 {
                return;
            }
            let Some(message) = engine.poll_state(&self.peer, id, room) else {
                self.may_tell = false;
                return;
            };
            if lanes.push(Lane::State, Payload::Shared(message)).is_err() {
                return;
            }
        }
    }

    /// Gives what it has to say to its link, as far as that takes it.
    pub(super) fn write(&mut self, now: Instant, tunnels: &mut TunnelStreams, network: &mut Network) {
        let mut out = self.apart.as_mut().map(|apart| std::mem::take(&mut apart.out)).unwrap_or_default();
        let (mut has_more, mut has_moved) = (true, false);
        loop {
            if out.is_empty() && has_more {
                out.budget = TURN;
                has_more = self.session.poll_transmit_into(&mut out);
            }
            if out.is_empty() || !self.give(&mut out, tunnels, network) {
                break;
            }
            has_moved = true;
        }
        if !out.is_empty() || self.apart.is_some() {
            self.fall_behind(now, out, has_moved);
        }
    }

    /// Gives something of this to the link; whether that took it.
    fn give(&self, out: &mut Pieces, tunnels: &mut TunnelStreams, network: &mut Network) -> bool {
        match self.socket {
            Some(socket) => network.offer(socket, |blocks| blocks.gather(out, TURN / 4)),
            None => self.give_tunnel(out, tunnels),
        }
    }

    #[inline(never)]
    fn give_tunnel(&self, out: &mut Pieces, tunnels: &mut TunnelStreams) -> bool {
        let (Some(Conduit::Tunnel(leg)), Some(piece)) = (self.conduit(), out.first_mut()) else {
            return false;
        };
        // What is wrong with a tunnel is told to its reader.
        let taken = tunnels.write(leg, piece).unwrap_or_default();
        piece.advance(taken);
        if piece.is_empty() {
            out.pop();
        }
        taken > 0
    }

    /// Keeps what the link has not taken, which is nothing if it has caught up.
    #[inline(never)]
    fn fall_behind(&mut self, now: Instant, out: Pieces, has_moved: bool) {
        self.change_apart(|apart| {
            apart.out = out;
            let write_by = apart.write_by.filter(|_| !has_moved).unwrap_or_else(|| now + WRITE_DEADLINE);
            apart.write_by = Some(write_by).filter(|_| !apart.out.is_empty());
        });
    }

    /// Everything that is still to be written once it is over.
    pub(super) fn last_words(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        let mut out = self.apart.as_mut().map(|apart| std::mem::take(&mut apart.out)).unwrap_or_default();
        out.budget = usize::MAX;
        self.session.poll_transmit_into(&mut out);
        std::iter::from_fn(move || out.pop())
    }
}

pub(super) fn joined(before: Bytes, bytes: Bytes) -> Bytes {
    if before.is_empty() { bytes } else { [&*before, &*bytes].concat().into() }
}

/// Takes the next whole frame out of what has come.
pub(super) fn next_frame(buffer: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(u32::from_be_bytes(*buffer.first_chunk::<PREFIX>()?)).ok()?;
    let behind = buffer.len().checked_sub(PREFIX + length)?;
    buffer.advance(PREFIX);
    // The last frame is all that is left: nobody shares its memory.
    Some(if behind == 0 { std::mem::take(buffer) } else { buffer.split_to(length) })
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn what_a_turn_looks_at_is_one_cache_line_and_the_session_is_behind_it() {
        assert_eq!(align_of::<Live>(), 64);
        assert_eq!(offset_of!(Live, session), 64);
    }
}
