//! Who is there, who is gone, and whether this node may serve: the membership of the cluster as one node sees it.
//!
//! [`Members`] owns one record a member, the running doubts, the addresses to dial, agreement and readiness. It knows no rooms.
//! It refuses lower incarnations than those on record. Invariants: `Joined` and `Removed` alternate for each node; every
//! table is bounded; after `handle_timeout(now)` the next deadline is after `now`; a verdict holds for this node alone.
//! Outputs are to be drained after every input.

mod absent;
mod agreement;
mod catch_up;
mod claims;
mod control;
mod doubt;
mod event;
mod health;
mod hints;
mod inputs;
mod judge;
mod lifecycle;
mod opinions;
mod outbox;
mod readiness;
mod settings;
mod survey;
mod table;
mod targets;
mod timing;
mod verbs;
mod wire;
mod words;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use cluster_transport::proto::{Instant, NodeId, SessionId};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use self::absent::Absent;
use self::agreement::Agreement;
use self::health::Health;
use self::outbox::Outbox;
use self::readiness::Readiness;
use self::table::Table;
use self::targets::Targets;

pub use self::absent::MAX_ABSENT;
pub use self::claims::Claims;
pub use self::event::{Action, CloseReason, DoubtCause, Evidence, MemberEvent, RemovalReason};
pub use self::readiness::Reason;
pub use self::settings::{
    DEFAULT_MINIMUM_NODES, DEFAULT_READY_WAIT, Discovery, MAX_HEARTBEAT, MIN_HEARTBEAT, MembersSettings,
    MembersSettingsBuilder, MembersSettingsError,
};
pub use self::table::{MAX_MEMBERS, Member};
pub use self::targets::MAX_TARGETS;
pub use self::timing::{DEFAULT_HEARTBEAT, doubted_after};
pub use self::verbs::{Drain, DrainError, HoldError, MAX_HOLD, UnknownNode};
pub use self::wire::{MAX_ADDRESSES, StateRow};
pub(crate) use wire::is_heartbeat;
#[cfg(any(test, feature = "sim"))]
pub(crate) use wire::recode;
#[cfg(test)]
pub(super) use wire::{COMPARE, HEARTBEAT, VIEW};

use crate::engine::registers::Awaited;

/// The kind of the greeting on the control lane, which the layer above builds and reads.
pub const GREETING: u8 = 1;

/// The membership, as this node sees it.
#[derive(Debug)]
pub struct Members {
    settings: MembersSettings,
    rng: ChaCha8Rng,
    table: Table,
    targets: Targets,
    absent: Absent,
    agreement: Agreement,
    readiness: Readiness,
    health: Health,
    outbox: Outbox,
    events: VecDeque<MemberEvent>,
    discovery_pending: bool,
    registers: Option<Awaited>,
    /// The epoch of a newer life of this node, and until when that is believed unless it is said again.
    superseded: Option<(u64, Instant)>,
    presence: Presence,
    self_doubt: bool,
    /// Nodes whose sessions the others have not been told of yet, and when they are.
    fresh: BTreeSet<NodeId>,
    tell_fresh: Option<Instant>,
    /// Members about which others have asked lately.
    asked_about: BTreeSet<NodeId>,
    /// Peers that were not told yet where all the others are, and how many were since the last beat.
    untold: BTreeSet<NodeId>,
    told: usize,
    next_beat: Instant,
    next_ping: u64,
    wake: Instant,
    skipped: u64,
}

/// How long this node means to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Staying,
    Draining,
    Leaving,
}

impl Members {
    /// A node without members. Without discovery and with a quorum of one it is ready at once.
    pub fn new(settings: MembersSettings, now: Instant, mut rng: ChaCha8Rng) -> Self {
        let timing = settings.timing;
        let (of_table, of_rows) = (rng.next_u64(), rng.next_u64());
        let mut members = Self {
            rng,
            table: Table::new(of_table),
            targets: Targets::new(settings.ready_wait),
            absent: Absent::default(),
            agreement: Agreement::new(timing, of_rows),
            readiness: Readiness::new(timing),
            health: Health::new(timing, now),
            outbox: Outbox::default(),
            events: VecDeque::new(),
            discovery_pending: settings.discovery == Discovery::Configured,
            registers: settings.registers,
            superseded: None,
            presence: Presence::Staying,
            self_doubt: false,
            fresh: BTreeSet::new(),
            tell_fresh: None,
            asked_about: BTreeSet::new(),
            untold: BTreeSet::new(),
            told: 0,
            next_beat: now + timing.heartbeat(),
            next_ping: 0,
            wake: now,
            skipped: 0,
            settings,
        };
        members.settle(now);
        members
    }

    /// The next control message and whom it is for.
    pub fn poll_control(&mut self) -> Option<(NodeId, Bytes)> {
        self.outbox.pop()
    }

    /// The next thing for the transport to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.targets.poll_action()
    }

    /// The next event, in the order in which they happened.
    pub fn poll_event(&mut self) -> Option<MemberEvent> {
        self.events.pop_front()
    }

    /// Whether there is a control message or an action to poll.
    pub(in crate::engine) fn has_output(&self) -> bool {
        self.outbox.has_messages() || self.targets.has_actions()
    }

    /// Whether there is an event to poll.
    pub fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// When `handle_timeout` is to be called; at the latest a heartbeat from now.
    pub fn poll_timeout(&self) -> Option<Instant> {
        Some(self.wake)
    }

    /// The members in the order of their ids, this node not included.
    pub fn members(&self) -> impl Iterator<Item = (&NodeId, &Member)> {
        self.table.iter()
    }

    /// What is known of a member.
    pub fn member(&self, node: &NodeId) -> Option<&Member> {
        self.table.get(node)
    }

    /// A member's session, if it has one now.
    pub fn session_of(&self, node: &NodeId) -> Option<SessionId> {
        self.table.get(node).and_then(Member::session)
    }

    /// The members that serve clients, can be reached and are caught up with.
    pub fn ready_peers(&self) -> impl Iterator<Item = &NodeId> {
        let ready = |member: &Member| member.is_well() && member.serves() && member.is_caught_up();
        self.table.iter().filter(move |(_, member)| ready(member)).map(|(node, _)| node)
    }

    /// Whether this node serves clients.
    pub fn is_ready(&self) -> bool {
        self.readiness.is_ready()
    }

    /// Why this node is not ready; empty if it is.
    pub fn reasons(&self) -> &[Reason] {
        self.readiness.reasons()
    }

    /// Whether discovery has answered and every address that it named had an outcome or its time.
    pub fn has_tried_all(&self, now: Instant) -> bool {
        !self.discovery_pending && self.targets.pending(now).0 == 0
    }

    /// Whether more than half of the peers fell silent together.
    pub fn doubts_itself(&self) -> bool {
        self.self_doubt
    }

    /// Own health: 1 is well, 4 is the worst.
    pub fn health(&self) -> u32 {
        self.health.score()
    }

    /// What this node says of itself, for a greeting.
    pub fn claims(&self) -> Claims {
        let own = self.agreement.row(&self.settings.me);
        Claims {
            version: own.map_or(0, |row| row.version),
            hash: own.map_or(0, |row| row.hash),
            digest: self.agreement.digest(),
            ready: self.is_ready(),
        }
    }

    /// How far this node is with each owner's state, in the order of their ids.
    pub fn view(&self) -> impl Iterator<Item = &StateRow> {
        self.agreement.rows()
    }

    /// Whether every member is in session and its last heartbeat told the same view as this node's.
    pub fn is_converged(&self) -> bool {
        self.differing().next().is_none()
    }

    /// The members that have no session, are in doubt, or told another view in their last heartbeat.
    pub fn differing(&self) -> impl Iterator<Item = &NodeId> {
        let agrees = |member: &Member| member.is_well() && self.agreement.agrees(member.claims.as_ref());
        self.table.iter().filter(move |(_, member)| !agrees(member)).map(|(node, _)| node)
    }

    /// How long views have to differ before they are compared, and state may be missing before it is asked for again.
    pub(super) fn compares_after(&self) -> Duration {
        self.settings.timing.compare()
    }

    /// Since when a peer's view has differed at every heartbeat.
    pub fn differs_since(&self) -> Option<Instant> {
        self.table.iter().filter_map(|(_, member)| member.view.differs_since()).min()
    }

    /// How many messages of unknown kinds were skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// How many answers were not given to peers that asked for too many.
    pub fn unanswered(&self) -> u64 {
        self.outbox.dropped()
    }

    /// Tells what happened.
    fn emit(&mut self, event: MemberEvent) {
        self.events.push_back(event);
    }
}

#[cfg(test)]
mod tests;
