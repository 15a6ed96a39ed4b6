//! One running doubt about a member: evidence in, verdict out.
//!
//! Nobody accuses. The own probe and the answers of the members that were asked can only speak for the one in doubt; the
//! verdict comes from time, from refusals, or from whoever answers in its place, and it holds for this node alone.
//! A hearing by somebody else counts with the earliest moment that it can have been, so late answers prolong nothing.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use cluster_transport::proto::address::Scheme;
use cluster_transport::proto::{Address, Incarnation, Instant, NodeId};

use super::event::{DoubtCause, Evidence, RemovalReason};
use super::timing::{PROBE_AGAIN, REFUSALS_APART, Timing};
use super::wire::Heard;
use crate::engine::input::DialOutcome;

/// How often in one doubt an address is dialled again soon because a probe was cut off. A process that dies on a busy machine may
/// close its sessions tenths of a second before what it listens on; whoever goes on cutting links off is dialled at the pace of the
/// beats.
const SOON_AFTER_CUTS: u32 = 6;
/// The same for cuts and refusals together, with two more for the refusals: behind a balancer one may refuse and the next cut off,
/// and so on until the verdict.
const SOON: u32 = SOON_AFTER_CUTS + 2;
/// Rounds of questions whose answers still count: a slow answer is matched to the moment it was asked for.
const MAX_ROUNDS: usize = 32;

/// What else is so while a verdict is sought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// Whether any member can be asked.
    pub(super) witnesses: bool,
    /// Whether this node doubts itself.
    pub(super) self_doubt: bool,
    /// Until when an administrator holds verdicts about the member.
    pub(super) held_until: Option<Instant>,
}

/// What follows from the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing before this moment, unless new evidence comes.
    Wait(Instant),
    /// The member is gone.
    Gone(RemovalReason),
}

/// What a probe's outcome says about the member itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It answered.
    Alive,
    /// Nothing that ends the doubt.
    None,
}

#[derive(Debug, Default)]
struct Probe {
    /// When to dial next; `None` while a dial runs.
    next: Option<Instant>,
    refusals: u32,
    first_refusal: Option<Instant>,
    last_refusal: Option<Instant>,
    connected: bool,
    cuts: u32,
    /// How often it was dialled again soon.
    soon: u32,
}

impl Probe {
    /// Dials again then, or sooner if that was planned: the dialler's own attempts have outcomes too.
    fn again_at(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    fn refused(&mut self, now: Instant) {
        self.refusals = self.refusals.saturating_add(1);
        self.first_refusal.get_or_insert(now);
        self.last_refusal = Some(now);
        if !self.is_refused_twice() {
            self.soon_at(now + REFUSALS_APART);
        }
    }

    /// Dials again before it is time, if that was not done too often in this doubt.
    fn soon_at(&mut self, at: Instant) {
        if self.soon < SOON {
            self.soon += 1;
            self.again_at(at);
        }
    }

    fn connected(&mut self) {
        let Self { next, cuts, soon, .. } = *self;
        *self = Self { connected: true, next, cuts, soon, ..Self::default() };
    }

    /// Whoever cuts links off is not a process that is frozen.
    fn cut_off(&mut self, now: Instant) {
        self.connected = false;
        self.cuts = self.cuts.saturating_add(1);
        if self.cuts <= SOON_AFTER_CUTS {
            self.soon_at(now + PROBE_AGAIN);
        }
    }

    fn is_refused_twice(&self) -> bool {
        match (self.first_refusal, self.last_refusal) {
            (Some(first), Some(last)) => last.since(first) >= REFUSALS_APART,
            _ => false,
        }
    }
}

/// A doubt about one incarnation of a node.
#[derive(Debug)]
pub(super) struct Doubt {
    subject: (NodeId, Incarnation),
    cause: DoubtCause,
    began: Instant,
    last_heard: Instant,
    probes: BTreeMap<Address, Probe>,
    rounds: VecDeque<(u32, Instant)>,
    next_round: Instant,
    opinions: BTreeMap<NodeId, Option<Instant>>,
    first_veto: Option<Instant>,
    /// Who hears the member, and could carry a tunnel to it.
    carrier: Option<NodeId>,
    /// When the next tunnel may be asked for.
    next_tunnel: Instant,
    replaced_by: Option<RemovalReason>,
}

impl Doubt {
    pub(super) fn new(
        subject: (NodeId, Incarnation),
        cause: DoubtCause,
        addresses: &[Address],
        last_heard: Instant,
        now: Instant,
    ) -> Self {
        let probe = |address: &Address| (address.clone(), Probe { next: Some(now), ..Probe::default() });
        Self {
            subject,
            cause,
            began: now,
            last_heard,
            probes: addresses.iter().chain(&twins(addresses)).map(probe).collect(),
            rounds: VecDeque::new(),
            next_round: now,
            opinions: BTreeMap::new(),
            first_veto: None,
            carrier: None,
            next_tunnel: now,
            replaced_by: None,
        }
    }

    pub(super) fn cause(&self) -> &DoubtCause {
        &self.cause
    }

    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// The link of the member ended too. A peer that closes is more than silent; a link that fails is not.
    pub(super) fn handle_link_lost(&mut self, cause: DoubtCause) {
        if self.cause == DoubtCause::Silence && cause == DoubtCause::Eof {
            self.cause = cause;
        }
    }

    /// Whether all that is known is silence: no end of a link, no refusal.
    pub(super) fn is_mere_silence(&self) -> bool {
        self.cause == DoubtCause::Silence && self.probes.values().all(|probe| probe.first_refusal.is_none())
    }

    /// Whether somebody heard the member after this node did.
    pub(super) fn is_vetoed(&self) -> bool {
        self.first_veto.is_some()
    }

    /// The addresses to dial now.
    pub(super) fn take_due_probes(&mut self, now: Instant) -> Vec<Address> {
        let due = |probe: &mut Probe| probe.next.take_if(|next| *next <= now).is_some();
        self.probes.iter_mut().filter_map(|(address, probe)| due(probe).then(|| address.clone())).collect()
    }

    /// Whether members are to be asked now; the answers then carry this round.
    pub(super) fn take_due_round(&mut self, now: Instant, timing: Timing) -> Option<u32> {
        if now < self.next_round {
            return None;
        }
        let round = self.rounds.back().map_or(0, |(round, _)| round.wrapping_add(1));
        if self.rounds.len() == MAX_ROUNDS {
            self.rounds.pop_front();
        }
        self.rounds.push_back((round, now));
        self.next_round = now + timing.ask_again();
        Some(round)
    }

    /// A dial of one of the member's addresses has to wait.
    pub(super) fn handle_deferred(&mut self, now: Instant, address: &Address) {
        if let Some(probe) = self.probes.get_mut(address) {
            probe.again_at(now + PROBE_AGAIN);
        }
    }

    /// A dial of one of the member's addresses has reached somebody, who has not answered yet.
    pub(super) fn handle_connected(&mut self, address: &Address) {
        if let Some(probe) = self.probes.get_mut(address) {
            probe.connected();
        }
    }

    /// A dial of one of the member's addresses ended without anybody who gave a name.
    pub(super) fn handle_outcome(
        &mut self,
        now: Instant,
        address: &Address,
        outcome: &DialOutcome,
        timing: Timing,
    ) {
        let Some(probe) = self.probes.get_mut(address) else { return };
        probe.again_at(now + timing.ask_again());
        match outcome {
            DialOutcome::ConnectionRefused => probe.refused(now),
            DialOutcome::NoWelcome | DialOutcome::Refused { .. } => probe.connected(),
            DialOutcome::CutOff(_) => probe.cut_off(now),
            _ => {}
        }
    }

    /// Somebody answered at one of the member's addresses.
    pub(super) fn handle_met(
        &mut self,
        now: Instant,
        address: &Address,
        who: &NodeId,
        incarnation: Option<Incarnation>,
        timing: Timing,
    ) -> Sign {
        let Some(probe) = self.probes.get_mut(address) else { return Sign::None };
        probe.again_at(now + timing.ask_again());
        if *who != self.subject.0 {
            self.replaced_by = Some(RemovalReason::AddressTaken { by: who.clone() });
            return Sign::None;
        }
        match incarnation.map_or(Ordering::Equal, |other| other.cmp(&self.subject.1)) {
            Ordering::Equal => return Sign::Alive,
            Ordering::Greater => self.replaced_by = Some(RemovalReason::NewerIncarnation),
            Ordering::Less => {}
        }
        Sign::None
    }

    /// What an asked member heard. True if that is the first veto.
    pub(super) fn handle_opinion(
        &mut self,
        now: Instant,
        from: &NodeId,
        round: u32,
        heard: Heard,
        timing: Timing,
    ) -> bool {
        let Some((_, asked)) = self.rounds.iter().find(|(number, _)| *number == round) else { return false };
        let heard = match heard {
            Heard::NoSession => None,
            Heard::Before(age) => Some(*asked - Duration::from_millis(age)),
            Heard::Since => Some(*asked),
        };
        self.opinions.insert(from.clone(), heard);
        let vetoes = heard.is_some_and(|at| at >= self.began || at > self.last_heard + timing.heartbeat());
        if vetoes {
            self.carrier = Some(from.clone());
        }
        let is_first = vetoes && self.first_veto.is_none();
        if is_first {
            self.first_veto = Some(now);
            // Who is only late, or was frozen until just now, is heard directly sooner than a tunnel is of use.
            self.next_tunnel = now + timing.ask_again();
        }
        is_first
    }

    /// Through whom the member is to be dialled now: whoever said last that it hears it, at most once between two rounds.
    pub(super) fn take_carrier(&mut self, now: Instant, timing: Timing) -> Option<NodeId> {
        let carrier = self.carrier.take_if(|_| now >= self.next_tunnel)?;
        self.next_tunnel = now + timing.ask_again();
        Some(carrier)
    }

    /// What follows now.
    pub(super) fn verdict(&self, now: Instant, around: &Surroundings, timing: Timing) -> Verdict {
        let (mut ripe, mut why) = self.conclusion(around, timing);
        if let Some(veto) = self.veto_until(timing) {
            let last = self.first_veto.map_or(veto, |first| first + timing.veto_life());
            if veto > last && last > ripe {
                why = RemovalReason::Unreachable;
            }
            ripe = ripe.max(veto.min(last));
        }
        if around.self_doubt {
            ripe = ripe.max(self.began + timing.self_doubt());
        }
        ripe = ripe.max(around.held_until.unwrap_or_default());
        if now >= ripe { Verdict::Gone(why) } else { Verdict::Wait(ripe) }
    }

    /// What would follow if nobody spoke for the member, and from when on.
    fn conclusion(&self, around: &Surroundings, timing: Timing) -> (Instant, RemovalReason) {
        let answered = !around.witnesses || !self.opinions.is_empty();
        let positive = match &self.replaced_by {
            Some(why) => Some(why.clone()),
            None if self.is_refused() => Some(RemovalReason::Refused),
            None => None,
        };
        match positive {
            Some(why) if answered => (self.began, why),
            Some(why) => (self.began + timing.verdict(), why),
            None if self.probes.values().any(|probe| probe.connected) => {
                (self.began + timing.frozen(), RemovalReason::Frozen)
            }
            None => (self.began + timing.verdict(), RemovalReason::Silent),
        }
    }

    fn is_refused(&self) -> bool {
        // Over UDP silence and refusal are the same; there is a twin over TCP for each such address.
        let mut tcp = self.probes.iter().filter(|(address, _)| address.scheme() == Scheme::Tcp).peekable();
        tcp.peek().is_some() && tcp.all(|(_, probe)| probe.is_refused_twice())
    }

    /// Until when the latest hearing by somebody else counts as if it were our own.
    fn veto_until(&self, timing: Timing) -> Option<Instant> {
        self.first_veto?;
        let latest = self.opinions.values().flatten().max()?;
        Some(*latest + timing.silence() + timing.verdict())
    }

    /// The next moment at which something is to be done, apart from the verdict.
    pub(super) fn next_step(&self, around: &Surroundings) -> Option<Instant> {
        let round = around.witnesses.then_some(self.next_round);
        self.probes.values().filter_map(|probe| probe.next).chain(round).min()
    }

    /// What a removal now rests on.
    pub(super) fn evidence(&self, now: Instant) -> Evidence {
        Evidence {
            cause: self.cause.clone(),
            doubted: now.since(self.began),
            silent: now.since(self.last_heard),
            refusals: self.probes.values().map(|probe| probe.refusals).sum(),
            opinions: self
                .opinions
                .iter()
                .map(|(by, heard)| (by.clone(), heard.map(|at| now.since(at))))
                .collect(),
        }
    }
}

/// The same places over TCP: whoever listens for QUIC listens for TCP at the same port.
fn twins(addresses: &[Address]) -> Vec<Address> {
    let quic = addresses.iter().filter(|address| address.scheme() == Scheme::Quic);
    quic.map(|address| address.with_scheme(Scheme::Tcp)).collect()
}

#[cfg(test)]
mod tests;
