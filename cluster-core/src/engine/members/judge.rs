//! What follows from all that is known now: doubts, verdicts, readiness and the next deadline.

use std::time::Duration;

use cluster_transport::proto::{Instant, NodeId};
use rand::seq::SliceRandom as _;

use super::doubt::{Surroundings, Verdict};
use super::event::{DoubtCause, MemberEvent, RemovalReason};
use super::readiness::{Change, Facts};
use super::survey::Survey;
use super::table::{Member, Table};
use super::wire::{Message, Question};
use super::{Members, Presence};

/// How many members are asked about one in doubt.
const WITNESSES: usize = 8;
/// The most members that are named as those that this node is catching up with.
const MAX_NAMED: usize = 16;
/// The fewest peers of which a majority can make this node doubt itself.
const SELF_DOUBT_PEERS: usize = 3;

impl Members {
    /// Draws all conclusions. Every input that can change one ends with this.
    pub(super) fn settle(&mut self, now: Instant) {
        let mut survey = self.look();
        let is_silent = survey.quietest.is_some_and(|heard| now >= heard + self.patience());
        if self.presence != Presence::Leaving && (survey.doubts > 0 || is_silent || self.self_doubt) {
            self.doubt_the_silent(now);
            self.judge_self();
            self.investigate(now);
            self.pass_verdicts(now);
            survey = self.table.survey_all();
        }
        if survey.held_until.is_some_and(|until| until <= now) {
            self.end_holds(now);
            survey = self.table.survey_all();
        }
        if survey.catching_up_since.is_some_and(|since| since + self.settings.ready_wait <= now) {
            self.degrade(now);
            survey = self.table.survey_all();
        }
        self.targets.refresh(now);
        let facts = self.facts(now, &survey);
        let late = late(&self.table, &survey).take(MAX_NAMED);
        let change = self.readiness.evaluate(now, &facts, late);
        self.tell_readiness(now, change);
        self.wake = self.next_wake(now, &survey);
    }

    /// Looks at all members, if anything that depends on each of them may follow before the next beat.
    fn look(&mut self) -> Survey {
        let survey = self.table.survey();
        let is_near = |step: Option<Instant>| step.is_some_and(|step| step <= self.next_beat);
        if survey.doubts > 0 || is_near(survey.next_rare_step(self.settings.ready_wait)) {
            self.table.survey_all()
        } else if is_near(survey.next_step(self.patience(), self.settings.ready_wait)) {
            self.table.survey_silence()
        } else {
            survey
        }
    }

    pub(super) fn tell_readiness(&mut self, now: Instant, change: Option<Change>) {
        match change {
            None => return,
            Some(Change::Entered) => self.emit(MemberEvent::Ready),
            Some(Change::Left(reasons)) => self.emit(MemberEvent::NotReady { reasons }),
        }
        // The others count on it from now on, not from the next beat on.
        self.beat(now);
    }

    /// How long a member may be silent: longer the worse this node itself runs.
    fn patience(&self) -> Duration {
        self.settings.timing.silence() * self.health.score()
    }

    fn doubt_the_silent(&mut self, now: Instant) {
        let patience = self.patience();
        let is_silent = |member: &Member| member.doubt.is_none() && now >= member.last_heard + patience;
        let silent = self.table.iter().filter(|(_, member)| is_silent(member));
        for node in silent.map(|(node, _)| node.clone()).collect::<Vec<_>>() {
            self.doubt(now, &node, DoubtCause::Silence);
        }
    }

    fn judge_self(&mut self) {
        let peers = self.table.len();
        let is_silent = |member: &Member| member.doubt.as_ref().is_some_and(|doubt| doubt.is_mere_silence());
        let silent = self.table.iter().filter(|(_, member)| is_silent(member)).count();
        let doubts = peers >= SELF_DOUBT_PEERS && silent * 2 > peers;
        if doubts && !self.self_doubt {
            self.emit(MemberEvent::SelfDoubt { silent, peers });
        } else if !doubts && self.self_doubt {
            self.emit(MemberEvent::SelfDoubtOver);
        }
        self.self_doubt = doubts;
    }

    /// Dials and asks for all members in doubt.
    fn investigate(&mut self, now: Instant) {
        let timing = self.settings.timing;
        let mut witnesses: Vec<NodeId> =
            self.table.iter().filter(|(_, member)| member.is_well()).map(|(node, _)| node.clone()).collect();
        let in_doubt = self.table.iter().filter(|(_, member)| member.doubt.is_some());
        for node in in_doubt.map(|(node, _)| node.clone()).collect::<Vec<_>>() {
            let Some(member) = self.table.get_mut(&node) else { continue };
            let incarnation = member.incarnation;
            let Some(doubt) = &mut member.doubt else { continue };
            for address in doubt.take_due_probes(now) {
                self.targets.probe(address);
            }
            if witnesses.is_empty() {
                continue;
            }
            let Some(round) = doubt.take_due_round(now, timing) else { continue };
            let question = Message::Question(Question { round, node: node.clone(), incarnation });
            let (asked, _) = witnesses.partial_shuffle(&mut self.rng, WITNESSES);
            for witness in asked {
                self.outbox.push(witness, &question);
            }
        }
    }

    /// Removes who is gone. A removal can end this node's doubt about itself, and so free the next one.
    fn pass_verdicts(&mut self, now: Instant) {
        loop {
            let gone: Vec<(NodeId, RemovalReason)> = self
                .table
                .iter()
                .filter_map(|(node, member)| match self.verdict(now, member)? {
                    Verdict::Gone(why) => Some((node.clone(), why)),
                    Verdict::Wait(_) => None,
                })
                .collect();
            if gone.is_empty() {
                return;
            }
            for (node, why) in gone {
                self.remove(now, &node, why);
            }
            self.judge_self();
        }
    }

    fn verdict(&self, now: Instant, member: &Member) -> Option<Verdict> {
        let doubt = member.doubt.as_ref()?;
        Some(doubt.verdict(now, &self.surroundings(member), self.settings.timing))
    }

    fn surroundings(&self, member: &Member) -> Surroundings {
        Surroundings {
            witnesses: self.table.iter().any(|(_, other)| other.is_well()),
            self_doubt: self.self_doubt,
            held_until: member.held_until,
        }
    }

    fn degrade(&mut self, now: Instant) {
        let wait = self.settings.ready_wait;
        let late = self.table.update(|member| member.catch_up.expire(now, wait));
        late.into_iter().for_each(|node| self.emit(MemberEvent::Degraded { node }));
    }

    fn end_holds(&mut self, now: Instant) {
        let is_over = |until: &mut Instant| *until <= now;
        let over = self.table.update(|member| member.held_until.take_if(is_over).is_some());
        over.into_iter().for_each(|node| self.emit(MemberEvent::HoldOver { node }));
    }

    fn facts(&self, now: Instant, survey: &Survey) -> Facts {
        Facts {
            discovery_pending: self.discovery_pending,
            addresses_waiting: self.targets.pending(now).0,
            registers: self.registers,
            in_session: 1 + survey.in_session,
            members: 1 + self.table.len(),
            minimum: self.settings.minimum_nodes.get(),
            self_doubt: self.self_doubt,
            superseded: self.superseded.map(|(epoch, _)| epoch),
            draining: self.presence != Presence::Staying,
        }
    }

    /// The next moment at which anything can follow without an input.
    fn next_wake(&self, now: Instant, survey: &Survey) -> Instant {
        let own = [
            Some(self.next_beat),
            self.tell_fresh,
            self.targets.pending(now).1,
            self.absent.next_expiry(),
            self.superseded.map(|(_, until)| until),
            self.readiness.next_deadline(),
        ];
        let own = own.into_iter().flatten().min().unwrap_or(self.next_beat);
        let step = if survey.doubts > 0 || self.presence == Presence::Leaving {
            self.table.iter().filter_map(|(_, member)| self.next_step(now, member)).min()
        } else {
            survey.next_step(self.patience(), self.settings.ready_wait)
        };
        step.map_or(own, |step| step.min(own))
    }

    fn next_step(&self, now: Instant, member: &Member) -> Option<Instant> {
        let caught_up = member.catch_up.deadline(self.settings.ready_wait);
        if self.presence == Presence::Leaving {
            return caught_up;
        }
        let silence = member.last_heard + self.patience();
        let judged = match (&member.doubt, self.verdict(now, member)) {
            (Some(doubt), Some(Verdict::Wait(at))) => {
                let step = doubt.next_step(&self.surroundings(member));
                Some(step.map_or(at, |step| step.min(at)))
            }
            _ => Some(silence),
        };
        judged.into_iter().chain(caught_up).chain(member.held_until).min()
    }
}

/// Whom this node is still catching up with. Whom others reach and we do not holds nobody back.
fn late<'a>(table: &'a Table, survey: &Survey) -> impl Iterator<Item = &'a NodeId> + Clone {
    let has_doubts = survey.doubts > 0;
    let is_reached = move |node: &NodeId| !table.get(node).is_some_and(Member::is_unreachable_from_here);
    table.waited_for().filter(move |node| !has_doubts || is_reached(node))
}
