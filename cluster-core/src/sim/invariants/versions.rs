//! As long as a node holds the state of one life of an owner, the version that it holds never goes back.

use std::collections::BTreeMap;

use cluster_transport::proto::{Incarnation, NodeId};

use super::Violation;
use crate::engine::state::OwnerView;
use crate::sim::Sim;

/// What one process holds of one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        self.0.retain(|(node, life), _| sim.life_of(*node) == Some(*life));
        for node in sim.running() {
            let Some(life) = sim.life_of(node) else { continue };
            let held = self.0.entry((node, life)).or_default();
            update(held, held_by(sim, node))
                .map_err(|what| Violation::new(format!("n{node} held version {what}")))?;
        }
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

/// Goes through what was held and what is held now in the order of the owners, and puts this in the place of that.
fn update(held: &mut Vec<Held>, now: impl Iterator<Item = Held>) -> Result<(), String> {
    let mut place = 0;
    for now in now {
        while held.get(place).is_some_and(|before| before.owner < now.owner) {
            held.remove(place);
        }
        match held.get_mut(place).filter(|before| before.owner == now.owner) {
            Some(before) => {
                let same = (before.joins == now.joins).then_some(before.version);
                judge(same, now.version).map_err(|what| format!("{what} of {}", now.owner))?;
                (before.joins, before.version) = (now.joins, now.version);
            }
            None => held.insert(place, now),
        }
        place += 1;
    }
    held.truncate(place);
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
        let mut seen = held(&[(1, 1, 5), (2, 1, 7), (4, 1, 9), (6, 1, 1)]);
        let now = held(&[(2, 1, 7), (3, 1, 1), (4, 2, 1), (5, 1, 0)]);
        assert_eq!(update(&mut seen, now.clone().into_iter()), Ok(()));
        assert_eq!(seen, now);
        let error = update(&mut seen, held(&[(0, 1, 0), (3, 1, 1), (4, 2, 0)]).into_iter()).unwrap_err();
        assert_eq!(error, "1, and now has 0 of n4");
    }
}
