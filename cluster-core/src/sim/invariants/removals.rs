//! Nobody removes a member that runs, has its share of the processor and can be reached: no false removal.
//!
//! What was cut, delayed or stopped lately is an excuse; beyond that span every doubt must have ended well. A cut between the
//! two is none while a third node reaches both.

use std::time::Duration;

use super::Violation;
use crate::engine::members::RemovalReason;

/// For how long a disturbance that has ended still excuses a removal: frozen peers and vetoes are shorter.
pub(in crate::sim) const EXCUSE: Duration = Duration::from_secs(20);

/// What was so when a process removed a member.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Removal {
    pub(in crate::sim) why: RemovalReason,
    /// Whether the removed life still runs.
    pub(in crate::sim) runs: bool,
    /// Whether it is leaving.
    pub(in crate::sim) leaves: bool,
    /// How long neither of the two nor any part of the network was disturbed.
    pub(in crate::sim) undisturbed: Duration,
    /// How long a third node, undisturbed like the two, has reached both: it could have carried a tunnel.
    pub(in crate::sim) joined: Duration,
}

pub(in crate::sim) fn judge(removal: &Removal) -> Result<(), Violation> {
    let Removal { why, runs, leaves, undisturbed, joined } = removal;
    let is_false = *runs
        && match why {
            RemovalReason::Left => !leaves,
            RemovalReason::Forgotten => false,
            RemovalReason::NewerIncarnation => true,
            _ => !leaves && *undisturbed.max(joined) > EXCUSE,
        };
    if is_false { Err(Violation::new(format!("it was removed, for {why}, and is there"))) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_bites_on_the_removal_of_a_node_that_runs_and_that_nothing_disturbed() {
        let second = Duration::from_secs(1);
        let fair = Removal {
            why: RemovalReason::Silent,
            runs: false,
            leaves: false,
            undisturbed: 60 * second,
            joined: Duration::ZERO,
        };
        assert_eq!(judge(&fair), Ok(()));
        assert_eq!(judge(&Removal { runs: true, undisturbed: second, ..fair.clone() }), Ok(()));
        let cut = Removal { runs: true, undisturbed: Duration::ZERO, ..fair.clone() };
        assert_eq!(judge(&cut), Ok(()));
        assert!(
            judge(&Removal { joined: 60 * second, ..cut }).is_err(),
            "a third could have carried a tunnel"
        );
        let of_the_living = Removal { runs: true, ..fair };
        assert!(judge(&of_the_living).is_err());
        let left = Removal { why: RemovalReason::Left, ..of_the_living.clone() };
        assert!(judge(&left).is_err());
        assert_eq!(judge(&Removal { leaves: true, ..left }), Ok(()));
        assert!(judge(&Removal { why: RemovalReason::NewerIncarnation, ..of_the_living }).is_err());
    }
}
