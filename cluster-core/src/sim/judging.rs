//! Who was removed by whom, and what speaks for the removed one.

use std::time::Duration;

use cluster_transport::proto::tunnel::MAX_TUNNELS;
use cluster_transport::proto::{Incarnation, NodeId};

use super::invariants::Violation;
use super::invariants::removals::{self, Removal};
use super::process::Process;
use super::world::Sim;
use crate::engine::members::RemovalReason;

impl Sim {
    /// Judges what the host of a node has noted.
    pub(super) fn judge(&mut self, node: usize) {
        let Some(process) = self.slots.get_mut(node).and_then(|slot| slot.process.as_mut()) else { return };
        let removed = std::mem::take(&mut process.host.removed);
        self.broken.extend(process.host.violations.drain(..).map(|violation| (node, violation)));
        self.judge_removals(node, removed);
    }

    fn judge_removals(&mut self, by: usize, removed: Vec<(NodeId, Incarnation, RemovalReason)>) {
        // One of two processes with one id is refused by the others, and so cannot but remove them.
        let removed = removed.into_iter().filter(|_| !self.was_twinned(by)).collect::<Vec<_>>();
        for (node, incarnation, why) in removed {
            let Some(number) = self.number_of(&node).filter(|node| !self.was_twinned(*node)) else {
                continue;
            };
            let (Some(slot), Some(remover)) = (self.slots.get(number), self.slots.get(by)) else { continue };
            let lives = |process: &Process| process.engine.incarnation() == incarnation;
            let is_stopped = slot.is_stopped && slot.starved.is_none();
            let disturbed = slot.disturbed.max(remover.disturbed).max(self.network.disturbed());
            let removal = Removal {
                why,
                runs: slot.process.as_ref().is_some_and(lives),
                leaves: slot.is_leaving || remover.is_leaving,
                undisturbed: if is_stopped { Duration::ZERO } else { self.now.since(disturbed) },
                joined: if is_stopped { Duration::ZERO } else { self.joined_for(by, number) },
            };
            if let Err(violation) = removals::judge(&removal) {
                self.broken.push((by, Violation::new(format!("{node}: {violation}"))));
            }
        }
    }

    /// For how long a third node has reached two others as in a healthy network, and is a member that both believe in.
    fn joined_for(&self, a: usize, b: usize) -> Duration {
        let healthy_since = |node: usize| {
            let slot = self.slots.get(node)?;
            let (process, streams) = (slot.process.as_ref()?, MAX_TUNNELS);
            let (ends, carried) = process.tunnels.counts();
            (slot.serves() && !self.was_twinned(node) && ends + carried < streams).then_some(slot.disturbed)
        };
        let believes = |node: usize, other: usize| {
            let members = self.process(node).map(|process| process.engine.members());
            let member = members.and_then(|members| members.member(&Self::id(other)));
            member.is_some_and(|member| member.session().is_some() && !member.is_doubted())
        };
        let joins = |third: usize| {
            let hears = [(a, third), (third, a), (b, third), (third, b)];
            if !hears.iter().all(|(node, other)| believes(*node, *other)) {
                return None;
            }
            let healthy = [a, b, third].into_iter().map(healthy_since).collect::<Option<Vec<_>>>()?;
            let whole = [self.network.whole_since(a, third), self.network.whole_since(b, third)];
            healthy.into_iter().chain(whole).max().map(|since| self.now.since(since))
        };
        (0..self.settings.nodes)
            .filter(|third| ![a, b].contains(third))
            .filter_map(joins)
            .max()
            .unwrap_or_default()
    }
}
