//! Clients are moving as long as their own node drains, and no others are: at any moment a node that drains serves nobody, and
//! nobody takes one for draining that never was told to; after calm each member counts as moving just what those nodes own.

use std::collections::BTreeMap;

use cluster_transport::proto::NodeId;

use super::Violation;
use crate::engine::RoomId;
use crate::engine::members::Reason;
use crate::sim::{Sim, room};

/// What is to hold at any moment.
pub(super) fn check(sim: &Sim) -> Result<(), Violation> {
    for node in sim.running() {
        let members = sim.engine(node).members();
        let own = (members.is_ready(), members.reasons().contains(&Reason::Draining));
        judge_own(sim.drains(node), sim.is_leaving(node), own)
            .map_err(|what| Violation::new(format!("n{node} {what}")))?;
        let drained = members.members().filter(|(_, member)| member.drains());
        let drained = drained.map(|(id, member)| (id, sim.was_drained(member.incarnation())));
        judge_members(drained).map_err(|id| {
            Violation::new(format!("n{node} takes {id} for draining, which never was told to"))
        })?;
    }
    Ok(())
}

/// What is to hold once the network is whole and nothing changes.
pub(super) fn check_counts(sim: &Sim) -> Result<(), Violation> {
    let counts = |drain: bool| -> Rooms {
        let counts = sim.model().counts_of(|node| sim.drains(node) == drain);
        counts.into_iter().map(|(number, count)| (room(number).id(), count)).collect()
    };
    let truth = Counts { staying: counts(false), moving: counts(true) };
    for node in sim.running() {
        let state = sim.engine(node).state();
        judge_counts(&truth, &reported(sim, node), state.moving_subscriptions())
            .map_err(|what| Violation::new(format!("n{node}: {what}")))?;
    }
    Ok(())
}

type Rooms = BTreeMap<RoomId, u64>;

/// How many connections are in each room that has any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    staying: Rooms,
    moving: Rooms,
}

fn reported(sim: &Sim, node: usize) -> Counts {
    let state = sim.engine(node).state();
    let mut counts = Counts::default();
    for found in state.collections(None).flat_map(|name| state.list(name)) {
        counts.staying.extend((found.count > 0).then_some((found.room, found.count)));
        counts.moving.extend((found.moving > 0).then_some((found.room, found.moving)));
    }
    counts
}

/// The own readiness, and whether draining is among the reasons against it.
fn judge_own(drains: bool, leaves: bool, (is_ready, is_reason): (bool, bool)) -> Result<(), &'static str> {
    match (drains || leaves, is_ready, is_reason) {
        (true, true, _) => Err("drains, and is ready"),
        (true, false, false) => Err("drains, and does not say so"),
        (false, _, true) => Err("says that it drains, and never was told to"),
        (true, false, true) | (false, _, false) => Ok(()),
    }
}

/// Members that are taken for draining, and whether those lives ever were told to.
fn judge_members<'a>(mut drained: impl Iterator<Item = (&'a NodeId, bool)>) -> Result<(), &'a NodeId> {
    drained.find(|(_, was_told)| !was_told).map_or(Ok(()), |(id, _)| Err(id))
}

fn judge_counts(truth: &Counts, reported: &Counts, subscriptions: u64) -> Result<(), String> {
    let differs = |truth: &Rooms, reported: &Rooms| {
        let rooms = truth.keys().chain(reported.keys());
        let differ = |room: &&RoomId| truth.get(*room) != reported.get(*room);
        rooms
            .copied()
            .find(|room| differ(&room))
            .map(|room| (room, truth.get(&room).copied(), reported.get(&room).copied()))
    };
    if let Some((room, truth, reported)) = differs(&truth.moving, &reported.moving) {
        return Err(format!("of room {room} {truth:?} clients are moving, reported are {reported:?}"));
    }
    if let Some((room, truth, reported)) = differs(&truth.staying, &reported.staying) {
        return Err(format!("in room {room} {truth:?} clients stay, reported are {reported:?}"));
    }
    let sum: u64 = truth.moving.values().sum();
    if sum != subscriptions {
        return Err(format!("{sum} subscriptions are moving, reported are {subscriptions}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sim::SimSettings;

    #[test]
    fn it_bites_on_readiness_of_a_node_that_drains_and_on_drains_that_nobody_ordered() {
        assert_eq!(judge_own(true, false, (false, true)), Ok(()));
        assert_eq!(judge_own(false, true, (false, true)), Ok(()));
        assert_eq!(judge_own(false, false, (true, false)), Ok(()));
        for (drains, own) in [(true, (true, true)), (true, (false, false)), (false, (false, true))] {
            assert!(judge_own(drains, false, own).is_err(), "{drains} {own:?}");
        }
        let (a, b) = (Sim::id(0), Sim::id(1));
        assert_eq!(judge_members([(&a, true)].into_iter()), Ok(()));
        assert_eq!(judge_members([(&a, true), (&b, false)].into_iter()), Err(&b));
    }

    #[test]
    fn it_bites_on_clients_that_move_or_stay_and_ought_not_to() {
        let rooms = |counts: &[(u32, u64)]| -> Rooms {
            counts.iter().map(|(number, count)| (room(*number).id(), *count)).collect()
        };
        let counts = |staying, moving| Counts { staying: rooms(staying), moving: rooms(moving) };
        let truth = counts(&[(1, 2)], &[(1, 1), (2, 3)]);
        assert_eq!(judge_counts(&truth, &truth, 4), Ok(()));
        for wrong in [
            counts(&[(1, 2)], &[(1, 1)]),
            counts(&[(1, 2)], &[(1, 2), (2, 3)]),
            counts(&[(1, 2)], &[(1, 1), (2, 3), (3, 1)]),
            counts(&[(1, 3)], &[(1, 1), (2, 3)]),
            counts(&[(1, 2), (2, 3)], &[(1, 1), (2, 3)]),
        ] {
            assert!(judge_counts(&truth, &wrong, 4).is_err(), "{wrong:?}");
        }
        assert!(judge_counts(&truth, &truth, 5).is_err());
    }

    #[test]
    fn it_bites_on_a_history_in_which_another_node_was_told_to_drain() {
        let mut sim = Sim::new(SimSettings::new(3), 1);
        for (node, connection) in [(0, 1), (0, 2), (1, 1), (2, 1)] {
            sim.subscribe(node, connection, 1);
        }
        sim.run_until_calm(Duration::from_secs(10)).unwrap();
        assert!(sim.drain(0));
        sim.run_until_calm(Duration::from_secs(10)).unwrap();
        let of = |sim: &Sim, node: usize| sim.engine(node).incarnation();
        let (drained, other) = (of(&sim, 0), of(&sim, 1));
        sim.drained = [other.nonce].into();
        assert!(check(&sim).is_err() && check_counts(&sim).is_err());
        sim.drained = [other.nonce, drained.nonce].into();
        assert!(check(&sim).is_err() && check_counts(&sim).is_err());
        sim.drained = [drained.nonce].into();
        assert_eq!(check(&sim).and(check_counts(&sim)), Ok(()));
    }
}
