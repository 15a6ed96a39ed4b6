//! What can go wrong, and how it is put right.

use std::time::Duration;

use super::rule::{Rule, Way};
use super::world::Sim;

impl Sim {
    /// Kills a process: its links are closed by its system, whatever it had not written is lost.
    pub fn crash(&mut self, node: usize) {
        if self.end_process(node) {
            self.network.counters.crashes += 1;
            self.trace.note(self.now, node, "is killed", &[]);
        }
    }

    /// Kills a process and starts another one on the same address at once.
    pub fn restart(&mut self, node: usize) {
        self.crash(node);
        if self.start(node) {
            self.network.counters.restarts += 1;
        }
    }

    /// Sets the wall clock of a host back: its next process starts with an earlier epoch.
    pub fn set_clock_back(&mut self, node: usize, by: Duration) {
        if let Some(slot) = self.slots.get_mut(node) {
            slot.clock_behind += by;
        }
    }

    /// Has a process leave in good order; its process ends when its peers have taken that in.
    pub fn leave(&mut self, node: usize) {
        let Some(slot) = self.slots.get_mut(node).filter(|slot| slot.serves()) else { return };
        slot.is_leaving = true;
        self.network.counters.leaves += 1;
        self.model.gone(node);
        self.act(node, |process, now, network| {
            process.engine.leave(now);
            process.endpoint.set_leaving(now);
            process.settle(now, network);
            process.sessions.values_mut().for_each(|live| live.session.leave(now));
            process.stir_all();
        });
    }

    pub(super) fn end_process(&mut self, node: usize) -> bool {
        let Some(slot) = self.slots.get_mut(node) else { return false };
        let Some(process) = slot.process.take() else { return false };
        slot.is_stopped = false;
        slot.inbox.clear();
        // What its engine has counted outlives it.
        let state = process.engine.state().counters();
        self.network.counters.passes += state.passes_begun;
        self.network.counters.hash_mismatches += state.hash_mismatches;
        self.network.counters.gaps += state.gaps;
        self.model.gone(node);
        self.network.set_listening(node, false);
        self.network.close_all(self.now, node);
        self.plan(node);
        true
    }

    /// Stops a process (SIGSTOP): its system still accepts and buffers.
    pub fn pause(&mut self, node: usize) {
        if let Some(slot) = self.slots.get_mut(node).filter(|slot| slot.process.is_some() && !slot.is_stopped)
        {
            slot.is_stopped = true;
            self.network.counters.pauses += 1;
            self.trace.note(self.now, node, "is stopped", &[]);
            self.plan(node);
        }
    }

    /// Lets a stopped process go on (SIGCONT): it reads what has come meanwhile.
    pub fn resume(&mut self, node: usize) {
        let Some(slot) = self.slots.get_mut(node).filter(|slot| slot.is_stopped) else { return };
        slot.is_stopped = false;
        let inbox = std::mem::take(&mut slot.inbox);
        self.trace.note(self.now, node, "goes on", &[]);
        for (socket, arrival) in inbox {
            self.act(node, |process, now, network| process.handle_arrival(now, socket, arrival, network));
        }
        self.plan(node);
    }

    /// Loses everything on the way from one node to another.
    pub fn cut_one_way(&mut self, from: usize, to: usize) {
        self.network.set_way(from, to, Some(Way::Cut));
    }

    /// Loses everything between two nodes.
    pub fn cut(&mut self, a: usize, b: usize) {
        self.cut_one_way(a, b);
        self.cut_one_way(b, a);
    }

    /// Loses everything between two groups of nodes.
    pub fn split(&mut self, some: &[usize], others: &[usize]) {
        for a in some {
            for b in others {
                self.cut(*a, *b);
            }
        }
    }

    /// Refuses connections between two nodes and resets those there are.
    pub fn refuse(&mut self, a: usize, b: usize) {
        self.network.set_way(a, b, Some(Way::Refused));
        self.network.set_way(b, a, Some(Way::Refused));
        self.network.break_links(self.now, a, b);
    }

    /// Resets the links between two nodes, which may connect again.
    pub fn break_links(&mut self, a: usize, b: usize) {
        self.network.break_links(self.now, a, b);
    }

    /// Opens the ways between two nodes.
    pub fn mend(&mut self, a: usize, b: usize) {
        self.network.set_way(a, b, None);
        self.network.set_way(b, a, None);
    }

    /// Opens all ways and forgets all rules.
    pub fn heal(&mut self) {
        self.network.open_all_ways();
        self.network.clear_rules();
    }

    /// Has a rule decide about every parcel from now on.
    pub fn add_rule(&mut self, rule: impl Rule + 'static) {
        self.network.add_rule(Box::new(rule));
    }

    /// Changes what a node has of another one's room, behind its engine's back.
    pub fn corrupt(&mut self, node: usize, owner: usize, room: u32, count: u32) {
        let (owner, room) = (Self::id(owner), super::room(room).id());
        self.act(node, |process, _, _| process.engine.corrupt_replica(&owner, &room, count));
    }
}
