//! What happens to a member: it joins, is doubted, recovers, is removed, and is looked for afterwards.

use std::time::Duration;

use cluster_transport::proto::{Address, Incarnation, Instant, NodeId, SessionId};

use super::absent::Origin;
use super::doubt::Doubt;
use super::event::{Action, CloseReason, DoubtCause, MemberEvent, RemovalReason};
use super::table::Member;
use super::targets::Source;
use super::timing::HINT_BATCH;
use super::wire::Message;
use super::{Members, Presence};

impl Members {
    pub(super) fn join(
        &mut self,
        now: Instant,
        node: &NodeId,
        incarnation: Incarnation,
        addresses: &[Address],
    ) {
        self.table.insert(node.clone(), Member::new(now, incarnation));
        let (node, addresses) = (node.clone(), addresses.to_vec());
        self.emit(MemberEvent::Joined { node, incarnation, addresses });
    }

    /// Makes this the session of a member.
    pub(super) fn adopt(&mut self, now: Instant, node: &NodeId, session: SessionId, addresses: Vec<Address>) {
        self.outbox.clear(node);
        let Some(member) = self.table.get_mut(node) else { return };
        member.session = Some(session);
        member.last_heard = now;
        member.addresses.clone_from(&addresses);
        let recovered = member.doubt.take().is_some();
        self.targets.replace(&Source::Member(node.clone()), &addresses);
        let found = self.absent.forget(node);
        self.drop_absent(&found);
        if recovered {
            self.emit(MemberEvent::Recovered { node: node.clone() });
        }
        self.tell_all_others(node);
        if self.presence != Presence::Staying {
            self.outbox.push(node, &Message::Draining);
        }
        self.fresh.insert(node.clone());
        self.tell_fresh.get_or_insert(now + HINT_BATCH);
    }

    /// Notes that this process runs.
    pub(super) fn awake(&mut self, now: Instant) {
        if let Some(gap) = self.health.awake(now) {
            self.wake_up(now, gap);
        }
    }

    /// After a gap all that this process believes of others is void: they may have waited for it.
    #[cold]
    fn wake_up(&mut self, now: Instant, gap: Duration) {
        self.emit(MemberEvent::Paused { gap });
        self.next_beat = now;
        let nodes: Vec<NodeId> = self.table.iter().map(|(node, _)| node.clone()).collect();
        if !nodes.is_empty() {
            let left = self.readiness.handle_pause();
            self.tell_readiness(now, left);
        }
        for node in nodes {
            self.start_over(now, &node);
        }
        self.settle(now);
    }

    /// Believes a member to be as it was, and catches up with it again.
    fn start_over(&mut self, now: Instant, node: &NodeId) {
        let ping = self.take_ping();
        let Some(member) = self.table.get_mut(node) else { return };
        member.last_heard = now;
        member.catch_up.restart(now, ping);
        let in_session = member.session.is_some();
        let doubt = member.doubt.take();
        if in_session {
            self.outbox.push(node, &Message::Ping(ping));
            if doubt.is_some() {
                self.emit(MemberEvent::Recovered { node: node.clone() });
            }
        } else if let Some(doubt) = doubt {
            let subject = (node.clone(), member.incarnation);
            let again = Doubt::new(subject, doubt.cause().clone(), &member.addresses, now, now);
            member.doubt = Some(Box::new(again));
        }
    }

    /// Begins a doubt about a member, if none is running.
    pub(super) fn doubt(&mut self, now: Instant, node: &NodeId, cause: DoubtCause) {
        if self.presence == Presence::Leaving {
            // Whoever leaves closes its sessions itself, and judges nobody any more.
            return;
        }
        let Some(member) = self.table.get_mut(node) else { return };
        if let Some(doubt) = &mut member.doubt {
            return doubt.handle_link_lost(cause);
        }
        let subject = (node.clone(), member.incarnation);
        let doubt = Doubt::new(subject, cause.clone(), &member.addresses, member.last_heard, now);
        member.doubt = Some(Box::new(doubt));
        self.emit(MemberEvent::Doubted { node: node.clone(), cause });
    }

    pub(super) fn recover(&mut self, now: Instant, node: &NodeId) {
        let doubt = self.table.get_mut(node).and_then(|member| member.doubt.take());
        if doubt.is_some() {
            self.emit(MemberEvent::Recovered { node: node.clone() });
            self.settle(now);
        }
    }

    /// Removes a member, with everything that stands for it.
    pub(super) fn remove(&mut self, now: Instant, node: &NodeId, why: RemovalReason) {
        let Some(member) = self.table.remove(now, node) else { return };
        if let Some(session) = member.session {
            self.close(node, session, CloseReason::Removed);
        }
        let looked_for = !matches!(
            why,
            RemovalReason::Left | RemovalReason::Forgotten | RemovalReason::AddressTaken { .. }
        );
        for address in &member.addresses {
            if looked_for {
                self.look_for(now, node, address, Origin::Departed);
            }
            self.targets.remove(address, &Source::Member(node.clone()));
        }
        self.agreement.remove(node);
        self.outbox.clear(node);
        self.fresh.remove(node);
        self.untold.remove(node);
        let stale = why != RemovalReason::Left;
        let evidence = member.doubt.map(|doubt| doubt.evidence(now));
        let (peer, incarnation) = (node.clone(), member.incarnation);
        self.emit(MemberEvent::Removed { node: peer.clone(), incarnation, why, evidence });
        if stale {
            self.emit(MemberEvent::CachesStale { peer });
        }
    }

    /// Dials an address of a node that is no member.
    pub(super) fn look_for(&mut self, now: Instant, node: &NodeId, address: &Address, origin: Origin) {
        let dropped = self.absent.note(now, node, address, origin);
        if dropped.as_ref() != Some(address) {
            self.targets.add(address, Source::Absent);
        }
        if let Some(dropped) = dropped {
            self.targets.remove(&dropped, &Source::Absent);
        }
    }

    pub(super) fn drop_absent(&mut self, addresses: &[Address]) {
        for address in addresses {
            self.targets.remove(address, &Source::Absent);
        }
    }

    pub(super) fn close(&mut self, node: &NodeId, session: SessionId, why: CloseReason) {
        self.targets.push(Action::CloseSession { node: node.clone(), session, why });
    }
}
