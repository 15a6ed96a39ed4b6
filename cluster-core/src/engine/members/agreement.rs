//! Whether all members hold the same state: digests in every heartbeat, and owner by owner when they stay different.
//!
//! The digest is the sum mod 2^128 of one hash a row, so that a changed row costs two hashes and its place does not matter.

use std::collections::BTreeSet;

use cluster_transport::proto::{Instant, NodeId};
use xxhash_rust::xxh3::xxh3_128;

use super::claims::Claims;
use super::event::MemberEvent;
use super::timing::Timing;
use super::wire::StateRow;
use crate::engine::by_node::ByNode;

/// How a peer's own view stands to this node's; kept with what else is known of it. Of most there is nothing to be said.
#[derive(Debug, Default)]
pub(super) struct PeerView(Option<Box<Difference>>);

#[derive(Debug, Default)]
struct Difference {
    since: Option<Instant>,
    last_answer: Option<Instant>,
}

impl PeerView {
    /// Since when it has differed at every heartbeat.
    pub(super) fn differs_since(&self) -> Option<Instant> {
        self.0.as_ref().and_then(|difference| difference.since)
    }

    fn difference(&mut self) -> &mut Difference {
        self.0.get_or_insert_default()
    }
}

#[derive(Debug)]
pub(super) struct Agreement {
    timing: Timing,
    rows: ByNode<StateRow>,
    digest: u128,
    diverged: BTreeSet<NodeId>,
    last_compare: Option<Instant>,
}

/// What follows from a heartbeat's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The views are equal.
    Equal,
    /// They are not, and the peer's may be on its way.
    Differs,
    /// They have not been for so long that the peer's is to be asked for.
    ToCompare,
}

impl Agreement {
    pub(super) fn new(timing: Timing, seed: u64) -> Self {
        Self { timing, rows: ByNode::new(seed), digest: 0, diverged: BTreeSet::new(), last_compare: None }
    }

    /// This node's own view changed.
    pub(super) fn set_row(&mut self, row: StateRow) {
        let held = self.rows.get_mut(&row.owner);
        if held.as_ref().is_some_and(|held| **held == row) {
            return;
        }
        self.digest = self.digest.wrapping_add(row_hash(&row));
        if let Some(held) = held {
            self.digest = self.digest.wrapping_sub(row_hash(held));
            *held = row;
        } else {
            self.rows.insert(row.owner.clone(), row);
        }
    }

    /// The owner is gone.
    pub(super) fn remove(&mut self, node: &NodeId) {
        if let Some(old) = self.rows.remove(node) {
            self.digest = self.digest.wrapping_sub(row_hash(&old));
        }
        self.diverged.remove(node);
    }

    pub(super) fn row(&self, owner: &NodeId) -> Option<&StateRow> {
        self.rows.get(owner)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &StateRow> {
        self.rows.values()
    }

    pub(super) fn digest(&self) -> u128 {
        self.digest
    }

    /// A heartbeat's digest.
    pub(super) fn handle_digest(&mut self, now: Instant, view: &mut PeerView, digest: u128) -> Finding {
        if digest == self.digest {
            view.0.take_if(|difference| {
                difference.since = None;
                self.is_answer_due(now, difference)
            });
            return Finding::Equal;
        }
        let since = *view.difference().since.get_or_insert(now);
        let lasts = |since: Instant| now.since(since) >= self.timing.compare();
        if !lasts(since) || !self.last_compare.is_none_or(lasts) {
            return Finding::Differs;
        }
        self.last_compare = Some(now);
        Finding::ToCompare
    }

    /// Whether any owner was named as one whose state differs.
    pub(super) fn has_diverged(&self) -> bool {
        !self.diverged.is_empty()
    }

    /// All peers agree again.
    pub(super) fn end_divergence(&mut self) {
        self.diverged.clear();
    }

    /// A peer asks for this node's view: whether it gets it, once a heartbeat at most.
    pub(super) fn may_answer(&self, now: Instant, view: &mut PeerView) -> bool {
        let difference = view.difference();
        let due = self.is_answer_due(now, difference);
        if due {
            difference.last_answer = Some(now);
        }
        due
    }

    fn is_answer_due(&self, now: Instant, difference: &Difference) -> bool {
        difference.last_answer.is_none_or(|last| now.since(last) >= self.timing.heartbeat())
    }

    /// What a peer holds, owner by owner; what contradicts this node's own view under the same version.
    pub(super) fn handle_view(
        &mut self,
        peer: &NodeId,
        rows: impl IntoIterator<Item = StateRow>,
    ) -> Vec<MemberEvent> {
        let mut events = Vec::new();
        for theirs in rows {
            let Some(ours) = self.rows.get(&theirs.owner) else { continue };
            let same = (ours.incarnation, ours.version) == (theirs.incarnation, theirs.version);
            if same && ours.hash != theirs.hash && self.diverged.insert(theirs.owner.clone()) {
                let (owner, version) = (theirs.owner, theirs.version);
                events.push(MemberEvent::Diverged { owner, peer: peer.clone(), version });
            }
        }
        events
    }

    /// Whether a peer's last claims are of this node's view.
    pub(super) fn agrees(&self, claims: Option<&Claims>) -> bool {
        claims.is_some_and(|claims| claims.digest == self.digest)
    }

    /// Whether a peer has claimed something, and of another view than this node's.
    pub(super) fn contradicts(&self, claims: Option<&Claims>) -> bool {
        claims.is_some_and(|claims| claims.digest != self.digest)
    }
}

fn row_hash(row: &StateRow) -> u128 {
    let owner = row.owner.as_str().as_bytes();
    let mut text = Vec::with_capacity(owner.len() + 40);
    text.extend_from_slice(&row.incarnation.epoch.to_le_bytes());
    text.extend_from_slice(&row.incarnation.nonce.to_le_bytes());
    text.extend_from_slice(&row.version.to_le_bytes());
    text.extend_from_slice(&row.hash.to_le_bytes());
    text.extend_from_slice(owner);
    xxh3_128(&text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cluster_transport::proto::Incarnation;

    use super::super::timing::DEFAULT_HEARTBEAT;
    use super::*;

    fn node(text: &str) -> NodeId {
        text.parse().unwrap()
    }

    fn row(owner: &str, version: u64, hash: u128) -> StateRow {
        StateRow { owner: node(owner), incarnation: Incarnation { epoch: 1, nonce: 1 }, version, hash }
    }

    fn at(ms: u64) -> Instant {
        Instant::after_origin(Duration::from_millis(ms))
    }

    fn agreement(rows: &[StateRow]) -> Agreement {
        let mut agreement = Agreement::new(Timing::new(DEFAULT_HEARTBEAT), 1);
        rows.iter().for_each(|row| agreement.set_row(row.clone()));
        agreement
    }

    #[test]
    fn the_digest_is_of_the_rows_and_not_of_their_history() {
        let direct = agreement(&[row("a", 2, 7), row("b", 1, 1)]);
        let mut other = agreement(&[row("b", 1, 1), row("c", 9, 9), row("a", 1, 3), row("a", 2, 7)]);
        other.remove(&node("c"));
        assert_eq!(direct.digest(), other.digest());
        assert_ne!(direct.digest(), agreement(&[row("a", 2, 8), row("b", 1, 1)]).digest());
        assert_ne!(direct.digest(), agreement(&[row("a", 3, 7), row("b", 1, 1)]).digest());
    }

    #[test]
    fn views_that_stay_different_are_compared_and_the_owner_is_named_once() {
        let mut ours = agreement(&[row("a", 2, 7), row("b", 1, 1)]);
        let theirs = [row("a", 2, 8), row("b", 5, 5), row("stranger", 1, 1)];
        let digest = agreement(&theirs).digest();
        let (peer, mut view) = (node("p"), PeerView::default());
        let found: Vec<_> =
            (0..8).map(|beat| ours.handle_digest(at(beat * 500), &mut view, digest)).collect();
        let asks: Vec<usize> = (0..8).filter(|beat| found[*beat] == Finding::ToCompare).collect();
        assert_eq!(asks, [3, 6]);
        let diverged = MemberEvent::Diverged { owner: node("a"), peer: peer.clone(), version: 2 };
        assert_eq!(ours.handle_view(&peer, theirs.clone()), [diverged]);
        assert_eq!(ours.handle_view(&peer, theirs), []);
        assert_eq!(view.differs_since(), Some(at(0)));
        assert!(ours.has_diverged());
        assert_eq!(ours.handle_digest(at(4000), &mut view, ours.digest()), Finding::Equal);
        assert_eq!(view.differs_since(), None);
    }

    #[test]
    fn whoever_has_claimed_nothing_neither_agrees_nor_contradicts() {
        let ours = agreement(&[row("a", 2, 7)]);
        let claims = |digest| Some(Claims { digest, ..Claims::default() });
        let judged = [None, claims(ours.digest()), claims(0)].map(|claims| {
            let claims = claims.as_ref();
            (ours.agrees(claims), ours.contradicts(claims))
        });
        assert_eq!(judged, [(false, false), (true, false), (false, true)]);
    }

    #[test]
    fn a_peer_that_asks_too_often_is_answered_once_a_heartbeat() {
        let (ours, mut view) = (agreement(&[]), PeerView::default());
        let answers = [0, 499, 500].map(|ms| ours.may_answer(at(ms), &mut view));
        assert_eq!(answers, [true, false, true]);
    }
}
