//! Every node reports the rooms, filters and counts of the plain model, holds what each owner holds, and says so.

use std::collections::BTreeMap;

use cluster_transport::proto::NodeId;

use super::Violation;
use crate::engine::state::RoomCount;
use crate::engine::{RoomId, RoomInfo};
use crate::sim::{Sim, room};

/// A room as a node reports it, or as the model has it.
type Rooms = BTreeMap<RoomId, (RoomInfo, u64)>;

pub(super) fn check(sim: &Sim) -> Result<(), Violation> {
    let truth: Rooms = sim
        .model()
        .counts()
        .into_iter()
        .map(|(number, count)| (room(number).id(), (room(number), count)))
        .collect();
    let owners = owners(sim);
    for node in sim.running() {
        agrees_with_itself(sim, node, &owners)?;
        compare(&truth, &reported(sim, node)).map_err(|what| Violation::new(format!("n{node}: {what}")))?;
        let host = sim.host(node).rooms().present();
        if !host.values().eq(truth.values().map(|(info, _)| info)) {
            return Err(Violation::new(format!(
                "n{node}: the host knows {} rooms, there are {}",
                host.len(),
                truth.len()
            )));
        }
    }
    Ok(())
}

/// What each owner has: its version and the hash of its state.
type Owners = BTreeMap<NodeId, (u64, u128)>;

fn owners(sim: &Sim) -> Owners {
    let own = |node| {
        let state = sim.engine(node).state();
        (Sim::id(node), (state.version(), state.hash()))
    };
    sim.running().map(own).collect()
}

/// Members, views and readiness are as they are to be in a whole network.
fn agrees_with_itself(sim: &Sim, node: usize, owners: &Owners) -> Result<(), Violation> {
    let (engine, me) = (sim.engine(node), Sim::id(node));
    if !engine.members().members().map(|(id, _)| id).eq(owners.keys().filter(|other| **other != me)) {
        return Err(Violation::new(format!("n{node} does not have all members")));
    }
    for view in engine.state().view() {
        if owners.get(&view.node) != Some(&(view.version, view.hash)) {
            return Err(Violation::new(format!("n{node} holds {view:?}, which is not what its owner has")));
        }
    }
    if !engine.members().is_converged() {
        return Err(Violation::new(format!("n{node} does not say that it has converged")));
    }
    let quorum = u32::try_from(sim.running().count()).unwrap_or(u32::MAX) >= sim.minimum_nodes();
    // Whoever drains does not serve any more.
    let serves = quorum && !sim.drains(node);
    if engine.members().is_ready() != serves {
        return Err(Violation::new(format!(
            "n{node} is ready: {}; {:?}",
            !serves,
            engine.members().reasons()
        )));
    }
    Ok(())
}

/// What a node answers to `list`, collection by collection: those that stay and those that are moving, together.
fn reported(sim: &Sim, node: usize) -> Rooms {
    let state = sim.engine(node).state();
    let rooms = state.collections(None).flat_map(|name| state.list(name));
    let all = |found: RoomCount| found.count + found.moving;
    rooms.filter_map(|found| Some((found.room, (state.room(&found.room)?, all(found))))).collect()
}

fn compare(truth: &Rooms, reported: &Rooms) -> Result<(), String> {
    if truth == reported {
        return Ok(());
    }
    let differs = truth.iter().find(|(id, room)| reported.get(*id) != Some(room));
    let extra = reported.keys().find(|id| !truth.contains_key(*id));
    Err(match (differs, extra) {
        (Some((id, (_, count))), _) => {
            format!("room {id} has {count}, reported are {:?}", reported.get(id).map(|(_, count)| count))
        }
        (None, Some(id)) => format!("room {id} is reported and is nobody's"),
        (None, None) => "the rooms differ".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_bites_on_a_missing_an_extra_and_a_miscounted_room() {
        let rooms = |counts: &[(u32, u64)]| -> Rooms {
            counts.iter().map(|(number, count)| (room(*number).id(), (room(*number), *count))).collect()
        };
        let truth = rooms(&[(1, 1), (2, 2)]);
        assert_eq!(compare(&truth, &rooms(&[(1, 1), (2, 2)])), Ok(()));
        for wrong in [&[(1, 1)][..], &[(1, 1), (2, 3)], &[(1, 1), (2, 2), (3, 1)]] {
            assert!(compare(&truth, &rooms(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn it_bites_on_a_replica_that_was_corrupted() {
        let mut sim = Sim::new(crate::sim::SimSettings::new(2), 1);
        sim.subscribe(0, 1, 1);
        sim.run_until_calm(std::time::Duration::from_secs(10)).unwrap();
        sim.corrupt(1, 0, 1, 9);
        assert!(check(&sim).is_err());
    }
}
