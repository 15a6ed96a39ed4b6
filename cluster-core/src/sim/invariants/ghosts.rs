//! No node believes in a member that does not run, or holds anything of one.

use std::collections::BTreeSet;

use cluster_transport::proto::NodeId;

use super::Violation;
use crate::sim::Sim;

pub(super) fn check(sim: &Sim) -> Result<(), Violation> {
    let running: BTreeSet<NodeId> = sim.running().map(Sim::id).collect();
    for node in sim.running() {
        let engine = sim.engine(node);
        let members = engine.members().members().map(|(id, _)| id.clone());
        let owners = engine.state().view().map(|view| view.node);
        judge(&running, members)
            .and_then(|()| judge(&running, owners))
            .map_err(|ghost| Violation::new(format!("n{node} still knows {ghost}, which does not run")))?;
    }
    Ok(())
}

fn judge(running: &BTreeSet<NodeId>, mut known: impl Iterator<Item = NodeId>) -> Result<(), NodeId> {
    known.find(|id| !running.contains(id)).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_bites_on_a_member_that_does_not_run() {
        let running = BTreeSet::from([Sim::id(0), Sim::id(1)]);
        assert_eq!(judge(&running, [Sim::id(1)].into_iter()), Ok(()));
        assert_eq!(judge(&running, [Sim::id(1), Sim::id(2)].into_iter()), Err(Sim::id(2)));
    }
}
