//! What members say to each other on the control lane.

use std::convert::Infallible;

use cluster_transport::proto::{Address, Instant, NodeId, SessionId};
use rand::RngExt as _;

use super::Members;
use super::agreement::Finding;
use super::claims::Claims;
use super::event::MemberEvent;
use super::wire::{Heard, MAX_ROWS, Message, Opinion, Pong, Question, StateRow};
use crate::engine::wire::{Bounded, PeerFault};

impl Members {
    /// The first message of a session: what the peer says of itself.
    pub fn handle_greeting(&mut self, now: Instant, from: &NodeId, claims: &Claims) {
        self.awake(now);
        if let Some(member) = self.table.get_mut(from) {
            member.catch_up.handle_greeting(claims.version);
            self.reach(from);
            self.handle_claims(now, from, *claims);
            self.settle(now);
        }
    }

    /// A heartbeat came on this session: what it claims, if that is the member's session.
    ///
    /// # Errors
    /// As of [`handle_control`](Self::handle_control).
    pub(in crate::engine) fn handle_heartbeat(
        &mut self,
        now: Instant,
        from: &NodeId,
        session: SessionId,
        message: &[u8],
    ) -> Result<Option<Claims>, PeerFault> {
        self.awake(now);
        self.take_claims(now, from, |counts| counts == session, || Claims::of_message(message))
    }

    /// A control message of any other kind that the membership defines.
    ///
    /// # Errors
    /// The peer broke the protocol; its session is to be closed. A message of somebody without a session is ignored.
    pub fn handle_control(&mut self, now: Instant, from: &NodeId, message: &[u8]) -> Result<(), PeerFault> {
        self.awake(now);
        let Some(message) = Message::decode(message)? else {
            self.skipped = self.skipped.saturating_add(1);
            return Ok(());
        };
        match message {
            Message::Heartbeat(claims) => self.handle_claims(now, from, claims),
            _ if self.session_of(from).is_none() => {}
            Message::Ping(ping) => {
                let version = self.claims().version;
                self.outbox.push(from, &Message::Pong(Pong { ping, version }));
            }
            Message::Pong(pong) => self.handle_pong(now, from, pong),
            Message::Question(question) => self.handle_question(now, from, question),
            Message::Opinion(opinion) => self.handle_opinion(now, from, &opinion),
            Message::Hints(hints) => self.handle_hints(now, hints),
            Message::Compare => self.handle_compare(now, from),
            Message::Draining => self.handle_draining(from),
            Message::View(rows) => {
                for event in self.agreement.handle_view(from, rows) {
                    self.emit(event);
                }
            }
        }
        Ok(())
    }

    fn handle_claims(&mut self, now: Instant, from: &NodeId, claims: Claims) {
        let Ok(_) = self.take_claims::<Infallible>(now, from, |_| true, || Ok(claims));
    }

    /// What a member claims, if it has a session that counts.
    fn take_claims<E>(
        &mut self,
        now: Instant,
        from: &NodeId,
        counts: impl FnOnce(SessionId) -> bool,
        claims: impl FnOnce() -> Result<Claims, E>,
    ) -> Result<Option<Claims>, E> {
        let Some(member) = self.table.get_mut_of_session(from) else { return Ok(None) };
        if !member.session.is_some_and(counts) {
            return Ok(None);
        }
        let claims = claims()?;
        member.claims = Some(claims);
        let finding = self.agreement.handle_digest(now, &mut member.view, claims.digest);
        self.follow(from, finding);
        Ok(Some(claims))
    }

    /// What follows from a comparison with a peer's view.
    fn follow(&mut self, from: &NodeId, finding: Finding) {
        match finding {
            Finding::Equal if self.agreement.has_diverged() => self.end_divergence(),
            Finding::Equal | Finding::Differs => {}
            Finding::ToCompare => self.outbox.push(from, &Message::Compare),
        }
    }

    /// A peer agrees: perhaps all do again.
    fn end_divergence(&mut self) {
        if !self.table.iter().any(|(_, member)| self.agreement.contradicts(member.claims.as_ref())) {
            self.agreement.end_divergence();
            self.emit(MemberEvent::Agreed);
        }
    }

    fn handle_draining(&mut self, from: &NodeId) {
        let Some(member) = self.table.get_mut(from) else { return };
        if !member.drains {
            member.drains = true;
            self.emit(MemberEvent::Moving { node: from.clone() });
        }
    }

    fn handle_pong(&mut self, now: Instant, from: &NodeId, pong: Pong) {
        if let Some(member) = self.table.get_mut(from) {
            member.catch_up.handle_pong(pong.ping, pong.version);
            self.reach(from);
            self.settle(now);
        }
    }

    /// Whether the replica of a member is already where it is to be.
    fn reach(&mut self, node: &NodeId) {
        let applied = self.agreement.row(node).map_or(0, |row| row.version);
        if let Some(member) = self.table.get_mut(node) {
            member.catch_up.handle_applied(applied);
        }
    }

    fn handle_question(&mut self, now: Instant, from: &NodeId, question: Question) {
        let ping = self.take_ping();
        let asked = self.table.get_mut_of_session(&question.node);
        let known =
            asked.filter(|member| member.incarnation == question.incarnation && member.session.is_some());
        let heard = match known {
            None => Heard::NoSession,
            Some(member) => {
                let age = now.since(member.last_heard).as_millis();
                self.asked_about.insert(question.node.clone());
                if member.askers.note(now, from, question.clone()) {
                    self.outbox.push(&question.node, &Message::Ping(ping));
                }
                Heard::Before(u64::try_from(age).unwrap_or(u64::MAX))
            }
        };
        self.outbox.push(from, &Message::Opinion(Opinion { question, heard }));
    }

    /// A member was heard, or its session ended: those who asked for it are told.
    pub(super) fn tell_askers(&mut self, askers: Vec<(NodeId, Question)>, heard: Heard) {
        for (asker, question) in askers {
            if self.session_of(&asker).is_some() {
                self.outbox.push(&asker, &Message::Opinion(Opinion { question, heard }));
            }
        }
    }

    fn handle_opinion(&mut self, now: Instant, from: &NodeId, opinion: &Opinion) {
        let timing = self.settings.timing;
        let Question { round, node, incarnation } = &opinion.question;
        let Some(member) = self.table.get_mut(node) else { return };
        if member.incarnation != *incarnation || from == node {
            return;
        }
        let Some(doubt) = &mut member.doubt else { return };
        if doubt.handle_opinion(now, from, *round, opinion.heard, timing) {
            self.emit(MemberEvent::Vetoed { node: node.clone(), by: from.clone() });
        }
        self.seek_tunnel(now, node);
        self.settle(now);
    }

    /// Dials a member in doubt through one that hears it.
    fn seek_tunnel(&mut self, now: Instant, node: &NodeId) {
        let timing = self.settings.timing;
        let doubt = self.table.get_mut(node).and_then(|member| member.doubt.as_mut());
        if let Some(via) = doubt.and_then(|doubt| doubt.take_carrier(now, timing)) {
            self.targets.probe(Address::through(&via, node));
        }
    }

    fn handle_compare(&mut self, now: Instant, from: &NodeId) {
        let asker = self.table.get_mut_of_session(from);
        if !asker.is_some_and(|asker| self.agreement.may_answer(now, &mut asker.view)) {
            return;
        }
        let rows: Vec<StateRow> = self.agreement.rows().cloned().collect();
        for chunk in rows.chunks(MAX_ROWS) {
            self.outbox.push(from, &Message::View(Bounded::take_from(chunk.iter().cloned())));
        }
    }

    /// Tells all members that this node lives, and how it is.
    pub(super) fn beat(&mut self, now: Instant) {
        let timing = self.settings.timing;
        self.health.beat(self.next_beat, now);
        self.tell_the_untold();
        let still_asked = |node: &NodeId| {
            let member = self.table.get_mut_of_session(node);
            member.is_some_and(|member| member.askers.expire(now - timing.verdict()))
        };
        self.asked_about.retain(still_asked);
        let heartbeat = Message::Heartbeat(self.claims()).encode();
        self.outbox.push_to_all(self.table.in_session(), heartbeat);
        // Up to a tenth early, so that the beats of many nodes do not fall together.
        let share = self.rng.random_range(0.9..=1.0);
        self.next_beat = now + timing.heartbeat().mul_f64(share);
    }

    pub(super) fn take_ping(&mut self) -> u64 {
        self.next_ping = self.next_ping.wrapping_add(1);
        self.next_ping
    }
}
