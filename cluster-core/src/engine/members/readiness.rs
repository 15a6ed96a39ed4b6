//! Whether this node serves clients: entered and left by different rules.
//!
//! Entering waits for everything that could be waited for, each with a limit of its own. Leaving has few causes, and none
//! of them is a newcomer or a bad member.

use std::fmt;

use cluster_transport::proto::{Instant, NodeId};

use super::timing::Timing;
use crate::engine::registers::Awaited;

/// Why a node is not ready.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// No discovery provider has answered yet.
    Discovery,
    /// Addresses that were named have had neither an outcome nor their time.
    Addresses {
        /// How many.
        waiting: usize,
    },
    /// These members' state is not complete here yet.
    CatchingUp {
        /// Which members.
        with: Vec<NodeId>,
    },
    /// Values that any node may write, such as authentication strategies, have not been read yet.
    Registers {
        /// Of whom.
        of: Awaited,
    },
    /// Too few nodes.
    Quorum {
        /// How many there are, this one included.
        nodes: usize,
        /// How many are needed.
        minimum: u32,
    },
    /// This process did not run for a while.
    Paused,
    /// More than half of the peers fell silent together.
    SelfDoubt,
    /// A newer life of this node is known to a peer.
    Superseded {
        /// Its epoch.
        epoch: u64,
    },
    /// This node was told to drain, or leaves.
    Draining,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discovery => f.write_str("no discovery provider has answered yet"),
            Self::Addresses { waiting } => write!(f, "addresses not tried yet: {waiting}"),
            Self::CatchingUp { with } => {
                f.write_str("catching up with ")?;
                with.iter().enumerate().try_for_each(|(i, node)| {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{node}")
                })
            }
            Self::Registers { of: Awaited::Members } => {
                f.write_str("the registers of the members are not read yet")
            }
            Self::Registers { of: Awaited::Store } => {
                f.write_str("the registers in the store are not read yet")
            }
            Self::Quorum { nodes, minimum } => write!(f, "{nodes} of {minimum} nodes (minimumNodes)"),
            Self::Paused => f.write_str("this process was paused and is catching up"),
            Self::SelfDoubt => f.write_str("more than half of the peers fell silent together"),
            Self::Superseded { epoch } => write!(f, "another process of this id runs with epoch {epoch}"),
            Self::Draining => f.write_str("this node is draining"),
        }
    }
}

/// What readiness depends on, now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    pub(super) discovery_pending: bool,
    pub(super) addresses_waiting: usize,
    pub(super) registers: Option<Awaited>,
    /// Nodes with a session, this one included: what entering counts.
    pub(super) in_session: usize,
    /// Members, this node included: what leaving counts. Removed ones leave at once.
    pub(super) members: usize,
    pub(super) minimum: u32,
    pub(super) self_doubt: bool,
    pub(super) superseded: Option<u64>,
    pub(super) draining: bool,
}

impl Facts {
    /// What ends readiness at once, and forbids to enter it.
    fn faults(&self) -> impl Iterator<Item = Reason> + use<> {
        let self_doubt = self.self_doubt.then_some(Reason::SelfDoubt);
        let superseded = self.superseded.map(|epoch| Reason::Superseded { epoch });
        let draining = self.draining.then_some(Reason::Draining);
        [self_doubt, superseded, draining].into_iter().flatten()
    }

    fn quorum(&self, nodes: usize) -> Option<Reason> {
        let minimum = self.minimum;
        let too_few = u32::try_from(nodes).is_ok_and(|nodes| nodes < minimum);
        too_few.then_some(Reason::Quorum { nodes, minimum })
    }

    /// Makes these what forbids to enter readiness. That is done for every input of a node that is not ready: the names, which are
    /// the same most times, stay where they are.
    fn write_missing<'a>(
        &self,
        catching_up: impl Iterator<Item = &'a NodeId> + Clone,
        reasons: &mut Vec<Reason>,
    ) {
        let named = reasons.iter_mut().find_map(|reason| match reason {
            Reason::CatchingUp { with } => Some(std::mem::take(with)),
            _ => None,
        });
        let mut with = named.unwrap_or_default();
        if !catching_up.clone().eq(&with) {
            with.clear();
            with.extend(catching_up.cloned());
        }
        reasons.clear();
        let discovery = self.discovery_pending.then_some(Reason::Discovery);
        let waiting = self.addresses_waiting;
        let addresses = (waiting > 0).then_some(Reason::Addresses { waiting });
        let catching_up = (!with.is_empty()).then_some(Reason::CatchingUp { with });
        let registers = self.registers.map(|of| Reason::Registers { of });
        let quorum = self.quorum(self.in_session);
        reasons.extend([discovery, addresses, catching_up, registers, quorum].into_iter().flatten());
        reasons.extend(self.faults());
    }
}

/// A step of readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Entered,
    Left(Vec<Reason>),
}

#[derive(Debug)]
enum State {
    NotReady { paused: bool },
    Ready { quorum_lost: Option<Instant> },
}

#[derive(Debug)]
pub(super) struct Readiness {
    timing: Timing,
    state: State,
    reasons: Vec<Reason>,
}

impl Readiness {
    pub(super) fn new(timing: Timing) -> Self {
        Self { timing, state: State::NotReady { paused: false }, reasons: Vec::new() }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// Why it is not ready; empty if it is.
    pub(super) fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// This process did not run for a while, and has members to catch up with.
    pub(super) fn handle_pause(&mut self) -> Option<Change> {
        let was_ready = self.is_ready();
        self.state = State::NotReady { paused: true };
        self.reasons = vec![Reason::Paused];
        was_ready.then(|| Change::Left(self.reasons.clone()))
    }

    /// Looks at the facts again, and at the names of those that this node is catching up with.
    pub(super) fn evaluate<'a>(
        &mut self,
        now: Instant,
        facts: &Facts,
        catching_up: impl Iterator<Item = &'a NodeId> + Clone,
    ) -> Option<Change> {
        match &mut self.state {
            State::NotReady { paused } => {
                facts.write_missing(catching_up, &mut self.reasons);
                if self.reasons.is_empty() {
                    self.state = State::Ready { quorum_lost: None };
                    return Some(Change::Entered);
                }
                if *paused {
                    self.reasons.push(Reason::Paused);
                }
                None
            }
            State::Ready { quorum_lost } => {
                let mut reasons: Vec<Reason> = facts.faults().collect();
                if let Some(quorum) = facts.quorum(facts.members) {
                    let since = *quorum_lost.get_or_insert(now);
                    reasons.extend((now.since(since) >= self.timing.stability()).then_some(quorum));
                } else {
                    *quorum_lost = None;
                }
                if reasons.is_empty() {
                    return None;
                }
                self.state = State::NotReady { paused: false };
                self.reasons.clone_from(&reasons);
                Some(Change::Left(reasons))
            }
        }
    }

    /// When a lost quorum ends readiness.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.state {
            State::Ready { quorum_lost: Some(since) } => Some(since + self.timing.stability()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
