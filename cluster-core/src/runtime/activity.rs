//! What happened in the membership, for people: the last decisions with their dates and in words.

use std::time::{SystemTime, UNIX_EPOCH};

use cluster_transport::proto::Instant;
use serde::Serialize;

use super::Cluster;
use crate::engine::Engine;
use crate::engine::flight::{Decided, Decision, FlightLine, Origin};

/// How many changes a status shows.
pub const SHOWN_ACTIVITY: usize = 50;

/// A change in the membership, as this node saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// Its number among this node's decisions; those of repair, which are none of the membership, are counted too.
    pub number: u64,
    /// When, in milliseconds since 1970, by this node's wall clock as it is now.
    pub at_ms: u64,
    /// What happened, in one word or two: `joined`, `removed`, `doubted`, `recovered`, `ready` and so on.
    pub event: String,
    /// Whom it is about; none if it is this node itself.
    pub node: Option<String>,
    /// The same in plain words.
    pub text: String,
}

impl Cluster {
    /// The changes after the one with this number, oldest first, as far as the flight recorder reaches back.
    pub fn activity_after(&self, number: u64) -> Vec<Activity> {
        let now = self.inner.now();
        self.inner.read(|engine| after(engine, now, number))
    }

    /// Waits for a decision after the one with this number, and gives the number of the last one. Cancel safe.
    pub async fn wait_activity(&self, number: u64) -> u64 {
        let mut recorded = self.inner.recorded();
        // The sender lives as long as this handle.
        recorded.wait_for(|last| *last > number).await.map_or(number, |last| *last)
    }
}

/// The last changes, oldest first.
pub(super) fn last(engine: &Engine, now: Instant) -> Vec<Activity> {
    let mut all = after(engine, now, 0);
    all.split_off(all.len().saturating_sub(SHOWN_ACTIVITY))
}

fn after(engine: &Engine, now: Instant, number: u64) -> Vec<Activity> {
    let origin = origin(engine, now);
    let first = engine.recorded() - engine.decisions().len() as u64 + 1;
    let of_members = |(_, decision): &(u64, &Decision)| matches!(decision.what, Decided::Member(_));
    let newer = (first..).zip(engine.decisions()).filter(|(of, _)| *of > number).filter(of_members);
    let activity = |(number, decision)| {
        let FlightLine { wall_ms, what, about, text, .. } = FlightLine::new(&origin, decision);
        Activity { number, at_ms: wall_ms, event: what, node: about, text }
    };
    newer.map(activity).collect()
}

/// Whose decisions they are, dated by the wall clock as it is now.
pub(super) fn origin(engine: &Engine, now: Instant) -> Origin {
    let wall_ms = unix_ms(SystemTime::now());
    let since_origin = u64::try_from(now.since_origin().as_millis()).unwrap_or(u64::MAX);
    Origin {
        node: engine.node().clone(),
        incarnation: engine.incarnation(),
        wall_ms: wall_ms.saturating_sub(since_origin),
    }
}

pub(super) fn unix_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
