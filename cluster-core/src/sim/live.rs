//! A session that runs on its link, as a task of the runtime drives it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use cluster_transport::proto::frame::PREFIX;
use cluster_transport::proto::lanes::{Batch, Payload};
use cluster_transport::proto::session::Session;
use cluster_transport::proto::tunnel::TunnelStreams;
use cluster_transport::proto::{Instant, Lane, NodeId, SessionId};

use super::desk::{Desk, Waiting};
use super::links::Conduit;
use super::network::Network;
use super::process::{WRITE_DEADLINE, earlier};
use super::sessions::Seat;
use crate::engine::Engine;
use crate::engine::members::is_heartbeat;
use crate::engine::state::Intake;
use crate::engine::state::message::MAX_DELTA;

/// How much a session gives for one turn of its link.
const TURN: usize = 256 * 1024;

/// A session and its link.
///
/// In the order in which a heartbeat touches it: of a million sessions' ends each has its turn when nothing of it is at hand.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Live {
    pub(super) conduit: Conduit,
    pub(super) peer: NodeId,
    /// What the link is behind with. Mostly it is not.
    behind: Option<Box<Behind>>,
    seat: Seat,
    is_stirred: bool,
    /// Whether the engine may have state or registers for the peer. What a heartbeat leads to is said by the engine.
    pub(super) may_tell: bool,
    pub(super) session: Session,
}

/// What waits for more of a link.
#[derive(Debug, Default)]
struct Behind {
    /// What has come and is no whole frame yet.
    buffer: Bytes,
    /// What the link has not taken yet.
    out: VecDeque<Bytes>,
    write_by: Option<Instant>,
    /// The earliest of the session's deadlines, as of the last time that it was looked at.
    deadline: Option<Instant>,
}

impl Behind {
    fn is_over(&self) -> bool {
        self.buffer.is_empty() && self.out.is_empty() && self.write_by.is_none() && self.deadline.is_none()
    }
}

impl Live {
    pub(super) fn new(session: Session, conduit: Conduit, seat: Seat) -> Self {
        let peer = session.start().peer.clone();
        Self { conduit, peer, behind: None, seat, is_stirred: false, may_tell: true, session }
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

    fn change_behind(&mut self, change: impl FnOnce(&mut Behind)) {
        change(self.behind.get_or_insert_default());
        self.behind.take_if(|behind| behind.is_over());
    }
}

/// Deadlines.
impl Live {
    /// Notes when it wants to be looked at next.
    pub(super) fn note_deadline(&mut self, deadlines: &mut BTreeSet<(Instant, SessionId)>) {
        let behind = self.behind.as_ref().map_or((None, None), |behind| (behind.write_by, behind.deadline));
        let (deadline, before) = (earlier(self.session.poll_timeout(), behind.0), behind.1);
        if deadline != before {
            self.set_deadline(deadline, deadlines);
        }
    }

    #[inline(never)]
    fn set_deadline(&mut self, deadline: Option<Instant>, deadlines: &mut BTreeSet<(Instant, SessionId)>) {
        let id = self.id();
        self.change_behind(|behind| {
            if let Some(before) = std::mem::replace(&mut behind.deadline, deadline) {
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
        let write_by = self.behind.as_ref().and_then(|behind| behind.write_by);
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
        if let Some(behind) = &mut self.behind {
            bytes = joined(std::mem::take(&mut behind.buffer), bytes);
        }
        while let Some(frame) = next_frame(&mut bytes) {
            self.session.handle_frame(now, frame);
        }
        if !bytes.is_empty() || self.behind.is_some() {
            self.change_behind(|behind| behind.buffer = bytes);
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
        let mut out = std::mem::take(&mut network.spare);
        if let Some(behind) = &mut self.behind {
            std::mem::swap(&mut out, &mut behind.out);
        }
        let (mut has_more, mut has_moved) = (true, false);
        loop {
            if out.is_empty() && has_more {
                has_more = self.session.poll_transmit(&mut out, TURN);
            }
            if out.is_empty() || !give(self.conduit, &mut out, tunnels, network) {
                break;
            }
            has_moved = true;
        }
        if !out.is_empty() || self.behind.is_some() {
            self.fall_behind(now, &mut out, has_moved);
        }
        network.spare = out;
    }

    /// Keeps what the link has not taken, which is nothing if it has caught up.
    #[inline(never)]
    fn fall_behind(&mut self, now: Instant, out: &mut VecDeque<Bytes>, has_moved: bool) {
        self.change_behind(|behind| {
            std::mem::swap(out, &mut behind.out);
            let write_by = behind.write_by.filter(|_| !has_moved).unwrap_or_else(|| now + WRITE_DEADLINE);
            behind.write_by = Some(write_by).filter(|_| !behind.out.is_empty());
        });
    }

    /// Everything that is still to be written once it is over.
    pub(super) fn last_words(&mut self) -> VecDeque<Bytes> {
        let mut out = self.behind.take().map(|behind| behind.out).unwrap_or_default();
        self.session.poll_transmit(&mut out, usize::MAX);
        out
    }
}

/// Gives something of what waits to a link; whether that took it.
fn give(
    conduit: Conduit,
    out: &mut VecDeque<Bytes>,
    tunnels: &mut TunnelStreams,
    network: &mut Network,
) -> bool {
    match (conduit, out.front_mut()) {
        (Conduit::Socket(socket), _) => network.offer(socket, |blocks| blocks.gather(out, TURN / 4)),
        (Conduit::Tunnel(leg), Some(piece)) => {
            // What is wrong with a tunnel is told to its reader.
            let taken = tunnels.write(leg, piece).unwrap_or_default();
            piece.advance(taken);
            let is_empty = piece.is_empty();
            out.pop_front_if(|_| is_empty);
            taken > 0
        }
        (Conduit::Tunnel(_), None) => false,
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
