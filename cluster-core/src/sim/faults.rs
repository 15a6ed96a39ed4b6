//! What can go wrong, and how it is put right.

use std::ops::Range;
use std::time::Duration;

use super::network::Listening;
use super::rule::{Rule, Way};
use super::world::{Sim, Slot};
use crate::engine::ConnectionId;

/// A process that gets so much of the processor in each second is not to be removed.
const FAIR_SHARE: Duration = Duration::from_millis(20);

impl Sim {
    /// Kills a process: its links are closed by its system, whatever it had not written is lost.
    pub fn crash(&mut self, node: usize) {
        self.kill(node);
    }

    /// As [`crash`](Self::crash), on a host that is so busy that its system closes what the process listened on last, this much
    /// later than its links: until then connections are accepted and cut off.
    pub fn crash_slowly(&mut self, node: usize, dying: Duration) {
        if self.kill(node) {
            self.network.counters.slow_deaths += 1;
            self.network.set_listening(node, Listening::DyingUntil(self.now + dying));
        }
    }

    fn kill(&mut self, node: usize) -> bool {
        let is_killed = self.end_process(node);
        if is_killed {
            self.network.counters.crashes += 1;
            self.trace.note(self.now, node, "is killed", &[]);
        }
        is_killed
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
            self.network.counters.clocks += 1;
        }
    }

    /// Has the clock of a host gain so many microseconds a second from its next process on, or lose them.
    pub fn set_drift(&mut self, node: usize, ppm: i32) {
        if let Some(slot) = self.slots.get_mut(node) {
            slot.drift = ppm;
            self.network.counters.clocks += 1;
        }
    }

    /// Has the host of a node be busy for so long with whatever it takes; zero makes it quick again.
    pub fn set_host_lag(&mut self, node: usize, lag: Duration) {
        let Some(slot) = self.slots.get_mut(node) else { return };
        slot.host_lag = lag;
        if let Some(process) = &mut slot.process {
            process.desk.lag = lag;
        }
    }

    /// Starts a second process of a node's id, on a host of its own; whether that host was free. [`end_twin`](Self::end_twin) ends it.
    pub fn start_twin(&mut self, node: usize) -> bool {
        let host = self.settings.nodes;
        match self.slots.get_mut(host) {
            Some(slot) if slot.process.is_none() => slot.twin_of = Some(node),
            _ => return false,
        }
        self.twinned.insert(node);
        self.network.counters.twins += 1;
        self.start_process(host)
    }

    /// Kills the second process of a node's id.
    pub fn end_twin(&mut self) {
        self.end_process(self.settings.nodes);
    }

    /// Has discovery fail, or answer again.
    pub fn set_discovery_down(&mut self, is_down: bool) {
        self.network.discovery.is_down = is_down;
    }

    /// Has discovery name so many stale addresses of each kind: where nobody answers, where it is refused, where another node is.
    pub fn set_stale_entries(&mut self, entries: usize) {
        self.network.discovery.stale = entries;
    }

    /// Lets time pass while a process gets the processor for so long in each second only.
    pub fn run_starved(&mut self, node: usize, span: Duration, share: Duration) {
        const SLICE: Duration = Duration::from_secs(1);
        let end = self.now + span;
        let set = |sim: &mut Self, starved| {
            if let Some(slot) = sim.slots.get_mut(node) {
                slot.starved = starved;
            }
        };
        set(self, Some(share));
        while self.now < end {
            self.run_for(share.min(SLICE));
            let is_running =
                self.slots.get(node).is_some_and(|slot| slot.process.is_some() && !slot.is_stopped);
            if is_running {
                self.stop(node);
                self.network.counters.starved += 1;
            }
            self.run_for(SLICE.saturating_sub(share));
            if is_running {
                self.resume(node);
            }
        }
        set(self, None);
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
            process.sessions.iter_mut().for_each(|live| live.session.leave(now));
            process.stir_all();
        });
    }

    pub(super) fn end_process(&mut self, node: usize) -> bool {
        let Some(slot) = self.slots.get_mut(node) else { return false };
        let Some(process) = slot.process.take() else { return false };
        slot.is_stopped = false;
        slot.inbox.clear();
        // What it has counted outlives it.
        self.network.counters.add_process(&process);
        self.model.gone(node);
        self.network.set_listening(node, Listening::No);
        self.network.close_all(node);
        self.plan(node);
        true
    }

    /// Stops a process (SIGSTOP): its system still accepts and buffers.
    pub fn pause(&mut self, node: usize) {
        if self.stop(node) {
            self.network.counters.pauses += 1;
        }
    }

    fn stop(&mut self, node: usize) -> bool {
        let runs = |slot: &&mut Slot| slot.process.is_some() && !slot.is_stopped;
        let Some(slot) = self.slots.get_mut(node).filter(runs) else { return false };
        slot.is_stopped = true;
        // With so much of the processor a node must be able to hold its place.
        if slot.starved.is_none_or(|share| share < FAIR_SHARE) {
            slot.disturbed = self.now;
        }
        self.trace.note(self.now, node, "is stopped", &[]);
        self.plan(node);
        true
    }

    /// Lets a stopped process go on (SIGCONT): it reads what has come meanwhile.
    pub fn resume(&mut self, node: usize) {
        let Some(slot) = self.slots.get_mut(node).filter(|slot| slot.is_stopped) else { return };
        slot.is_stopped = false;
        if slot.starved.is_none_or(|share| share < FAIR_SHARE) {
            slot.disturbed = self.now;
        }
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
        self.network.break_links(a, b);
    }

    /// Resets the links between two nodes, which may connect again.
    pub fn break_links(&mut self, a: usize, b: usize) {
        self.network.break_links(a, b);
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

    /// Has a node tell another one its last changes of rooms again, behind its engine's back.
    pub fn repeat_changes(&mut self, node: usize, peer: usize, changes: u32) {
        let peer = Self::id(peer);
        self.serve(node, |process, _, _| {
            process.engine.misplace_sender(&peer, -i64::from(changes));
            process.stir_all();
        });
    }

    /// Subscribes a connection of a node to so many rooms, and has it leave them out of what it tells another one, behind its
    /// engine's back.
    pub fn leave_out_changes(&mut self, node: usize, peer: usize, rooms: Range<u32>) {
        let (peer, id) = (Self::id(peer), ConnectionId(u64::MAX));
        let changed = self.serve(node, |process, now, _| {
            let subscribe = |room: &u32| process.engine.subscribe(now, id, &super::room(*room)).is_ok();
            let changed: Vec<u32> = rooms.filter(subscribe).collect();
            process.engine.misplace_sender(&peer, i64::try_from(changed.len()).unwrap_or(i64::MAX));
            process.stir_all();
            changed
        });
        changed.into_iter().flatten().for_each(|room| self.model.subscribe(node, id, room));
    }

    /// Has the next state message from one node to another vanish at the other one, behind its engine's back: when its session
    /// has taken it already, and acknowledges it.
    pub fn swallow(&mut self, from: usize, to: usize) {
        let from = Self::id(from);
        self.act(to, |process, _, _| process.swallows.next_of(from));
    }

    /// Changes what a node has of another one's room, behind its engine's back.
    pub fn corrupt(&mut self, node: usize, owner: usize, room: u32, count: u32) {
        let (owner, room) = (Self::id(owner), super::room(room).id());
        self.act(node, |process, _, _| process.engine.corrupt_replica(&owner, &room, count));
    }
}
