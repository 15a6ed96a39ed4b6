//! The members, one record each, and which lives of removed nodes were seen.
//!
//! A node is one member however many sessions it had. The highest incarnation on record is never replaced by a lower one.

use std::collections::BTreeMap;

use cluster_transport::proto::{Address, Incarnation, Instant, NodeId, SessionId};

use super::catch_up::CatchUp;
use super::doubt::Doubt;
use super::event::DoubtCause;
use super::opinions::Askers;
use super::wire::Claims;

/// The most members.
pub const MAX_MEMBERS: usize = 4096;
/// How many removed nodes' incarnations are kept on record.
const MAX_RECORDS: usize = 1024;

/// What is known of one member.
#[derive(Debug)]
pub struct Member {
    pub(super) incarnation: Incarnation,
    pub(super) addresses: Vec<Address>,
    pub(super) session: Option<SessionId>,
    pub(super) last_heard: Instant,
    pub(super) claims: Claims,
    pub(super) catch_up: CatchUp,
    pub(super) held_until: Option<Instant>,
    pub(super) doubt: Option<Doubt>,
    pub(super) askers: Askers,
    /// Whether it said that it drains. Nobody ever takes that back in the same life.
    pub(super) drains: bool,
}

impl Member {
    pub(super) fn new(now: Instant, incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            addresses: Vec::new(),
            session: None,
            last_heard: now,
            claims: Claims::default(),
            catch_up: CatchUp::new(now),
            held_until: None,
            doubt: None,
            askers: Askers::default(),
            drains: false,
        }
    }

    /// Which life of the node.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Where it can be dialled, by its own word.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Its session, if it has one now.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// When the last byte from it came.
    pub fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// What it last said of itself.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whether a doubt about it is running.
    pub fn is_doubted(&self) -> bool {
        self.doubt.is_some()
    }

    /// Why a doubt about it is running, and since when.
    pub fn doubt(&self) -> Option<(&DoubtCause, Instant)> {
        self.doubt.as_ref().map(|doubt| (doubt.cause(), doubt.began()))
    }

    /// Whether others hear it while this node does not.
    pub fn is_unreachable_from_here(&self) -> bool {
        self.doubt.as_ref().is_some_and(Doubt::is_vetoed)
    }

    /// Whether this node has caught up with it once.
    pub fn is_caught_up(&self) -> bool {
        self.catch_up.is_done()
    }

    /// Whether it did not let this node catch up in time; then it holds nobody back.
    pub fn is_degraded(&self) -> bool {
        self.catch_up.is_degraded()
    }

    /// Whether it drains, by its own word: its clients are about to be elsewhere.
    pub fn drains(&self) -> bool {
        self.drains
    }

    /// Until when verdicts about it are held.
    pub fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// Whether it can be asked and told things now.
    pub(super) fn is_well(&self) -> bool {
        self.session.is_some() && self.doubt.is_none()
    }
}

/// What a session with an incarnation means for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Of the member that is known.
    Same,
    /// Of a node that is no member.
    New,
    /// Of a newer life of a member.
    Newer,
    /// Of an older life than one on record.
    Older {
        /// The epoch on record.
        epoch: u64,
    },
    /// There is no room for another member.
    Full,
}

/// What can be said of all members together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Survey {
    /// When the last byte came from the one that has said nothing for longest, of those that are not in doubt.
    pub(super) quietest: Option<Instant>,
    /// Whether any is in doubt.
    pub(super) doubts: bool,
    /// Since when this node has waited to catch up with a member, at the longest.
    pub(super) catching_up_since: Option<Instant>,
    /// When the first hold ends.
    pub(super) held_until: Option<Instant>,
    /// How many have a session.
    pub(super) in_session: usize,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    members: BTreeMap<NodeId, Member>,
    records: BTreeMap<NodeId, (Incarnation, Instant)>,
}

impl Table {
    pub(super) fn admission(&self, node: &NodeId, incarnation: Incarnation) -> Admission {
        if let Some(member) = self.members.get(node) {
            let known = member.incarnation;
            return match incarnation.cmp(&known) {
                std::cmp::Ordering::Equal => Admission::Same,
                std::cmp::Ordering::Greater => Admission::Newer,
                std::cmp::Ordering::Less => Admission::Older { epoch: known.epoch },
            };
        }
        match self.records.get(node) {
            Some((known, _)) if incarnation < *known => Admission::Older { epoch: known.epoch },
            _ if self.members.len() >= MAX_MEMBERS => Admission::Full,
            _ => Admission::New,
        }
    }

    pub(super) fn insert(&mut self, node: NodeId, member: Member) {
        self.records.remove(&node);
        self.members.insert(node, member);
    }

    /// Takes a member out and keeps its incarnation on record.
    pub(super) fn remove(&mut self, now: Instant, node: &NodeId) -> Option<Member> {
        let member = self.members.remove(node)?;
        if self.records.len() >= MAX_RECORDS {
            let oldest = self.records.iter().min_by_key(|(_, (_, removed))| *removed);
            let oldest = oldest.map(|(node, _)| node.clone());
            oldest.and_then(|oldest| self.records.remove(&oldest));
        }
        self.records.insert(node.clone(), (member.incarnation, now));
        Some(member)
    }

    pub(super) fn get(&self, node: &NodeId) -> Option<&Member> {
        self.members.get(node)
    }

    pub(super) fn get_mut(&mut self, node: &NodeId) -> Option<&mut Member> {
        self.members.get_mut(node)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Member)> {
        self.members.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&NodeId, &mut Member)> {
        self.members.iter_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// One look at all members: in a quiet cluster nothing has to look at each of them again.
    pub(super) fn survey(&self) -> Survey {
        let mut survey = Survey::default();
        for member in self.members.values() {
            survey.in_session += usize::from(member.session.is_some());
            survey.catching_up_since = earlier(survey.catching_up_since, member.catch_up.waits_since());
            survey.held_until = earlier(survey.held_until, member.held_until);
            if member.doubt.is_some() {
                survey.doubts = true;
            } else {
                let quietest = survey.quietest.get_or_insert(member.last_heard);
                *quietest = member.last_heard.min(*quietest);
            }
        }
        survey
    }

    /// The nodes that have a session.
    pub(super) fn in_session(&self) -> impl Iterator<Item = &NodeId> {
        self.members.iter().filter(|(_, member)| member.session.is_some()).map(|(node, _)| node)
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incarnation(epoch: u64) -> Incarnation {
        Incarnation { epoch, nonce: 0 }
    }

    #[test]
    fn a_lower_incarnation_than_one_on_record_is_not_admitted() {
        let node: NodeId = "a".parse().unwrap();
        let mut table = Table::default();
        assert_eq!(table.admission(&node, incarnation(5)), Admission::New);
        table.insert(node.clone(), Member::new(Instant::ORIGIN, incarnation(5)));
        let admissions = [4, 5, 6].map(|epoch| table.admission(&node, incarnation(epoch)));
        assert_eq!(admissions, [Admission::Older { epoch: 5 }, Admission::Same, Admission::Newer]);
        table.remove(Instant::ORIGIN, &node);
        let admissions = [4, 5, 6].map(|epoch| table.admission(&node, incarnation(epoch)));
        assert_eq!(admissions, [Admission::Older { epoch: 5 }, Admission::New, Admission::New]);
    }

    #[test]
    fn members_and_records_are_bounded() {
        let mut table = Table::default();
        let node = |i: usize| format!("n{i}").parse::<NodeId>().unwrap();
        for i in 0..MAX_MEMBERS {
            table.insert(node(i), Member::new(Instant::ORIGIN, incarnation(1)));
        }
        assert_eq!(table.admission(&node(MAX_MEMBERS), incarnation(1)), Admission::Full);
        for i in 0..MAX_RECORDS + 10 {
            table.remove(Instant::ORIGIN + std::time::Duration::from_secs(i as u64), &node(i));
        }
        assert_eq!(table.records.len(), MAX_RECORDS);
        assert_eq!(table.admission(&node(0), incarnation(0)), Admission::New, "the oldest record went first");
    }
}
