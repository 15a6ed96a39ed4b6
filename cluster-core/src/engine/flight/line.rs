//! A decision as one line of JSON: complete in itself, so that the lines of several nodes can be put together in any order.

use std::time::Duration;

use cluster_transport::proto::{Incarnation, NodeId};
use serde::{Deserialize, Serialize};

use super::{Decided, Decision};
use crate::engine::members::{Evidence, MemberEvent};
use crate::engine::state::StateEvent;

/// Whose decisions they are, and what the wall clock said when the node's own clock began.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The node.
    pub node: NodeId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Milliseconds since 1970 at the origin of the node's monotonic clock. Only for showing: no decision looks at it.
    pub wall_ms: u64,
}

/// One line of a flight recorder's dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlightLine {
    /// Milliseconds since 1970, by the wall clock of the node.
    pub wall_ms: u64,
    /// Milliseconds since the node's start, by its monotonic clock.
    pub at_ms: u64,
    /// Who decided.
    pub node: String,
    /// Which life of it.
    pub incarnation: String,
    /// What was decided, in one word or two.
    pub what: String,
    /// Whom it is about, if not the node itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The same in plain words.
    pub text: String,
    /// What a removal rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<FlightEvidence>,
}

/// What a removal rests on, in milliseconds before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlightEvidence {
    /// Why the doubt began.
    pub cause: String,
    /// How long the doubt ran.
    pub doubted_ms: u64,
    /// How long ago the last byte came.
    pub silent_ms: u64,
    /// How often the node's addresses refused.
    pub refusals: u32,
    /// Who was asked and answered, and how long ago each had certainly heard the node; none if it had no session.
    pub opinions: Vec<(String, Option<u64>)>,
}

impl FlightLine {
    /// The line of a decision.
    pub fn new(origin: &Origin, decision: &Decision) -> Self {
        let at_ms = ms(decision.at.since_origin());
        let (what, about, text, evidence) = match &decision.what {
            Decided::Member(event) => {
                let (what, about) = member_words(event);
                (what, about, event.to_string(), evidence_of(event))
            }
            Decided::State(event) => {
                let (what, about) = state_words(event);
                (what, Some(about), event.to_string(), None)
            }
        };
        Self {
            wall_ms: origin.wall_ms.saturating_add(at_ms),
            at_ms,
            node: origin.node.to_string(),
            incarnation: origin.incarnation.to_string(),
            what: what.to_owned(),
            about: about.map(ToString::to_string),
            text,
            evidence,
        }
    }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn evidence_of(event: &MemberEvent) -> Option<FlightEvidence> {
    let MemberEvent::Removed { evidence: Some(evidence), .. } = event else { return None };
    let Evidence { cause, doubted, silent, refusals, opinions } = evidence;
    Some(FlightEvidence {
        cause: cause.to_string(),
        doubted_ms: ms(*doubted),
        silent_ms: ms(*silent),
        refusals: *refusals,
        opinions: opinions.iter().map(|(by, heard)| (by.to_string(), heard.map(ms))).collect(),
    })
}

fn member_words(event: &MemberEvent) -> (&'static str, Option<&NodeId>) {
    match event {
        MemberEvent::Joined { node, .. } => ("joined", Some(node)),
        MemberEvent::Removed { node, .. } => ("removed", Some(node)),
        MemberEvent::Doubted { node, .. } => ("doubted", Some(node)),
        MemberEvent::Vetoed { node, .. } => ("vetoed", Some(node)),
        MemberEvent::Recovered { node } => ("recovered", Some(node)),
        MemberEvent::Degraded { node } => ("degraded", Some(node)),
        MemberEvent::Held { node, .. } => ("held", Some(node)),
        MemberEvent::HoldOver { node } => ("hold over", Some(node)),
        MemberEvent::Moving { node } => ("drains", Some(node)),
        MemberEvent::Ready => ("ready", None),
        MemberEvent::NotReady { .. } => ("not ready", None),
        MemberEvent::Draining { .. } => ("draining", None),
        MemberEvent::SelfDoubt { .. } => ("self-doubt", None),
        MemberEvent::SelfDoubtOver => ("self-doubt over", None),
        MemberEvent::Paused { .. } => ("paused", None),
        MemberEvent::Superseded { .. } => ("superseded", None),
        MemberEvent::Diverged { owner, .. } => ("diverged", Some(owner)),
        MemberEvent::Agreed => ("agreed", None),
        MemberEvent::CachesStale { peer } => ("caches stale", Some(peer)),
    }
}

fn state_words(event: &StateEvent) -> (&'static str, &NodeId) {
    match event {
        StateEvent::FilterConflict { owner, .. } => ("filter conflict", owner),
        StateEvent::Gap { owner, .. } => ("gap", owner),
        StateEvent::AskedAgain { owner, .. } => ("asked again", owner),
        StateEvent::PassBegun { owner, .. } => ("pass begun", owner),
        StateEvent::PassDone { owner, .. } => ("pass done", owner),
        StateEvent::Differs { owner, .. } => ("differs", owner),
        StateEvent::Unrepaired { owner, .. } => ("unrepaired", owner),
        StateEvent::Verified { owner, .. } => ("verified", owner),
        StateEvent::OverBudget { owner } => ("over budget", owner),
    }
}

#[cfg(test)]
mod tests {
    use cluster_transport::proto::Instant;

    use super::*;
    use crate::engine::members::{DoubtCause, RemovalReason};

    #[test]
    fn a_line_carries_the_evidence_and_comes_back_as_it_went() {
        let node: NodeId = "b".parse().unwrap();
        let incarnation = Incarnation { epoch: 7, nonce: 1 };
        let evidence = Evidence {
            cause: DoubtCause::Eof,
            doubted: Duration::from_millis(120),
            silent: Duration::from_millis(130),
            refusals: 2,
            opinions: vec![
                ("c".parse().unwrap(), None),
                ("d".parse().unwrap(), Some(Duration::from_secs(1))),
            ],
        };
        let why = RemovalReason::Refused;
        let event = MemberEvent::Removed { node, incarnation, why, evidence: Some(evidence) };
        let decision = Decision {
            at: Instant::after_origin(Duration::from_millis(5_250)),
            what: Decided::Member(event),
        };
        let origin = Origin { node: "a".parse().unwrap(), incarnation, wall_ms: 1_000 };
        let line = FlightLine::new(&origin, &decision);
        let json = serde_json::to_string(&line).unwrap();
        assert!(!json.contains('\n'));
        for part in [
            r#""wallMs":6250"#,
            r#""atMs":5250"#,
            r#""what":"removed","about":"b","text":"removed b: its address refuses connections""#,
            r#""doubtedMs":120,"silentMs":130,"refusals":2,"opinions":[["c",null],["d",1000]]"#,
        ] {
            assert!(json.contains(part), "{part} in {json}");
        }
        assert_eq!(serde_json::from_str::<FlightLine>(&json).unwrap(), line);
    }
}
