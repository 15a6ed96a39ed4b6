//! The events of the membership in plain words, for logs, the flight recorder and whoever reads them.

use std::fmt;

use super::event::{DoubtCause, MemberEvent, RemovalReason};

impl fmt::Display for DoubtCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence => f.write_str("it is silent"),
            Self::Eof => f.write_str("its link ended without a good-bye"),
            Self::Failed(why) => write!(f, "its link failed: {why}"),
            Self::ClosedByUs => f.write_str("it broke the protocol and its session was closed"),
            Self::LifeLineCut => f.write_str("the connection that tells of its process was cut"),
            Self::DuplicateId => f.write_str("another process with its id tried to come in"),
        }
    }
}

impl fmt::Display for RemovalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("it left"),
            Self::NewerIncarnation => f.write_str("a newer incarnation took its place"),
            Self::AddressTaken { by } => write!(f, "{by} answers at its address"),
            Self::Refused => f.write_str("its address refuses connections"),
            Self::Silent => f.write_str("it is silent, and so is its address"),
            Self::Frozen => f.write_str("it accepts connections and does not answer"),
            Self::Unreachable => f.write_str("others hear it, this node does not"),
            Self::Forgotten => f.write_str("it was forgotten by hand"),
        }
    }
}

impl fmt::Display for MemberEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined { node, incarnation, .. } => write!(f, "{node} joined as {incarnation}"),
            Self::Removed { node, why, .. } => write!(f, "removed {node}: {why}"),
            Self::Doubted { node, cause } => write!(f, "{node} is in doubt: {cause}"),
            Self::Vetoed { node, by } => write!(f, "{node} is unreachable from here, but {by} hears it"),
            Self::Recovered { node } => write!(f, "{node} is well again"),
            Self::Degraded { node } => write!(f, "{node} did not let this node catch up in time"),
            Self::Held { node, span } => write!(f, "no verdicts about {node} for {span:?}, by hand"),
            Self::HoldOver { node } => write!(f, "verdicts about {node} are passed again"),
            Self::Draining { remaining, minimum } => {
                write!(f, "draining: {remaining} other nodes serve, {minimum} are needed")
            }
            Self::Moving { node } => write!(f, "{node} drains, its clients move"),
            Self::Ready => f.write_str("ready"),
            Self::NotReady { reasons } => {
                f.write_str("not ready: ")?;
                reasons.iter().enumerate().try_for_each(|(i, reason)| {
                    let comma = if i == 0 { "" } else { "; " };
                    write!(f, "{comma}{reason}")
                })
            }
            Self::SelfDoubt { silent, peers } => {
                write!(f, "{silent} of {peers} peers fell silent together: this node doubts itself")
            }
            Self::SelfDoubtOver => f.write_str("this node does not doubt itself any more"),
            Self::Paused { gap } => write!(f, "this process did not run for {gap:?}"),
            Self::Superseded { epoch } => write!(f, "a later life of this node is known, with epoch {epoch}"),
            Self::Diverged { owner, peer, version } => {
                write!(f, "this node and {peer} hold different state of {owner} under version {version}")
            }
            Self::Agreed => f.write_str("all members hold the same state again"),
            Self::CachesStale { peer } => write!(f, "events of {peer} may have been missed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::readiness::Reason;
    use super::*;

    #[test]
    fn a_removal_reads_as_plain_words() {
        let by = "c".parse().unwrap();
        assert_eq!(RemovalReason::AddressTaken { by }.to_string(), "c answers at its address");
        assert_eq!(RemovalReason::Silent.to_string(), "it is silent, and so is its address");
    }

    #[test]
    fn what_ended_readiness_is_told_with_all_reasons() {
        let reasons = vec![Reason::SelfDoubt, Reason::Quorum { nodes: 1, minimum: 2 }];
        let words = MemberEvent::NotReady { reasons }.to_string();
        assert_eq!(
            words,
            "not ready: more than half of the peers fell silent together; 1 of 2 nodes (minimumNodes)"
        );
    }
}
