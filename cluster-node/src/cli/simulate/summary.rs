//! What all runs came to.

use std::fmt;
use std::time::Instant;

use cluster_core::sim::Counters;

use super::crew::Run;

/// The sum over all runs.
#[derive(Debug)]
pub(super) struct Summary {
    began: Instant,
    seeds: u64,
    node_seconds: f64,
    pub(super) violations: usize,
    counters: Counters,
}

impl Summary {
    pub(super) fn new(seeds: u64) -> Self {
        let counters = Counters::default();
        Self { began: Instant::now(), seeds, node_seconds: 0.0, violations: 0, counters }
    }

    pub(super) fn add(&mut self, run: &Run) {
        self.node_seconds += run.report.node_seconds;
        self.violations += usize::from(run.report.violation.is_some());
        self.counters += run.report.counters;
    }

    /// How many node-seconds were simulated in a second.
    fn rate(&self, wall: f64) -> f64 {
        self.node_seconds / wall.max(f64::EPSILON)
    }

    /// One line.
    pub(super) fn json(&self) -> String {
        let mut line = serde_json::Map::new();
        line.insert("seeds".to_owned(), self.seeds.into());
        line.insert("node_seconds".to_owned(), self.node_seconds.round().into());
        let wall = self.began.elapsed().as_secs_f64();
        line.insert("wall_seconds".to_owned(), ((wall * 1_000.0).round() / 1_000.0).into());
        line.insert("node_seconds_per_second".to_owned(), self.rate(wall).round().into());
        line.insert("violations".to_owned(), self.violations.into());
        line.extend(self.counters.iter().map(|(name, count)| (name.to_owned(), count.into())));
        serde_json::Value::Object(line).to_string()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.counters.iter() {
            writeln!(f, "{count:>12} {}", name.replace('_', " "))?;
        }
        let wall = self.began.elapsed().as_secs_f64();
        write!(
            f,
            "{} seeds, {:.0} node-seconds in {wall:.1} s ({:.0} a second), promises broken: {}",
            self.seeds,
            self.node_seconds,
            self.rate(wall),
            self.violations
        )
    }
}
