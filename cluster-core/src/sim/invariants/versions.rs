//! As long as a node holds the state of one life of an owner, the version that it holds never goes back.

use std::collections::BTreeMap;

use cluster_transport::proto::{Incarnation, NodeId};

use super::Violation;
use crate::sim::Sim;

/// Which process holds whose state.
type Holding = (usize, u64, NodeId);

/// The versions that were seen last.
#[derive(Debug, Default)]
pub(in crate::sim) struct Versions(BTreeMap<Holding, (Incarnation, u64)>);

impl Versions {
    /// Looks at all nodes again.
    pub(in crate::sim) fn observe(&mut self, sim: &Sim) -> Result<(), Violation> {
        let mut seen = BTreeMap::new();
        for node in sim.running() {
            let Some(life) = sim.life_of(node) else { continue };
            for view in sim.engine(node).state().view() {
                // Whoever was removed meanwhile begins anew.
                let joined = sim.host(node).joins(&view.node);
                let version = (view.incarnation, view.version);
                let before = self.0.get(&(node, life + (joined << 32), view.node.clone()));
                judge(before.copied(), version).map_err(|what| {
                    Violation::new(format!("n{node} held version {what} of {}", view.node))
                })?;
                seen.insert((node, life + (joined << 32), view.node), version);
            }
        }
        self.0 = seen;
        Ok(())
    }
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
}
