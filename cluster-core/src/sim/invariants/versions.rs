//! As long as a node holds the state of one life of an owner, the version that it holds never goes back.

use std::collections::BTreeMap;

use cluster_transport::proto::{Incarnation, NodeId};

use super::Violation;
use crate::engine::state::OwnerView;
use crate::sim::Sim;

/// What one process holds of one owner.
#[derive(Clone, Debug)]
struct Held {
    owner: NodeId,
    /// How often the owner had joined: whoever was removed meanwhile begins anew.
    joins: u64,
    version: (Incarnation, u64),
}

/// The versions that were seen last, by process: a node and its life, and the owners in the order of their ids.
#[derive(Debug, Default)]
pub(in crate::sim) struct Versions(BTreeMap<(usize, u64), Vec<Held>>);

impl Versions {
    /// Looks at all nodes again.
    pub(in crate::sim) fn observe(&mut self, sim: &Sim) -> Result<(), Violation> {
        let mut seen = BTreeMap::new();
        for node in sim.running() {
            let Some(life) = sim.life_of(node) else { continue };
            let held: Vec<Held> = held_by(sim, node).collect();
            let before = self.0.remove(&(node, life)).unwrap_or_default();
            compare(&before, &held).map_err(|what| Violation::new(format!("n{node} held version {what}")))?;
            seen.insert((node, life), held);
        }
        self.0 = seen;
        Ok(())
    }
}

/// Goes through what is held and through who has joined together: both are in the order of their ids.
fn held_by(sim: &Sim, node: usize) -> impl Iterator<Item = Held> {
    let mut joins = sim.host(node).joins().peekable();
    let held = move |view: OwnerView| {
        while joins.next_if(|(joined, _)| **joined < view.node).is_some() {}
        let joined = joins.next_if(|(joined, _)| **joined == view.node);
        Held {
            joins: joined.map_or(0, |(_, joins)| joins),
            owner: view.node,
            version: (view.incarnation, view.version),
        }
    };
    sim.engine(node).state().view().map(held)
}

/// Goes through both in the order of the owners.
fn compare(before: &[Held], now: &[Held]) -> Result<(), String> {
    let mut before = before.iter().peekable();
    for held in now {
        while before.next_if(|earlier| earlier.owner < held.owner).is_some() {}
        let same = before.next_if(|earlier| earlier.owner == held.owner);
        let same = same.filter(|earlier| earlier.joins == held.joins);
        judge(same.map(|earlier| earlier.version), held.version)
            .map_err(|what| format!("{what} of {}", held.owner))?;
    }
    Ok(())
}

fn judge(before: Option<(Incarnation, u64)>, now: (Incarnation, u64)) -> Result<(), String> {
    match before {
        Some((incarnation, version)) if incarnation == now.0 && version > now.1 => {
            Err(format!("{version}, and now has {}", now.1))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_bites_on_a_version_that_goes_back_within_one_life() {
        let life = |epoch| Incarnation { epoch, nonce: 0 };
        assert_eq!(judge(None, (life(1), 0)), Ok(()));
        assert_eq!(judge(Some((life(1), 3)), (life(1), 3)), Ok(()));
        assert_eq!(judge(Some((life(1), 3)), (life(2), 0)), Ok(()));
        assert!(judge(Some((life(1), 3)), (life(1), 2)).is_err());
    }

    #[test]
    fn it_compares_what_is_held_of_the_same_owner_since_it_joined() {
        let incarnation = Incarnation { epoch: 1, nonce: 0 };
        let held = |rows: &[(usize, u64, u64)]| -> Vec<Held> {
            let held = |(owner, joins, version): &(usize, u64, u64)| Held {
                owner: Sim::id(*owner),
                joins: *joins,
                version: (incarnation, *version),
            };
            rows.iter().map(held).collect()
        };
        let before = held(&[(1, 1, 5), (2, 1, 7), (4, 1, 9)]);
        assert_eq!(compare(&before, &held(&[(2, 1, 7), (3, 1, 1), (4, 2, 1), (5, 1, 0)])), Ok(()));
        let error = compare(&before, &held(&[(0, 1, 0), (2, 1, 7), (4, 1, 8)])).unwrap_err();
        assert_eq!(error, "9, and now has 8 of n4");
    }
}
