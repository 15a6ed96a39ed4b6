//! `doctor`: what keeps a node from working, each finding in a sentence with its remedy.

mod clock;
mod finding;
mod joined;
mod local;
mod network;
mod store;

use cluster_core::config::Config;
use serde_json::json;

use super::plan::Plan;
use super::run::Given;
use super::{Failure, say};
use finding::{Finding, Severity};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    given: Given,
    /// Look at this machine and at Redis alone: without this the node joins its cluster for a moment, without clients, to see
    /// whether others are found and reach it
    #[arg(long)]
    offline: bool,
    /// Show the findings as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn examine(arguments: Arguments) -> Result<(), Failure> {
    let config = arguments.given.config()?;
    let findings = findings(&config, arguments.offline).await;
    if arguments.json {
        say(json!({ "findings": findings }));
    } else {
        findings.iter().for_each(say);
    }
    let problems = findings.iter().filter(|finding| finding.severity == Severity::Problem).count();
    match problems {
        0 => Ok(()),
        problems => Err(Failure::Findings { problems }),
    }
}

async fn findings(config: &Config, offline: bool) -> Vec<Finding> {
    let plan = Plan::of(config).await;
    let mut findings = local::findings(config, &plan).await;
    let is_sound = plan.problems.is_empty();
    findings.extend(network::interfaces(config, &plan));
    findings.extend(store::findings(config).await);
    if is_sound && !offline {
        findings.extend(joined::findings(config).await);
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}
