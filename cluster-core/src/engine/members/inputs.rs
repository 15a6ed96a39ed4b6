//! What the world did: sessions, dials, discovery, time, and this node's own state.

use std::sync::Arc;

use cluster_transport::proto::address::Scheme;
use cluster_transport::proto::{Address, Incarnation, Instant, NodeId, SessionId};
use rand::RngExt as _;

use super::doubt::Sign;
use super::event::{CloseReason, DoubtCause, MemberEvent, RemovalReason};
use super::table::Admission;
use super::targets::Source;
use super::timing::SUPERSEDED_LIFE;
use super::wire::{Heard, MAX_ADDRESSES, StateRow};
use super::{MAX_TARGETS, Members};
use crate::engine::input::{DialOutcome, DownCause, SessionUp};
use crate::engine::registers::Awaited;

impl Members {
    /// A session is established.
    pub fn handle_session_up(&mut self, now: Instant, up: SessionUp) {
        self.awake(now);
        let SessionUp { node, incarnation, session, mut addresses, dialled: _ } = up;
        addresses.truncate(MAX_ADDRESSES);
        if node == self.settings.me {
            return self.close(&node, session, CloseReason::OwnId);
        }
        match self.table.admission(&node, incarnation) {
            Admission::Older { epoch } => {
                return self.close(&node, session, CloseReason::Superseded { epoch });
            }
            Admission::Full => return self.close(&node, session, CloseReason::TooManyMembers),
            Admission::Newer => {
                self.remove(now, &node, RemovalReason::NewerIncarnation);
                self.join(now, &node, incarnation, &addresses);
            }
            Admission::New => self.join(now, &node, incarnation, &addresses),
            Admission::Same => {}
        }
        self.adopt(now, &node, session, addresses);
        self.settle(now);
    }

    /// A session ended. An end of another session than the member's present one changes nothing.
    pub fn handle_session_down(&mut self, now: Instant, node: &NodeId, session: SessionId, cause: DownCause) {
        self.awake(now);
        let Some(member) = self.table.get_mut(node) else { return };
        if member.session != Some(session) {
            return;
        }
        member.session = None;
        if cause != DownCause::Replaced {
            let askers = member.askers.take_all();
            self.tell_askers(askers, Heard::NoSession);
        }
        self.outbox.clear(node);
        match cause {
            DownCause::Left => self.remove(now, node, RemovalReason::Left),
            DownCause::Superseded => self.remove(now, node, RemovalReason::NewerIncarnation),
            DownCause::Replaced => {}
            DownCause::Eof => self.doubt(now, node, DoubtCause::Eof),
            DownCause::Failed(why) => self.doubt(now, node, DoubtCause::Failed(why)),
            DownCause::ClosedByUs => self.doubt(now, node, DoubtCause::ClosedByUs),
        }
        self.settle(now);
    }

    /// Bytes came from a member. Called for each read, and cheap.
    pub fn handle_heard(&mut self, now: Instant, node: &NodeId, session: SessionId) {
        self.awake(now);
        let Some(member) = self.table.get_mut_of_session(node) else { return };
        if member.session != Some(session) {
            return;
        }
        member.last_heard = now;
        if member.doubt.is_some() || member.askers.are_waiting() {
            self.hear_at_last(now, node);
        }
    }

    /// A member was heard that this node or another one has waited for.
    #[cold]
    fn hear_at_last(&mut self, now: Instant, node: &NodeId) {
        let Some(member) = self.table.get_mut_of_session(node) else { return };
        let (askers, is_doubted) = (member.askers.take_waiting(), member.doubt.is_some());
        self.tell_askers(askers, Heard::Since);
        if is_doubted {
            self.recover(now, node);
        }
    }

    /// Another process with a member's id tried to come in: the member's session is put in doubt.
    pub fn handle_duplicate(&mut self, now: Instant, node: &NodeId) {
        self.awake(now);
        self.doubt(now, node, DoubtCause::DuplicateId);
        self.settle(now);
    }

    /// What would tell at once that a member's process has ended has told so: the member is put in doubt.
    pub fn handle_life_line_cut(&mut self, now: Instant, node: &NodeId) {
        self.awake(now);
        self.doubt(now, node, DoubtCause::LifeLineCut);
        self.settle(now);
    }

    /// The transport dials an address.
    pub fn handle_dial_started(&mut self, now: Instant, address: &Address) {
        self.awake(now);
        self.targets.handle_dial_started(now, address);
        self.settle(now);
    }

    /// A probe could not be dialled now, because too many others are under way: it is asked for again.
    pub fn handle_probe_deferred(&mut self, now: Instant, address: &Address) {
        self.awake(now);
        self.table.doubts_mut().for_each(|doubt| doubt.handle_deferred(now, address));
        self.settle(now);
    }

    /// A dial is connected and waits for the other side's handshake: whatever is there, it is not gone.
    pub fn handle_dial_connected(&mut self, now: Instant, address: &Address) {
        self.awake(now);
        let mut has_doubts = false;
        for doubt in self.table.doubts_mut() {
            has_doubts = true;
            doubt.handle_connected(address);
        }
        // To nobody else it says anything.
        if has_doubts {
            self.settle(now);
        }
    }

    /// A dial ended.
    pub fn handle_dial_outcome(&mut self, now: Instant, address: &Address, outcome: &DialOutcome) {
        self.awake(now);
        self.targets.handle_outcome(address);
        match outcome {
            DialOutcome::Session { node } | DialOutcome::Alias { node } => {
                self.met(now, address, node, None);
            }
            DialOutcome::OtherNode { node, incarnation } => self.met(now, address, node, Some(*incarnation)),
            DialOutcome::Myself => {
                let (me, incarnation) = (self.settings.me.clone(), self.settings.incarnation);
                self.met(now, address, &me, Some(incarnation));
            }
            DialOutcome::ConnectionRefused
            | DialOutcome::Unreachable(_)
            | DialOutcome::NoAnswer
            | DialOutcome::NoWelcome
            | DialOutcome::CutOff(_)
            | DialOutcome::Refused { .. } => {
                let timing = self.settings.timing;
                for doubt in self.table.doubts_mut() {
                    doubt.handle_outcome(now, address, outcome, timing);
                }
            }
        }
        self.settle(now);
    }

    /// Somebody gave a name at an address.
    fn met(&mut self, now: Instant, address: &Address, who: &NodeId, incarnation: Option<Incarnation>) {
        if self.absent.answered(address, who) {
            self.targets.remove(address, &Source::Absent);
        }
        let timing = self.settings.timing;
        let mut alive = false;
        for doubt in self.table.doubts_mut() {
            alive |= doubt.handle_met(now, address, who, incarnation, timing) == Sign::Alive;
        }
        // A member without a session recovers with its next one only.
        if let Some(member) = self.table.get_mut(who)
            && alive
            && member.session.is_some()
        {
            member.last_heard = now;
            self.recover(now, who);
        }
    }

    /// What a discovery provider answered: all addresses that it knows now, or why it cannot say.
    pub fn handle_discovered(&mut self, now: Instant, provider: &str, answer: Result<&[Address], &str>) {
        self.awake(now);
        if let Ok(addresses) = answer {
            self.discovery_pending = false;
            let addresses = addresses.get(..MAX_TARGETS).unwrap_or(addresses);
            // Nodes that start together with the same list do not all begin with the same few, which would be too busy for them.
            let start = self.rng.random_range(0..addresses.len().max(1));
            let (last, first) = addresses.split_at(start);
            let mut named = [first, last].concat();
            // Of a node with both, the address of QUIC comes first: the other one then waits for it.
            named.sort_by_key(|address| address.scheme() != Scheme::Quic);
            self.targets.replace(&Source::Provider(Arc::from(provider)), &named);
        }
        self.settle(now);
    }

    /// The state of an owner, this node included, is complete here up to a version.
    pub fn handle_state(&mut self, now: Instant, row: StateRow) {
        self.awake(now);
        if row.owner == self.settings.me {
            self.agreement.set_row(row);
            return;
        }
        let Some(member) = self.table.get_mut(&row.owner) else { return };
        if member.incarnation != row.incarnation {
            return;
        }
        let version = row.version;
        self.agreement.set_row(row);
        if member.catch_up.handle_applied(version) {
            self.settle(now);
        }
    }

    /// Whose registers are still to be read before this node is ready.
    pub fn handle_registers(&mut self, now: Instant, awaited: Option<Awaited>) {
        if self.registers != awaited {
            self.registers = awaited;
            self.settle(now);
        }
    }

    /// A peer knows a newer life of this node, or another process of its id.
    pub fn handle_superseded(&mut self, now: Instant, epoch: u64) {
        self.awake(now);
        let known = self.superseded.map(|(known, _)| known);
        let highest = known.map_or(epoch, |known| known.max(epoch));
        self.superseded = Some((highest, now + SUPERSEDED_LIFE));
        if known != Some(highest) {
            self.emit(MemberEvent::Superseded { epoch });
        }
        self.settle(now);
    }

    /// This node goes on as a later incarnation; an earlier one is ignored.
    pub fn handle_reincarnated(&mut self, now: Instant, incarnation: Incarnation) {
        self.awake(now);
        if incarnation > self.settings.incarnation {
            self.settings.incarnation = incarnation;
            self.superseded = self.superseded.filter(|(epoch, _)| *epoch >= incarnation.epoch);
        }
        self.settle(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.awake(now);
        if now >= self.next_beat {
            self.beat(now);
        }
        if self.tell_fresh.is_some_and(|due| due <= now) {
            self.tell_fresh = None;
            self.tell_fresh_sessions();
        }
        self.superseded = self.superseded.filter(|(_, until)| *until > now);
        let expired = self.absent.expire(now);
        self.drop_absent(&expired);
        self.settle(now);
    }
}
