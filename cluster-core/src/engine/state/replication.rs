//! What comes from the other owners and what goes to them.

use std::time::Duration;

use bytes::Bytes;
use cluster_transport::proto::{Incarnation, Instant, NodeId};

use super::chores::{CHORE, Sweep};
use super::event::StateEvent;
use super::machine::State;
use super::message::{ASK, Ask, BEGIN, Begin, DELTA, Delta, Position};
use super::peer::{Applied, Conflicts, Link, Peer};
use super::receiver::{Comparison, Judgement, Occasion, Reach};
use crate::engine::wire::{PeerFault, decode, encode, skip_unknown, split};

/// What became of a message of the state lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// It was dealt with, and may be acknowledged.
    Taken,
    /// Its sender holds more than the limits allow: it is not applied and must not be acknowledged.
    OverBudget,
}

impl State {
    /// A session with a peer began. What its earlier incarnation held stays until a pass of this one is complete.
    ///
    /// Next, each side says [`position_of`](Self::position_of) the other's state.
    pub fn handle_peer_up(&mut self, node: &NodeId, incarnation: Incarnation) {
        if *node == self.me {
            return;
        }
        if !self.peers.contains(node) {
            let peer = Peer::new(incarnation, self.take_member());
            self.peers.insert(node.clone(), peer);
        }
        self.turns.end(node);
        if let Some(peer) = self.peers.get_mut(node) {
            peer.connect(incarnation);
            if peer.receiver.wants_pass() {
                self.turns.want(node);
            }
            if peer.receiver.needs_pass() && !self.turns.has(node) {
                peer.receiver.wait_for_turn();
            }
        }
    }

    /// A peer said at the start of the session what it has of this node's state.
    pub fn handle_position(&mut self, node: &NodeId, position: Position) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        if peer.link != Link::Down {
            peer.sender.resume(&self.log, self.incarnation, position);
        }
    }

    /// The session with a peer ended; what it holds stays.
    pub fn handle_peer_down(&mut self, node: &NodeId) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.link = Link::Down;
            peer.sender.pause();
        }
        self.turns.end(node);
        self.unacknowledged.remove(node);
    }

    /// A member is gone, and what it held with it.
    pub fn handle_member_removed(&mut self, node: &NodeId) {
        self.turns.end(node);
        self.unacknowledged.remove(node);
        if let Some(mut peer) = self.peers.remove(node) {
            self.counters += peer.counters;
            self.sweeping.remove(node);
            peer.replica.begin_end();
            if peer.replica.clear(&mut self.table, CHORE) {
                self.release_member(peer.replica.member());
            } else {
                self.ended.push(peer.replica);
            }
            self.release_tombstones();
        }
    }

    /// A message of the state lane of a peer's session.
    ///
    /// # Errors
    /// What only a faulty peer sends: its session is to be closed.
    pub fn handle_state(&mut self, now: Instant, node: &NodeId, message: &[u8]) -> Result<Intake, PeerFault> {
        let taken = self.take_message(now, node, message);
        if taken.is_err() {
            let peer = self.peers.get_mut(node).map(|peer| &mut peer.counters);
            peer.unwrap_or(&mut self.counters).faults += 1;
        }
        taken
    }

    /// A peer said that it has applied this node's state up to a version.
    ///
    /// # Errors
    /// A version that does not exist yet.
    pub fn handle_applied(&mut self, node: &NodeId, version: u64) -> Result<(), PeerFault> {
        let limit = self.version();
        if version > limit {
            self.counters.faults += 1;
            return Err(PeerFault::FutureVersion { got: version, limit });
        }
        let Some(peer) = self.peers.get_mut(node) else { return Ok(()) };
        peer.sender.acknowledge(version);
        let released = peer.sender.release();
        if self.log.oldest_tombstone().is_some_and(|oldest| oldest <= released) {
            self.release_tombstones();
        }
        Ok(())
    }

    /// An owner said which version it has and what the hash of its state is: compared if this node has just that version.
    pub fn handle_claim(&mut self, now: Instant, owner: &NodeId, version: u64, hash: u128) {
        let differs = |peer: &Peer| peer.is_comparable(version) && !peer.is_known_to_equal(hash);
        if self.peers.get(owner).is_some_and(differs) {
            self.compare(now, owner, hash, Occasion::InPassing);
        }
    }

    /// An owner's heartbeat came, with what it claims. If it has told of more than is here for so long (several beats), and nothing has
    /// come meanwhile that goes on from where this node is, what is missing is asked for again: from there, or as the pass that was
    /// asked for.
    pub fn handle_beat(
        &mut self,
        now: Instant,
        owner: &NodeId,
        version: u64,
        hash: u128,
        patience: Duration,
    ) {
        let Some(peer) = self.peers.get_mut(owner) else { return };
        if peer.is_known_to_be_at(version, hash) {
            return peer.stall.end();
        }
        self.handle_claim(now, owner, version, hash);
        let Some(peer) = self.peers.get_mut(owner).filter(|peer| peer.link == Link::Up) else { return };
        if !peer.receiver.lacks(version) {
            return peer.stall.end();
        }
        if peer.receiver.is_to_ask() {
            return peer.stall.begin_anew();
        }
        if !peer.stall.beat(now, patience) {
            return;
        }
        peer.receiver.ask_again();
        peer.counters.asked_again += 1;
        let here = peer.receiver.position().unwrap_or(0);
        if peer.receiver.wants_pass() {
            self.turns.want(owner);
        }
        let times = peer.stall.asked();
        self.tell(StateEvent::AskedAgain { owner: owner.clone(), from: here, to: version, times });
    }

    /// This process did not run for a while: what came meanwhile is still to be read.
    pub fn handle_pause(&mut self) {
        self.peers.iter_mut().for_each(|(_, peer)| peer.stall.begin_anew());
    }

    /// Asks every owner in session and within budget for a pass, and says which those are;
    /// [`StateEvent::Verified`] tells of each pass that is complete.
    pub fn verify(&mut self) -> Vec<NodeId> {
        let in_session = self.peers.iter_mut().filter(|(_, peer)| peer.link == Link::Up);
        let ask = |(node, peer): (&NodeId, &mut Peer)| {
            peer.receiver.verify();
            node.clone()
        };
        let mut asked: Vec<NodeId> = in_session.map(ask).collect();
        asked.sort_unstable();
        asked.iter().for_each(|node| self.turns.want(node));
        asked
    }

    /// What this node has of an owner's state, as told at the start of a session.
    pub fn position_of(&self, owner: &NodeId) -> Position {
        let Some(peer) = self.peers.get(owner) else { return Position::Nothing };
        if peer.receiver.needs_pass() && !self.turns.has(owner) {
            return Position::Later;
        }
        peer.receiver.state_position(peer.incarnation)
    }

    /// The next message for a peer's state lane, of at most `limit` bytes; `None` if there is none or it does not fit.
    ///
    /// It is cut when asked for and holds the newest values: ask when the lane has room, and send what comes.
    pub fn poll_state(&mut self, node: &NodeId, limit: usize) -> Option<Bytes> {
        let peer = self.peers.get_mut(node).filter(|peer| peer.link != Link::Down)?;
        if limit >= ASK_BYTES
            && let Some(ask) = peer.receiver.poll_ask(peer.incarnation, self.turns.has(node))
        {
            return Some(encode(ASK, &ask));
        }
        let message = peer.sender.poll(&self.log, &self.table, limit)?;
        match message.first() {
            Some(&BEGIN) => peer.counters.passes_served += 1,
            _ => peer.counters.deltas_sent += 1,
        }
        Some(message)
    }

    /// The next owner that has to hear how far this node has applied its state, and that version.
    pub fn poll_applied(&mut self) -> Option<(NodeId, u64)> {
        while let Some(node) = self.unacknowledged.pop_first() {
            if let Some(version) = self.peers.get(&node).and_then(|peer| peer.receiver.position()) {
                return Some((node, version));
            }
        }
        None
    }

    /// Whether [`poll_applied`](Self::poll_applied) may have something to say.
    pub fn has_applied(&self) -> bool {
        !self.unacknowledged.is_empty()
    }

    fn take_message(&mut self, now: Instant, node: &NodeId, message: &[u8]) -> Result<Intake, PeerFault> {
        let (kind, body) = split(message)?;
        let Some(peer) = self.peers.get_mut(node).filter(|peer| peer.link != Link::Down) else {
            self.counters.strays += 1;
            return Ok(Intake::Taken);
        };
        match kind {
            BEGIN | DELTA if peer.link == Link::OverBudget => return Ok(Intake::OverBudget),
            BEGIN => {
                let Begin { start } = decode(kind, body)?;
                if peer.receiver.is_past(start) {
                    peer.counters.duplicates += 1;
                    return Ok(Intake::Taken);
                }
                peer.stall.begin_anew();
                peer.replica.begin_pass();
                let again = peer.receiver.begin(start) | peer.sweep.take().is_some();
                peer.counters.passes_begun += 1;
                peer.counters.passes_restarted += u64::from(again);
                self.turns.begin(node);
                self.tell(StateEvent::PassBegun { owner: node.clone(), start, again });
            }
            DELTA => return self.take_delta(now, node, decode(kind, body)?),
            ASK => {
                let Ask { position } = decode(kind, body)?;
                peer.sender.resume(&self.log, self.incarnation, position);
            }
            unknown => {
                skip_unknown(unknown)?;
                peer.counters.unknown_messages += 1;
            }
        }
        Ok(Intake::Taken)
    }

    fn take_delta(&mut self, now: Instant, node: &NodeId, delta: Delta<'_>) -> Result<Intake, PeerFault> {
        let Some(peer) = self.peers.get_mut(node) else { return Ok(Intake::Taken) };
        let (from, to, caught_up) = (delta.from, delta.to, delta.caught_up);
        match peer.receiver.judge(from, to, reach(caught_up)) {
            Judgement::Impossible => return Err(PeerFault::ImpossibleDelta { from, to }),
            Judgement::Duplicate => {
                peer.counters.duplicates += 1;
                peer.note_life();
            }
            Judgement::Gap => {
                peer.counters.gaps += 1;
                if peer.receiver.miss() {
                    if peer.receiver.needs_pass() {
                        self.turns.want(node);
                    }
                    let (owner, here) = (node.clone(), peer.receiver.position().unwrap_or(0));
                    self.tell(StateEvent::Gap { owner, from: here, to: from });
                }
            }
            Judgement::Apply => match peer.apply(&mut self.table, self.limits, delta) {
                Applied::Malformed => return Err(PeerFault::Malformed { kind: DELTA }),
                Applied::OverBudget => {
                    peer.link = Link::OverBudget;
                    self.turns.end(node);
                    peer.counters.over_budget += 1;
                    self.tell(StateEvent::OverBudget { owner: node.clone() });
                    return Ok(Intake::OverBudget);
                }
                Applied::All(conflicts) => self.finish_delta(now, node, to, caught_up, conflicts),
            },
        }
        Ok(Intake::Taken)
    }

    fn finish_delta(
        &mut self,
        now: Instant,
        node: &NodeId,
        to: u64,
        caught_up: Option<u128>,
        conflicts: Conflicts,
    ) {
        self.tell_conflicts(node, conflicts);
        let Some(peer) = self.peers.get_mut(node) else { return };
        peer.counters.deltas_applied += 1;
        peer.note_life();
        let occasion = peer.receiver.advance(to, reach(caught_up));
        self.unacknowledged.insert(node.clone());
        self.turns.progress(node);
        if occasion == Occasion::PassEnd {
            self.turns.end(node);
            if peer.receiver.wants_pass() {
                self.turns.want(node);
            }
            peer.replica.begin_sweep();
            peer.sweep = Some(Box::new(Sweep { hash: caught_up, swept: 0 }));
            self.sweep(now, node);
        } else if let Some(sweep) = &mut peer.sweep {
            sweep.hash = caught_up;
            if caught_up.is_some() && !peer.replica.is_sweeping() {
                self.sweep(now, node);
            }
        } else if let Some(hash) = caught_up {
            self.compare(now, node, hash, occasion);
        }
    }

    pub(super) fn compare(&mut self, now: Instant, owner: &NodeId, hash: u128, when: Occasion) {
        let Some(peer) = self.peers.get_mut(owner) else { return };
        let ours = peer.replica.hash().value();
        let verified = when == Occasion::PassEnd && peer.receiver.take_verified();
        let version = peer.receiver.settled().unwrap_or(0);
        match peer.receiver.compare(now, ours, hash, when) {
            Comparison::Equal | Comparison::Known => {}
            Comparison::Repairing => {
                peer.counters.hash_mismatches += 1;
                self.turns.want(owner);
                self.tell(StateEvent::Differs { owner: owner.clone(), version });
            }
            Comparison::Unrepaired => {
                peer.counters.unrepaired += 1;
                self.tell(StateEvent::Unrepaired { owner: owner.clone(), version });
            }
        }
        if verified {
            self.tell(StateEvent::Verified { owner: owner.clone(), equal: ours == hash });
        }
    }

    /// Has what a peer is told go on so many versions further or back, as a bug would: to show that a gap is filled and a
    /// repetition ignored.
    #[cfg(any(test, feature = "sim"))]
    pub fn misplace_sender(&mut self, peer: &NodeId, by: i64) {
        let newest = self.log.version();
        if let Some(peer) = self.peers.get_mut(peer) {
            let at = peer.sender.sent().saturating_add_signed(by).min(newest);
            peer.sender.misplace(at);
        }
    }

    /// Changes one count of a replica as a bug would: to show that it is noticed and repaired.
    #[cfg(any(test, feature = "sim"))]
    pub fn corrupt_replica(&mut self, owner: &NodeId, room: &crate::engine::room::RoomId, count: u32) {
        if let (Some(peer), Some(slot)) = (self.peers.get_mut(owner), self.table.find(room)) {
            peer.replica.set(&mut self.table, slot, std::num::NonZeroU32::new(count));
        }
    }
}

fn reach(caught_up: Option<u128>) -> Reach {
    if caught_up.is_some() { Reach::CaughtUp } else { Reach::Part }
}

/// The longest `Ask`.
const ASK_BYTES: usize = 64;
