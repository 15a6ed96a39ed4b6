//! A node that is ready has no reason not to be; one that is not says why; none is ready before discovery has answered it.

use super::Violation;
use crate::engine::members::Reason;
use crate::sim::Sim;

pub(super) fn check(sim: &Sim) -> Result<(), Violation> {
    for node in sim.running() {
        let members = sim.engine(node).members();
        judge(members.is_ready(), members.reasons(), sim.has_discovered(node))
            .map_err(|what| Violation::new(format!("n{node} {what}")))?;
    }
    Ok(())
}

fn judge(is_ready: bool, reasons: &[Reason], discovered: bool) -> Result<(), String> {
    match (is_ready, reasons) {
        (true, []) if !discovered => Err("is ready, and discovery has never answered".to_owned()),
        (true, []) => Ok(()),
        (true, reasons) => Err(format!("is ready in spite of {reasons:?}")),
        (false, []) => Err("is not ready, and does not say why".to_owned()),
        (false, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_bites_on_readiness_without_ground_and_on_unreadiness_without_reason() {
        assert_eq!(judge(true, &[], true), Ok(()));
        assert_eq!(judge(false, &[Reason::Paused], true), Ok(()));
        assert!(judge(true, &[Reason::Paused], true).is_err());
        assert!(judge(false, &[], true).is_err());
        assert!(judge(true, &[], false).is_err());
    }
}
