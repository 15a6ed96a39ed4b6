//! What the status routes have to say together: always, and when everything is well again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::crew::NODES;

/// Faults and what is as bad: none of them ever happens, whatever is done to processes.
const NEVER: [&str; 5] =
    ["/faults", "/hashMismatches", "/hostEventsDropped", "/repairs/unrepaired", "/repairs/filterConflicts"];

/// The lives of all nodes as far as they were seen.
#[derive(Debug, Default)]
pub(crate) struct Lives(BTreeMap<usize, (u64, u64)>);

impl Lives {
    /// Holds at any moment: nothing of what never happens, no life after a later one, no version after a later one, and nobody is
    /// ready who says why it is not.
    pub(crate) fn observe(&mut self, node: usize, status: &Value) -> Result<(), String> {
        for what in NEVER {
            match status.pointer(what).and_then(Value::as_u64) {
                Some(0) => {}
                other => return Err(format!("{what} is {other:?}")),
            }
        }
        if !status["failure"].is_null() {
            return Err("it has failed".to_owned());
        }
        let current = &status["current"];
        if current["ready"] == true && status["reasons"].as_array().is_none_or(|reasons| !reasons.is_empty())
        {
            return Err("it is ready and says why it is not".to_owned());
        }
        let epoch = current["incarnation"].as_str().and_then(|text| text.split('.').next()?.parse().ok());
        let seen = epoch.zip(current["version"].as_u64()).ok_or("it does not say who it is")?;
        let last = self.0.insert(node, seen).unwrap_or_default();
        if seen < last { Err(format!("after {last:?} it is {seen:?} (epoch, version)")) } else { Ok(()) }
    }
}

/// All are ready, know all others, nobody is in doubt or behind, and each owner's state is the same everywhere. There is one room,
/// with a listener of each node, or none.
pub(crate) fn are_settled(all: &[Value], listeners: u64) -> Result<(), String> {
    if all.len() != NODES {
        return Err(format!("{} of {NODES} answer", all.len()));
    }
    let mut states = BTreeSet::new();
    for status in all {
        let id = &status["current"]["id"];
        let expect = |what: &str, is: &Value, wanted: Value| {
            if *is == wanted { Ok(()) } else { Err(format!("{id}: {what} is {is}, not {wanted}")) }
        };
        expect("ready", &status["current"]["ready"], true.into())?;
        expect("converged", &status["converged"], true.into())?;
        expect("rooms", &status["rooms"], u64::from(listeners > 0).into())?;
        expect("subscriptions", &status["subscriptions"], listeners.into())?;
        let members = status["pool"].as_array().map(Vec::as_slice).unwrap_or_default();
        expect("count", &status["count"], NODES.into())?;
        for member in members {
            for (what, wanted) in [
                ("state", "connected".into()),
                ("ready", true.into()),
                ("caughtUp", true.into()),
                ("doubt", Value::Null),
                ("draining", false.into()),
                ("degraded", false.into()),
                ("overBudget", false.into()),
                ("behind", 0.into()),
            ] {
                expect(&format!("{what} of {}", member["id"]), &member[what], wanted)?;
            }
        }
        let state = |of: &Value| format!("{} {} {}", of["id"], of["version"], of["hash"]);
        states.insert(members.iter().chain([&status["current"]]).map(state).collect::<BTreeSet<_>>());
    }
    if states.len() == 1 { Ok(()) } else { Err(format!("they differ: {states:?}")) }
}

/// Besides, nothing waits in any lane but the one on which heartbeats come and go.
pub(crate) fn are_at_rest(all: &[Value], listeners: u64) -> Result<(), String> {
    are_settled(all, listeners)?;
    let members = all.iter().flat_map(|status| status["pool"].as_array().into_iter().flatten());
    let lanes = members.flat_map(|member| member["lag"].as_object().into_iter().flatten());
    let waits = |lane: &Value| lane["unsentMessages"] != 0 || lane["unacknowledgedBytes"] != 0;
    match lanes.into_iter().find(|(name, lane)| *name != "control" && waits(lane)) {
        Some((name, lane)) => Err(format!("in the lane {name} there waits {lane}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status() -> Value {
        let current =
            json!({ "id": "node-0", "incarnation": "7.ab", "version": 3, "hash": "h", "ready": true });
        json!({
            "faults": 0, "hashMismatches": 0, "hostEventsDropped": 0, "failure": null, "reasons": [], "current": current,
            "repairs": { "unrepaired": 0, "filterConflicts": 0 },
        })
    }

    #[test]
    fn what_never_happens_is_found() {
        let broken: [fn(&mut Value); 6] = [
            |status| status["faults"] = 1.into(),
            |status| status["repairs"]["unrepaired"] = 1.into(),
            |status| status["failure"] = "a task".into(),
            |status| status["reasons"] = json!(["quorum"]),
            |status| status["current"]["version"] = 2.into(),
            |status| status["current"]["incarnation"] = "6.ab".into(),
        ];
        for breaks in broken {
            let (mut lives, mut status) = (Lives::default(), status());
            assert_eq!(lives.observe(0, &status), Ok(()));
            assert_eq!(lives.observe(0, &status), Ok(()));
            breaks(&mut status);
            assert!(lives.observe(0, &status).is_err(), "{status}");
        }
    }

    #[test]
    fn a_process_that_is_missing_or_has_another_state_is_not_settled() {
        let member = |id: &str| {
            json!({
                "id": id, "version": 1, "hash": "h", "state": "connected", "ready": true, "caughtUp": true, "doubt": null,
                "draining": false, "degraded": false, "overBudget": false, "behind": 0,
                "lag": { "events": { "unsentMessages": 0, "unacknowledgedBytes": 0 } },
            })
        };
        let names = ["node-0", "node-1", "node-2", "node-3"];
        let view = |me: &str| {
            let pool: Vec<_> = names.into_iter().filter(|name| *name != me).map(member).collect();
            let current = json!({ "id": me, "ready": true, "version": 1, "hash": "h" });
            json!({
                "current": current, "pool": pool, "count": 4, "converged": true, "rooms": 1, "subscriptions": 4,
            })
        };
        let mut all: Vec<_> = names.into_iter().map(view).collect();
        assert_eq!(are_at_rest(&all, 4), Ok(()));
        assert!(are_settled(&all[1..], 4).is_err() && are_settled(&all, 3).is_err());
        all[2]["pool"][0]["lag"]["events"]["unsentMessages"] = 1.into();
        assert!(are_at_rest(&all, 4).is_err());
        assert_eq!(are_settled(&all, 4), Ok(()));
        all[2]["pool"][0]["hash"] = "i".into();
        assert!(are_settled(&all, 4).is_err());
    }
}
