//! What a mesh costs in which nothing happens.

use std::fmt;

use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::super::BenchError;
use super::super::progress;
use super::super::subscribing::as_f64;
use super::crew::{Crew, Hand};
use super::figures::{median, round, seconds};
use super::orders::Look;
use super::plan::IdlePlan;
use crate::bench::stamp::nanos;

/// What an idle mesh costs.
#[derive(Clone, Debug)]
pub struct Idle {
    plan: IdlePlan,
    /// From the start of the first member until all had sessions with all, in seconds.
    formed: f64,
    /// For each member, in percent of a core.
    cpu: Vec<f64>,
    /// For each member, in bytes.
    resident: Vec<f64>,
}

/// Starts a mesh and watches it. The arguments are those with which this program becomes
/// [`serve_member`](super::serve_member).
///
/// # Errors
/// When a member cannot be started or breaks off.
pub async fn idle(plan: &IdlePlan, arguments: &[&str]) -> Result<Idle, BenchError> {
    let crew = Crew::new(plan.links, arguments)?;
    progress::step(&format!("{} members find each other", plan.nodes));
    let began = nanos();
    let mut hands = crew.form(usize::from(plan.nodes)).await?;
    let formed = seconds(began, nanos());
    // What forming it leaves to be done is not idleness.
    tokio::time::sleep(SETTLE).await;
    progress::step(&format!("watching for {:.0} s", plan.duration.as_secs_f64()));
    let (begin, before) = (nanos(), look(&mut hands).await?);
    tokio::time::sleep(plan.duration).await;
    let (end, after) = (nanos(), look(&mut hands).await?);
    progress::end();
    let span = seconds(begin, end);
    let used =
        |(before, after): (&Look, &Look)| after.footprint.usage.since(before.footprint.usage).cpu_seconds;
    let cpu = before.iter().zip(&after).map(|pair| 100.0 * used(pair) / span).collect();
    let resident = after.iter().map(|look| as_f64(look.footprint.resident)).collect();
    Ok(Idle { plan: *plan, formed, cpu, resident })
}

/// How long a new mesh is left alone before it is watched.
const SETTLE: std::time::Duration = std::time::Duration::from_secs(3);

async fn look(hands: &mut [Hand]) -> Result<Vec<Look>, BenchError> {
    try_join_all(hands.iter_mut().map(Hand::look)).await
}

impl Idle {
    /// One object; `value` is the mean.
    pub fn json(&self) -> Value {
        let IdlePlan { links, nodes, duration } = self.plan;
        json!({
            "peer": "cluster-node", "work": "idle", "nodes": nodes, "seconds": duration.as_secs_f64(),
            "value": round(mean(&self.cpu), 3), "unit": "% of a core a node",
            "median": round(median(&self.cpu), 3), "most": round(most(&self.cpu), 3),
            "resident_bytes": mean(&self.resident).round(), "formed_seconds": round(self.formed, 3),
            "transport": links.transport.to_string(), "tls": links.security(), "traced": links.traced,
        })
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IdlePlan { links, nodes, duration } = self.plan;
        writeln!(f, "{nodes} members over {links}, idle for {:.0} s", duration.as_secs_f64())?;
        writeln!(f, "  formed    after {:.2} s", self.formed)?;
        let (mean_cpu, most_cpu) = (mean(&self.cpu), most(&self.cpu));
        writeln!(f, "  cost      {mean_cpu:.2} % of a core a node, {most_cpu:.2} % at most")?;
        write!(f, "  memory    {:.1} MiB a node", mean(&self.resident) / f64::from(1 << 20))
    }
}

fn mean(figures: &[f64]) -> f64 {
    let count = u64::try_from(figures.len()).unwrap_or(u64::MAX).max(1);
    figures.iter().sum::<f64>() / as_f64(count)
}

fn most(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(0.0, f64::max)
}
