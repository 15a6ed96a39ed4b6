//! How copies become equal: own writes are offered at once, differences of digests are fetched from one peer at a time.

use std::time::Duration;

use bytes::Bytes;
use cluster_transport::proto::{Instant, NodeId};
use rand::seq::IndexedRandom as _;

use super::entry::RegisterEntry;
use super::message::{MAX_ENTRIES, OFFER, OFFER_BYTES, Offer, PULL, Pull, STANDING, Standing};
use super::peers::{Answer, Peer};
use super::table::bucket;
use super::{Awaited, Pulling, Registers};
use crate::engine::state::message::MAX_DELTA;
use crate::engine::wire::{Bounded, PeerFault, decode, encode};

/// A peer that is asked for its registers has this long, or four heartbeats, for each part of the answer.
const PULL_PATIENCE: Duration = Duration::from_secs(2);

/// What the world did.
impl Registers {
    /// A session that counts is established.
    pub(in crate::engine) fn handle_session_up(&mut self, now: Instant, node: &NodeId) {
        self.peers.insert(node.clone(), Peer::new(now + self.ready_wait, self.at));
        self.differing.remove(node);
        self.patience_ends.get_or_insert(now + self.ready_wait);
        self.to_tell.insert(node.clone());
        self.awaited.insert(node.clone());
        self.give_up_on(node);
    }

    /// A session ended.
    pub(in crate::engine) fn handle_session_down(&mut self, now: Instant, node: &NodeId) {
        if self.peers.remove(node).is_some() {
            self.differing.remove(node);
            self.to_tell.remove(node);
            self.awaited.remove(node);
            self.give_up_on(node);
            self.schedule(now);
        }
    }

    /// A peer says what it holds, or asks for what it does not have.
    pub(in crate::engine) fn handle_control(
        &mut self,
        now: Instant,
        from: &NodeId,
        kind: u8,
        body: &[u8],
    ) -> Result<(), PeerFault> {
        match kind {
            STANDING => {
                let standing = decode(kind, body)?;
                self.note(now, from, standing, Taken::AsBefore);
            }
            _ => {
                let pull = Pull::decode(body)?;
                let answer = Answer::new(self.table.buckets(), pull.buckets.as_slice());
                if let Some(peer) = self.peers.get_mut(from) {
                    peer.answer = Some(answer);
                }
            }
        }
        Ok(())
    }

    /// Registers came on the state lane.
    pub(in crate::engine) fn handle_offer(
        &mut self,
        now: Instant,
        from: &NodeId,
        body: &[u8],
    ) -> Result<(), PeerFault> {
        let Offer { complete, entries } = Offer::decode(body)?;
        for entry in entries {
            self.take(now, entry);
        }
        let patience = self.patience();
        if let Some(pull) = self.pull.as_mut().filter(|pull| pull.from == *from) {
            pull.until = now + patience;
            if complete.is_some() {
                self.pull = None;
            }
        }
        if let Some(standing) = complete {
            self.note(now, from, standing, Taken::All);
        }
        Ok(())
    }

    /// The store was read: these are in it.
    pub fn handle_stored(&mut self, now: Instant, entries: impl IntoIterator<Item = RegisterEntry>) {
        self.store_pending = false;
        for entry in entries {
            self.take(now, entry);
        }
    }

    /// Whether there is anybody or anything that may hold registers which are not here, as far as discovery and dials have said.
    pub(in crate::engine) fn handle_surroundings(&mut self, now: Instant, all_tried: bool) {
        if all_tried && !self.is_pending() {
            self.set_read(now);
        }
    }

    /// Time has passed.
    pub(in crate::engine) fn handle_timeout(&mut self, now: Instant) {
        if self.pull.as_ref().is_some_and(|pull| pull.until <= now) {
            self.pull = None;
            self.schedule(now);
        }
        if self.patience_ends.is_some_and(|ends| ends <= now) {
            for (_, peer) in self.peers.iter_mut() {
                peer.patience = peer.patience.filter(|until| *until > now);
            }
            let peers = &self.peers;
            self.awaited.retain(|node| peers.get(node).and_then(Peer::awaited).is_some());
            self.patience_ends = self.peers.values().filter_map(Peer::awaited).min();
        }
        if self.tick.is_none_or(|tick| tick > now) {
            return;
        }
        self.tick = None;
        let standing = self.standing();
        let outdated = self.peers.iter().filter(|(_, peer)| peer.told != Some(standing));
        self.to_tell.extend(outdated.map(|(node, _)| node.clone()));
        self.compare(now);
        self.fetch(now);
    }

    /// Compares everything with everybody now.
    pub(in crate::engine) fn verify(&mut self, now: Instant) {
        self.to_tell.extend(self.peers.nodes().cloned());
        self.tick = Some(now);
    }
}

/// Outputs.
impl Registers {
    /// The next message for a peer's control lane.
    pub(in crate::engine) fn poll_control(&mut self) -> Option<(NodeId, Bytes)> {
        while let Some(node) = self.to_tell.pop_first() {
            let standing = self.standing();
            if let Some(peer) = self.peers.get_mut(&node) {
                peer.told = Some(standing);
                return Some((node, encode(STANDING, &standing)));
            }
        }
        let pull = self.pull.as_mut().filter(|pull| !pull.asked)?;
        pull.asked = true;
        let buckets = Bounded::take_from(self.table.buckets().iter().copied());
        Some((pull.from.clone(), encode(PULL, &Pull { buckets })))
    }

    /// Whether [`poll_control`](Self::poll_control) may have something to say.
    pub(in crate::engine) fn has_control(&self) -> bool {
        !self.to_tell.is_empty() || self.pull.as_ref().is_some_and(|pull| !pull.asked)
    }

    /// The next message for a peer's state lane, of at most `limit` bytes.
    pub(in crate::engine) fn poll_offer(&mut self, to: &NodeId, limit: usize) -> Option<Bytes> {
        let limit = limit.min(MAX_DELTA);
        if self.peers.get(to).is_none_or(|peer| peer.pushed >= self.own.last() && peer.answer.is_none()) {
            return None;
        }
        self.poll_own(to, limit).or_else(|| self.poll_answer(to, limit)).map(|offer| encode(OFFER, &offer))
    }

    fn poll_own(&mut self, to: &NodeId, limit: usize) -> Option<Offer> {
        let peer = self.peers.get_mut(to)?;
        if peer.pushed >= self.own.last() {
            return None;
        }
        let mut part = Part::new(limit);
        for (at, key) in self.own.after(peer.pushed) {
            let Some(slot) = self.table.get(key) else { continue };
            if !part.push(&slot.entry) {
                break;
            }
            peer.pushed = at;
        }
        (!part.entries.as_slice().is_empty()).then_some(Offer { complete: None, entries: part.entries })
    }

    fn poll_answer(&mut self, to: &NodeId, limit: usize) -> Option<Offer> {
        let standing = self.standing();
        let peer = self.peers.get_mut(to)?;
        let answer = peer.answer.as_mut()?;
        let mut part = Part::new(limit);
        let mut complete = Some(standing);
        let mut sent = answer.sent.clone();
        for (key, slot) in self.table.after(answer.sent.as_ref()) {
            if answer.has(bucket(key)) && !part.push(&slot.entry) {
                complete = None;
                break;
            }
            sent = Some(key.clone());
        }
        answer.sent = sent;
        if complete.is_some() {
            peer.answer = None;
        }
        let count = part.entries.as_slice().len();
        if count == 0 && complete.is_none() {
            // The lane has no room for a single one.
            return None;
        }
        self.counters.offered += count as u64;
        Some(Offer { complete, entries: part.entries })
    }
}

impl Registers {
    /// Whether something may hold registers that are not here: a peer that has not had its time, or the store.
    pub(in crate::engine) fn is_pending(&self) -> bool {
        !self.read && (self.store_pending || !self.awaited.is_empty())
    }

    /// Whose registers readiness waits for.
    pub(in crate::engine) fn awaited(&self) -> Option<Awaited> {
        let of = if self.store_pending { Awaited::Store } else { Awaited::Members };
        self.is_pending().then_some(of)
    }

    fn standing(&self) -> Standing {
        Standing { digest: self.table.digest(), read: self.read }
    }

    fn patience(&self) -> Duration {
        PULL_PATIENCE.max(self.heartbeat * 4)
    }

    fn give_up_on(&mut self, node: &NodeId) {
        self.pull = self.pull.take().filter(|pull| pull.from != *node);
    }

    /// A peer said what it holds.
    fn note(&mut self, now: Instant, from: &NodeId, standing: Standing, taken: Taken) {
        let equal = standing.digest == self.table.digest();
        let Some(peer) = self.peers.get_mut(from) else { return };
        // What was taken of it before it read the registers itself says nothing about the cluster.
        let is_news = standing.read && !peer.read;
        peer.taken = equal || taken == Taken::All || (peer.taken && !is_news);
        (peer.digest, peer.read) = (Some(standing.digest), standing.read);
        match peer.awaited() {
            Some(_) if self.awaited.contains(from) => {}
            Some(until) => {
                self.awaited.insert(from.clone());
                self.patience_ends = self.patience_ends.into_iter().chain([until]).min();
            }
            None => drop(self.awaited.remove(from)),
        }
        let has_read = peer.read && peer.taken;
        if equal {
            self.differing.remove(from);
        } else {
            self.differing.entry(from.clone()).or_insert(now);
            self.schedule(now);
        }
        if !self.read && has_read {
            self.set_read(now);
        } else if !self.read {
            self.fetch(now);
        }
    }

    /// Looks at every peer's digest again, since the own one may have changed.
    fn compare(&mut self, now: Instant) {
        let digest = self.table.digest();
        let mut before = std::mem::take(&mut self.differing);
        let differs = |peer: &Peer| peer.digest.is_some_and(|theirs| theirs != digest);
        let differing = self.peers.iter().filter(|(_, peer)| differs(peer)).map(|(node, _)| node.clone());
        self.differing = differing
            .map(|node| {
                let since = before.remove(&node).unwrap_or(now);
                (node, since)
            })
            .collect();
        if !self.differing.is_empty() {
            self.schedule(now);
        }
    }

    /// Asks a peer for what it has and this node has not, unless one is being asked. What is on its way comes by itself within
    /// a heartbeat; a node that has read nothing yet does not wait for that.
    fn fetch(&mut self, now: Instant) {
        if self.pull.is_some() {
            return;
        }
        let digest = self.table.digest();
        let patience = if self.read { self.heartbeat } else { Duration::ZERO };
        let is_untaken = |peer: &Peer| self.read || !peer.taken;
        let differs = |peer: &Peer| peer.digest.is_some_and(|theirs| theirs != digest);
        let lasting = self.differing.iter().filter(|(_, since)| now.since(**since) >= patience);
        let sources: Vec<(&NodeId, bool)> = lasting
            .filter_map(|(node, _)| Some((node, self.peers.get(node)?)))
            .filter(|(_, peer)| differs(peer) && is_untaken(peer))
            .map(|(node, peer)| (node, peer.read))
            .collect();
        let best: Vec<&NodeId> = sources.iter().filter(|(_, read)| *read).map(|(node, _)| *node).collect();
        let any: Vec<&NodeId> = sources.iter().map(|(node, _)| *node).collect();
        let from = if best.is_empty() { any } else { best };
        if let Some(from) = from.choose(&mut self.rng) {
            self.pull = Some(Pulling { from: (*from).clone(), until: now + self.patience(), asked: false });
            self.counters.pulls += 1;
        }
    }
}

/// How much of what a peer has is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    AsBefore,
    All,
}

/// Registers for one message, as many as fit.
struct Part {
    entries: Bounded<RegisterEntry, MAX_ENTRIES>,
    room: usize,
}

impl Part {
    fn new(limit: usize) -> Self {
        Self { entries: Bounded::new(), room: limit.saturating_sub(OFFER_BYTES) }
    }

    fn push(&mut self, entry: &RegisterEntry) -> bool {
        let len = entry.max_len();
        let fits = len <= self.room && self.entries.push(entry.clone()).is_ok();
        if fits {
            self.room -= len;
        }
        fits
    }
}
