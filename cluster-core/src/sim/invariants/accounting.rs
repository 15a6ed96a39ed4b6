//! A notification that is owed is delivered, or its loss is told to the host that missed it.

use super::Violation;
use crate::sim::{Sim, Told};

pub(super) fn check(sim: &Sim) -> Result<(), Violation> {
    for (((from, from_life), (to, to_life)), debt) in sim.owed() {
        // Who has died since is owed nothing, and owes nothing.
        if sim.life_of(*from) != Some(*from_life) || sim.life_of(*to) != Some(*to_life) {
            continue;
        }
        if sim.was_twinned(*from) || sim.was_twinned(*to) {
            continue;
        }
        let host = sim.host(*to);
        let delivered = host.delivery().count(*from, *from_life);
        let (told, before) = (host.lost_from(&Sim::id(*from)), debt.told_before);
        let told = Told { known: told.known - before.known, unknown: told.unknown - before.unknown };
        judge(debt.count, delivered, told)
            .map_err(|what| Violation::new(format!("from n{from} to n{to}: {what}")))?;
    }
    Ok(())
}

fn judge(owed: u64, delivered: u64, told: Told) -> Result<(), String> {
    let accounted = delivered + told.known;
    if accounted == owed || (told.unknown > 0 && delivered <= owed) {
        return Ok(());
    }
    Err(format!("{owed} notifications were owed, {delivered} arrived, and the host was told of {told:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_bites_on_a_loss_that_nobody_was_told_of() {
        let told = |known, unknown| Told { known, unknown };
        assert_eq!(judge(10, 10, told(0, 0)), Ok(()));
        assert_eq!(judge(10, 7, told(3, 0)), Ok(()));
        assert_eq!(judge(10, 2, told(0, 1)), Ok(()));
        assert!(judge(10, 9, told(0, 0)).is_err());
        assert!(judge(10, 10, told(1, 0)).is_err());
        assert!(judge(10, 11, told(0, 1)).is_err());
    }
}
