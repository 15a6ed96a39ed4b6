//! What is to be known of all members together, without a look at each of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cluster_transport::proto::{Instant, NodeId};

use super::table::Member;
use crate::engine::deadline::earlier;

/// What can be said of all members together. The moments may be too early, unless all members were looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Survey {
    /// When the last byte came from the one that has said nothing for longest, of those that are not in doubt.
    pub(super) quietest: Option<Instant>,
    /// How many are in doubt.
    pub(super) doubts: usize,
    /// Since when this node has waited to catch up with a member, at the longest.
    pub(super) catching_up_since: Option<Instant>,
    /// When the first hold ends.
    pub(super) held_until: Option<Instant>,
    /// How many have a session.
    pub(super) in_session: usize,
}

/// What a survey counts of one member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    in_session: bool,
    is_doubted: bool,
    is_waited_for: bool,
}

/// Members of some kind, as of the last survey.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Those that this node waits to catch up with.
    pub(super) waited_for: BTreeSet<NodeId>,
    /// Those that have a session; gathered when they are asked for.
    pub(super) in_session: Option<Arc<[NodeId]>>,
}

impl Lists {
    /// A member is gone, or another one has its id.
    pub(super) fn forget(&mut self, node: &NodeId) {
        self.waited_for.remove(node);
        self.in_session = None;
    }
}

impl Survey {
    /// Counts a member as it is now, in place of what it was.
    pub(super) fn count(&mut self, node: &NodeId, member: &mut Member, lists: &mut Lists) {
        self.catching_up_since = earlier(self.catching_up_since, member.catch_up.waits_since());
        self.held_until = earlier(self.held_until, member.held_until);
        let heard = member.doubt.is_none().then_some(member.last_heard);
        self.quietest = earlier(self.quietest, heard);
        let now = Counted {
            in_session: member.session.is_some(),
            is_doubted: member.doubt.is_some(),
            is_waited_for: member.catch_up.is_waiting(),
        };
        let before = std::mem::replace(&mut member.counted, now);
        if before == now {
            return;
        }
        self.discount(before);
        self.in_session += usize::from(now.in_session);
        self.doubts += usize::from(now.is_doubted);
        if now.in_session != before.in_session {
            lists.in_session = None;
        }
        if !now.is_waited_for {
            lists.waited_for.remove(node);
        } else if !before.is_waited_for {
            lists.waited_for.insert(node.clone());
        }
    }

    pub(super) fn discount(&mut self, counted: Counted) {
        self.in_session -= usize::from(counted.in_session);
        self.doubts -= usize::from(counted.is_doubted);
    }

    /// The earliest of its moments, after which something follows from it.
    pub(super) fn next_step(&self, patience: Duration, ready_wait: Duration) -> Option<Instant> {
        let silence = self.quietest.map(|heard| heard + patience);
        earlier(silence, self.next_rare_step(ready_wait))
    }

    /// The earliest of its moments but for the one when somebody has been silent for too long.
    pub(super) fn next_rare_step(&self, ready_wait: Duration) -> Option<Instant> {
        let caught_up = self.catching_up_since.map(|since| since + ready_wait);
        earlier(caught_up, self.held_until)
    }
}
