//! Which addresses are dialled, because of whom, and whether each that was named has had its chance.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cluster_transport::proto::{Address, Instant, NodeId};

use super::event::Action;
use super::timing::DIAL_WAIT;

/// The most addresses that are dialled; more are not looked at.
pub const MAX_TARGETS: usize = 1024;

/// On whose account an address is dialled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// A discovery provider names it.
    Provider(Arc<str>),
    /// It is of a member.
    Member(NodeId),
    /// It is of a node that is no member now.
    Absent,
}

/// Whether an address may still hold readiness back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chance {
    /// It was named and not dialled yet.
    Named,
    /// It is being dialled.
    Dialled { until: Instant },
    /// It had an outcome, or its time.
    Over,
}

#[derive(Debug)]
struct Target {
    /// Each once; nearly always a single one.
    sources: Vec<Source>,
    chance: Chance,
}

#[derive(Debug)]
pub(super) struct Targets {
    ready_wait: Duration,
    targets: BTreeMap<Address, Target>,
    /// Whose addresses they are, each once and in order: of a member nearly always a single one.
    named: BTreeMap<Source, Vec<Address>>,
    /// How many of them were named and not dialled yet.
    undialled: usize,
    /// Those that are being dialled, by the end of their chance.
    dialled: BTreeSet<(Instant, Address)>,
    /// Since when there has always been an address that had no chance yet.
    waiting_since: Option<Instant>,
    actions: VecDeque<Action>,
}

impl Targets {
    pub(super) fn new(ready_wait: Duration) -> Self {
        Self {
            ready_wait,
            targets: BTreeMap::new(),
            named: BTreeMap::new(),
            undialled: 0,
            dialled: BTreeSet::new(),
            waiting_since: None,
            actions: VecDeque::new(),
        }
    }

    pub(super) fn add(&mut self, address: &Address, source: Source) {
        if let Some(target) = self.targets.get_mut(address) {
            if !target.sources.contains(&source) {
                target.sources.push(source.clone());
            }
            self.name(address, source);
        } else if self.targets.len() < MAX_TARGETS {
            let chance = match source {
                Source::Member(_) => Chance::Over,
                Source::Provider(_) | Source::Absent => Chance::Named,
            };
            self.undialled += usize::from(chance == Chance::Named);
            self.name(address, source.clone());
            self.targets.insert(address.clone(), Target { sources: vec![source], chance });
            self.actions.push_back(Action::AddTarget(address.clone()));
        }
    }

    fn name(&mut self, address: &Address, source: Source) {
        match self.named.entry(source) {
            Entry::Vacant(first) => drop(first.insert(vec![address.clone()])),
            Entry::Occupied(mut named) => {
                if let Err(place) = named.get().binary_search(address) {
                    named.get_mut().insert(place, address.clone());
                }
            }
        }
    }

    pub(super) fn remove(&mut self, address: &Address, source: &Source) {
        let Some(target) = self.targets.get_mut(address) else { return };
        target.sources.retain(|other| other != source);
        let is_nobodys = target.sources.is_empty();
        if let Some(addresses) = self.named.get_mut(source) {
            if let Ok(place) = addresses.binary_search(address) {
                addresses.remove(place);
            }
            if addresses.is_empty() {
                self.named.remove(source);
            }
        }
        if is_nobodys {
            self.end_chance(address);
            self.targets.remove(address);
            self.actions.push_back(Action::RemoveTarget(address.clone()));
        }
    }

    /// Makes these the addresses of a source, and no others.
    pub(super) fn replace(&mut self, source: &Source, addresses: &[Address]) {
        if let Some(before) = self.named.get(source) {
            let named: BTreeSet<&Address> = addresses.iter().collect();
            let gone: Vec<Address> =
                before.iter().filter(|address| !named.contains(address)).cloned().collect();
            gone.iter().for_each(|address| self.remove(address, source));
        }
        for address in addresses {
            self.add(address, source.clone());
        }
    }

    pub(super) fn handle_dial_started(&mut self, now: Instant, address: &Address) {
        if let Some(target) = self.targets.get_mut(address)
            && target.chance == Chance::Named
        {
            let until = now + DIAL_WAIT;
            target.chance = Chance::Dialled { until };
            self.undialled -= 1;
            self.dialled.insert((until, address.clone()));
        }
    }

    /// The address had an outcome.
    pub(super) fn handle_outcome(&mut self, address: &Address) {
        self.end_chance(address);
    }

    fn end_chance(&mut self, address: &Address) {
        let Some(target) = self.targets.get_mut(address) else { return };
        match std::mem::replace(&mut target.chance, Chance::Over) {
            Chance::Named => self.undialled -= 1,
            Chance::Dialled { until } => drop(self.dialled.remove(&(until, address.clone()))),
            Chance::Over => {}
        }
    }

    /// Notes whether any address still waits for its chance. Called before `pending` is asked.
    pub(super) fn refresh(&mut self, now: Instant) {
        while let Some((_, address)) = self.dialled.first().filter(|(until, _)| *until <= now).cloned() {
            self.end_chance(&address);
        }
        if self.undialled + self.dialled.len() > 0 {
            self.waiting_since.get_or_insert(now);
        } else {
            self.waiting_since = None;
        }
    }

    /// How many addresses hold readiness back, and when that can change by itself.
    ///
    /// A dialler that is slow, or a member that goes on naming addresses, costs the ready wait at most.
    pub(super) fn pending(&self, now: Instant) -> (usize, Option<Instant>) {
        let Some(limit) =
            self.waiting_since.map(|since| since + self.ready_wait).filter(|limit| *limit > now)
        else {
            return (0, None);
        };
        // Since the last refresh only a few can have had their time.
        let over = self.dialled.iter().take_while(|(until, _)| *until <= now).count();
        let end = self.dialled.iter().nth(over).map_or(limit, |(until, _)| limit.min(*until));
        (self.undialled + self.dialled.len() - over, Some(end))
    }

    pub(super) fn probe(&mut self, address: Address) {
        self.actions.push_back(Action::ProbeNow(address));
    }

    pub(super) fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(super) fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    pub(super) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: usize) -> Address {
        format!("10.0.0.1:{port}").parse().unwrap()
    }

    fn at(ms: u64) -> Instant {
        Instant::after_origin(Duration::from_millis(ms))
    }

    fn actions(targets: &mut Targets) -> Vec<Action> {
        std::iter::from_fn(|| targets.poll_action()).collect()
    }

    #[test]
    fn an_address_is_dialled_while_anybody_stands_for_it() {
        let mut targets = Targets::new(Duration::from_secs(10));
        let (seeds, member) = (Source::Provider("seeds".into()), Source::Member("b".parse().unwrap()));
        targets.replace(&seeds, &[address(1), address(2)]);
        targets.add(&address(2), member.clone());
        targets.replace(&seeds, &[address(3)]);
        targets.remove(&address(2), &member);
        let expected = [
            Action::AddTarget(address(1)),
            Action::AddTarget(address(2)),
            Action::RemoveTarget(address(1)),
            Action::AddTarget(address(3)),
            Action::RemoveTarget(address(2)),
        ];
        assert_eq!(actions(&mut targets), expected);
    }

    fn pending(targets: &mut Targets, ms: u64) -> (usize, Option<Instant>) {
        targets.refresh(at(ms));
        targets.pending(at(ms))
    }

    #[test]
    fn a_stale_address_costs_half_a_second_and_one_never_dialled_the_ready_wait() {
        let mut targets = Targets::new(Duration::from_secs(10));
        targets.replace(&Source::Absent, &[address(1), address(2), address(3)]);
        assert_eq!(pending(&mut targets, 0), (3, Some(at(10_000))));
        targets.handle_dial_started(at(100), &address(1));
        targets.handle_dial_started(at(100), &address(2));
        targets.handle_outcome(&address(2));
        assert_eq!(pending(&mut targets, 599), (2, Some(at(600))));
        targets.handle_dial_started(at(599), &address(1));
        assert_eq!(pending(&mut targets, 600), (1, Some(at(10_000))));
        assert_eq!(pending(&mut targets, 10_000), (0, None));
    }

    #[test]
    fn naming_addresses_without_end_costs_the_ready_wait_once() {
        let mut targets = Targets::new(Duration::from_secs(10));
        let mut holds = |tenth: u16| {
            let port = usize::from(tenth) + 1;
            targets.add(&address(port + 1), Source::Absent);
            targets.handle_outcome(&address(port));
            pending(&mut targets, u64::from(tenth) * 100).0 > 0
        };
        let held: Vec<u16> = (0..300).filter(|tenth| holds(*tenth)).collect();
        assert_eq!(held, (0..100).collect::<Vec<_>>());
        targets.handle_outcome(&address(301));
        assert_eq!(pending(&mut targets, 30_000), (0, None));
        targets.add(&address(302), Source::Absent);
        assert_eq!(pending(&mut targets, 30_001), (1, Some(at(40_001))));
    }

    #[test]
    fn the_number_of_targets_is_bounded() {
        let mut targets = Targets::new(Duration::from_secs(10));
        for port in 1..=MAX_TARGETS + 10 {
            targets.add(&address(port), Source::Absent);
        }
        assert_eq!(actions(&mut targets).len(), MAX_TARGETS);
    }
}
