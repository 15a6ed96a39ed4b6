//! Work over many rooms, in pieces: nobody waits for the engine longer than one piece takes.
//!
//! The rooms of a member that is gone, and what a pass did not confirm, are taken out of the union at most [`CHORE`] at a
//! time. The first piece is done at once, so only large states are ever seen half swept; the hashes of such a replica are
//! compared when it is done.

use cluster_transport::proto::{Instant, NodeId};

use super::event::StateEvent;
use super::machine::State;
use super::receiver::Occasion;

/// The most entries of one piece of work.
pub(super) const CHORE: usize = 1_000;

/// A pass whose sweep is not over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep {
    /// The owner's hash at the version that is here; none while what is here is not all that it has said.
    pub(super) hash: Option<u128>,
    pub(super) swept: usize,
}

impl State {
    /// Whether there is work left.
    pub fn has_chores(&self) -> bool {
        !self.ended.is_empty() || !self.sweeping.is_empty()
    }

    /// Does one piece of the work that is left. Whose replica it has completed, if it has.
    pub fn do_chore(&mut self, now: Instant) -> Option<NodeId> {
        if let Some(ended) = self.ended.last_mut() {
            if ended.clear(&mut self.table, CHORE) {
                let member = ended.member();
                self.ended.pop();
                self.release_member(member);
            }
            return None;
        }
        let owner = self.sweeping.first().cloned()?;
        self.sweep(now, &owner).then_some(owner)
    }

    /// Sweeps some of what an owner's pass did not confirm, and ends the pass with the last of it. Whether it has ended.
    pub(super) fn sweep(&mut self, now: Instant, owner: &NodeId) -> bool {
        let Some(peer) = self.peers.get_mut(owner) else { return self.sweeping.remove(owner) };
        let Some(sweep) = &mut peer.sweep else { return self.sweeping.remove(owner) };
        sweep.swept += peer.replica.sweep(&mut self.table, CHORE);
        let Sweep { hash, swept } = **sweep;
        if peer.replica.is_sweeping() {
            self.sweeping.insert(owner.clone());
            return false;
        }
        self.sweeping.remove(owner);
        // The next delta that is caught up ends the pass.
        let Some(hash) = hash else { return false };
        peer.sweep = None;
        peer.counters.passes_finished += 1;
        peer.counters.swept_rooms += u64::try_from(swept).unwrap_or(u64::MAX);
        let version = peer.receiver.settled().unwrap_or(0);
        self.tell(StateEvent::PassDone { owner: owner.clone(), version, swept });
        self.compare(now, owner, hash, Occasion::PassEnd);
        true
    }
}
