//! The members, one record each, and which lives of removed nodes were seen.
//!
//! A node is one member however many sessions it had. The highest incarnation on record is never replaced by a lower one.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_transport::proto::{Address, Incarnation, Instant, NodeId, SessionId};

use super::agreement::PeerView;
use super::catch_up::CatchUp;
use super::claims::Claims;
use super::doubt::Doubt;
use super::event::DoubtCause;
use super::opinions::Askers;
use super::survey::{Counted, Lists, Survey};
use crate::engine::by_node::ByNode;

/// The most members.
pub const MAX_MEMBERS: usize = 4096;
/// How many removed nodes' incarnations are kept on record.
const MAX_RECORDS: usize = 1024;

/// What is known of one member: first what every heartbeat is about, in two lines of the cache with its id.
#[derive(Debug)]
#[repr(C)]
pub struct Member {
    pub(super) session: Option<SessionId>,
    pub(super) last_heard: Instant,
    /// Large, and there for few.
    pub(super) doubt: Option<Box<Doubt>>,
    /// What it last said of itself, if it has.
    pub(super) claims: Option<Claims>,
    pub(super) askers: Askers,
    pub(super) view: PeerView,
    pub(super) incarnation: Incarnation,
    pub(super) catch_up: CatchUp,
    pub(super) held_until: Option<Instant>,
    pub(super) addresses: Vec<Address>,
    /// Whether it said that it drains. Nobody ever takes that back in the same life.
    pub(super) drains: bool,
    /// What the last survey counted of it.
    pub(super) counted: Counted,
}

impl Member {
    pub(super) fn new(now: Instant, incarnation: Incarnation) -> Self {
        Self {
            session: None,
            last_heard: now,
            doubt: None,
            claims: None,
            askers: Askers::default(),
            view: PeerView::default(),
            incarnation,
            catch_up: CatchUp::new(now),
            held_until: None,
            addresses: Vec::new(),
            drains: false,
            counted: Counted::default(),
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

    /// What it last said of itself; nothing but zeros until it has.
    pub fn claims(&self) -> Claims {
        self.claims.unwrap_or_default()
    }

    /// Whether it serves clients, by its own word.
    pub(super) fn serves(&self) -> bool {
        self.claims.is_some_and(|claims| claims.ready)
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
        self.doubt.as_ref().is_some_and(|doubt| doubt.is_vetoed())
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

/// Members that changed since the last survey; beyond so many, it looks at all.
const MAX_CHANGED: usize = 16;

/// Which members a survey has to look at.
#[derive(Debug)]
enum Changed {
    These(Vec<NodeId>),
    Any,
}

#[derive(Debug)]
pub(super) struct Table {
    members: ByNode<Member>,
    records: BTreeMap<NodeId, (Incarnation, Instant)>,
    survey: Survey,
    changed: Changed,
    lists: Lists,
}

impl Table {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            members: ByNode::new(seed),
            records: BTreeMap::new(),
            survey: Survey::default(),
            changed: Changed::These(Vec::new()),
            lists: Lists::default(),
        }
    }

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
        self.note_change(&node);
        self.lists.forget(&node);
        if let Some(before) = self.members.insert(node, member) {
            self.survey.discount(before.counted);
        }
    }

    /// Takes a member out and keeps its incarnation on record.
    pub(super) fn remove(&mut self, now: Instant, node: &NodeId) -> Option<Member> {
        let member = self.members.remove(node)?;
        self.survey.discount(member.counted);
        self.lists.forget(node);
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

    /// For a change of anything.
    pub(super) fn get_mut(&mut self, node: &NodeId) -> Option<&mut Member> {
        self.note_change(node);
        self.members.get_mut(node)
    }

    /// For a change of what no survey is about: claims, askers, and that it was heard, which makes nobody more quiet.
    pub(super) fn get_mut_of_session(&mut self, node: &NodeId) -> Option<&mut Member> {
        self.members.get_mut(node)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Member)> {
        self.members.iter()
    }

    /// Changes members; those of which that is said to be news, in the order of their ids.
    pub(super) fn update(&mut self, mut update: impl FnMut(&mut Member) -> bool) -> Vec<NodeId> {
        let updated = self.all_mut().filter_map(|(node, member)| update(member).then(|| node.clone()));
        let mut updated: Vec<NodeId> = updated.collect();
        updated.sort_unstable();
        updated
    }

    /// The running doubts, in no order.
    pub(super) fn doubts_mut(&mut self) -> impl Iterator<Item = &mut Doubt> {
        let all = (self.survey().doubts > 0).then(|| self.all_mut());
        all.into_iter().flatten().filter_map(|(_, member)| member.doubt.as_deref_mut())
    }

    fn all_mut(&mut self) -> impl Iterator<Item = (&NodeId, &mut Member)> {
        self.changed = Changed::Any;
        self.members.iter_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Those that this node waits to catch up with, as of the last survey.
    pub(super) fn waited_for(&self) -> impl Iterator<Item = &NodeId> + Clone {
        self.lists.waited_for.iter()
    }

    fn note_change(&mut self, node: &NodeId) {
        match &mut self.changed {
            Changed::These(nodes) if nodes.last() == Some(node) => {}
            Changed::These(nodes) if nodes.len() < MAX_CHANGED => nodes.push(node.clone()),
            changed => *changed = Changed::Any,
        }
    }

    /// A look at the members that have changed. The moments of the survey come from the others too, and may be over.
    pub(super) fn survey(&mut self) -> Survey {
        match std::mem::replace(&mut self.changed, Changed::These(Vec::new())) {
            Changed::Any => return self.survey_all(),
            Changed::These(nodes) => {
                for node in nodes {
                    if let Some(member) = self.members.get_mut(&node) {
                        self.survey.count(&node, member, &mut self.lists);
                    }
                }
            }
        }
        self.survey
    }

    /// One look at all members.
    pub(super) fn survey_all(&mut self) -> Survey {
        self.changed = Changed::These(Vec::new());
        let Survey { doubts, in_session, .. } = self.survey;
        self.survey = Survey { doubts, in_session, ..Survey::default() };
        for (node, member) in self.members.iter_mut() {
            self.survey.count(node, member, &mut self.lists);
        }
        self.survey
    }

    /// One look at how long each member has been silent; the rest is as of the last survey.
    pub(super) fn survey_silence(&mut self) -> Survey {
        let undoubted = self.members.iter_mut().filter(|(_, member)| member.doubt.is_none());
        self.survey.quietest = undoubted.map(|(_, member)| member.last_heard).min();
        self.survey
    }

    /// The nodes that have a session, in the order of their ids: the same list for as long as none comes or goes.
    pub(super) fn in_session(&mut self) -> Arc<[NodeId]> {
        self.survey();
        let members = &self.members;
        let gather = || {
            let in_session = members.iter().filter(|(_, member)| member.session.is_some());
            in_session.map(|(node, _)| node.clone()).collect()
        };
        Arc::clone(self.lists.in_session.get_or_insert_with(gather))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn incarnation(epoch: u64) -> Incarnation {
        Incarnation { epoch, nonce: 0 }
    }

    #[test]
    fn what_a_heartbeat_is_about_is_in_two_lines_of_the_cache() {
        let end = size_of::<NodeId>() + std::mem::offset_of!(Member, incarnation);
        assert!(end <= 128, "{end} bytes");
    }

    #[test]
    fn a_lower_incarnation_than_one_on_record_is_not_admitted() {
        let node: NodeId = "a".parse().unwrap();
        let mut table = Table::new(1);
        assert_eq!(table.admission(&node, incarnation(5)), Admission::New);
        table.insert(node.clone(), Member::new(Instant::ORIGIN, incarnation(5)));
        let admissions = [4, 5, 6].map(|epoch| table.admission(&node, incarnation(epoch)));
        assert_eq!(admissions, [Admission::Older { epoch: 5 }, Admission::Same, Admission::Newer]);
        table.remove(Instant::ORIGIN, &node);
        let admissions = [4, 5, 6].map(|epoch| table.admission(&node, incarnation(epoch)));
        assert_eq!(admissions, [Admission::Older { epoch: 5 }, Admission::New, Admission::New]);
    }

    #[test]
    fn a_look_at_what_has_changed_counts_as_a_look_at_all_does_and_is_never_later() {
        let node = |i: u64| format!("n{i}").parse::<NodeId>().unwrap();
        let mut table = Table::new(1);
        for step in 0..2_000_u64 {
            // Any mixture of changes: the numbers spread them over 30 nodes and 8 kinds.
            let (node, kind) = (node(step * 7 % 30), step * 13 / 5 % 8);
            let now = Instant::after_origin(Duration::from_millis(step));
            match (kind, table.get_mut(&node)) {
                (_, None) => table.insert(node, Member::new(now, incarnation(1))),
                (0, Some(_)) => drop(table.remove(now, &node)),
                (1, Some(member)) => member.session = Some(SessionId(step)),
                (2, Some(member)) => member.session = None,
                (3, Some(member)) => {
                    let subject = (node, member.incarnation);
                    let doubt = Doubt::new(subject, DoubtCause::Silence, &[], member.last_heard, now);
                    member.doubt = Some(Box::new(doubt));
                }
                (4, Some(member)) => member.doubt = None,
                (5, Some(member)) => member.catch_up.restart(now, step),
                (6, Some(member)) => {
                    member.catch_up.handle_greeting(0);
                    member.catch_up.handle_applied(0);
                }
                (_, Some(member)) => (member.last_heard, member.held_until) = (now, Some(now)),
            }
            if step % 3 > 0 {
                continue;
            }
            let some = table.survey();
            let waited_for: Vec<NodeId> = table.waited_for().cloned().collect();
            let all = table.survey_all();
            assert_eq!((some.doubts, some.in_session), (all.doubts, all.in_session), "step {step}");
            let is_doubted = |(_, member): &(&NodeId, &Member)| member.doubt.is_some();
            assert_eq!(table.iter().filter(is_doubted).count(), all.doubts, "step {step}");
            let has_session = |(_, member): &(&NodeId, &Member)| member.session.is_some();
            let in_session = table.in_session();
            assert!(table.iter().filter(has_session).map(|(node, _)| node).eq(&*in_session), "step {step}");
            let waits = table.iter().filter(|(_, member)| member.catch_up.is_waiting());
            assert!(waits.map(|(node, _)| node).eq(&waited_for), "step {step}");
            let steps = |survey: Survey| survey.next_step(Duration::ZERO, Duration::ZERO);
            let is_in_time = |all| steps(some).is_some_and(|some| some <= all);
            assert!(steps(all).is_none_or(is_in_time), "step {step}");
        }
    }

    #[test]
    fn members_and_records_are_bounded() {
        let mut table = Table::new(1);
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
