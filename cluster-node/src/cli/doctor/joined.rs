//! What shows when the node joins its cluster for a moment: who is found, and whether they reach it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cluster_core::config::Config;
use cluster_core::host::Host;
use cluster_core::runtime::{Cluster, StartError, Status};
use cluster_transport::proto::NodeId;
use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::clock::skew;
use super::finding::Finding;
use super::network::{self, outcomes};

/// How long members may take to be found.
const FIND: Duration = Duration::from_secs(5);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How many members are asked to call back, and are called.
const ASKED: usize = 3;

/// A node without clients.
#[derive(Debug)]
struct Guest;

impl Host for Guest {}

pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let cluster = match Cluster::start(config.clone(), Arc::new(Guest)).await {
        Ok(cluster) => cluster,
        Err(error) => return vec![refused(&error)],
    };
    // Whoever needs others waits for them; all others look as long as addresses have had no outcome.
    let found = async {
        while !is_settled(&cluster.status()) {
            sleep(LOOK).await;
        }
    };
    let settled = timeout(FIND, found).await.is_ok();
    let status = cluster.status();
    let mut findings = discovery(&status);
    findings.extend(members(config, &status, settled));
    let asked: Vec<NodeId> = cluster.members().into_iter().take(ASKED).collect();
    let back = join_all(asked.iter().map(|node| called_back(&cluster, node)));
    let there = join_all(status.members.iter().take(ASKED).map(network::called));
    let (back, there) = tokio::join!(back, there);
    findings.extend(back.into_iter().chain(there).flatten());
    cluster.leave().await;
    findings
}

fn refused(error: &StartError) -> Finding {
    match error {
        StartError::Bind(_) => Finding::warning(
            format!("{error}; whether others reach this node was not looked at"),
            "if this node runs already, its route /_plugin/cluster/status says how it is; else choose another port",
        ),
        _ => Finding::problem(error.to_string(), "see what `run --check-config` shows"),
    }
}

fn is_settled(status: &Status) -> bool {
    let answered = status.discovery.iter().all(|provider| provider.answers.is_some());
    status.ready || (answered && !status.members.is_empty() && status.reasons.is_empty())
}

fn discovery(status: &Status) -> Vec<Finding> {
    let mut findings = Vec::new();
    for provider in &status.discovery {
        if let Some(error) = provider.last_error.as_ref().filter(|_| provider.answers == Some(false)) {
            findings.push(Finding::problem(
                format!("{} cannot say who is there: {error}", provider.provider),
                "correct where it is configured, or wait until it answers",
            ));
        }
        if provider.foreign > 0 {
            findings.push(Finding::warning(
                format!(
                    "{} names {} nodes with which no session can come about: of another cluster, or with other authorities or another filterSeed",
                    provider.provider, provider.foreign
                ),
                "give each cluster its own plugins.cluster.clusterName, and the nodes of one the same authorities and filterSeed",
            ));
        }
    }
    findings
}

fn members(config: &Config, status: &Status, settled: bool) -> Option<Finding> {
    let needed = config.minimum_nodes().get();
    if !status.members.is_empty() {
        let names: Vec<&str> = status.members.iter().map(|member| member.node.as_str()).collect();
        return Some(Finding::fine(format!("members in session: {}", names.join(", "))));
    }
    let reasons = status.reasons.join("; ");
    match (needed, settled) {
        (1, true) => Some(Finding::fine("no other member was found, and none is needed")),
        (1, false) => Some(Finding::problem(
            format!("this node did not become ready within {FIND:?}: {reasons}"),
            "see what is said of discovery, and the log with RUST_LOG=debug",
        )),
        (needed, _) => Some(Finding::problem(
            format!("no other member was found within {FIND:?}, and {needed} nodes are needed: {reasons}"),
            "start another node, or correct plugins.cluster.seeds, dns or redis",
        )),
    }
}

async fn called_back(cluster: &Cluster, node: &NodeId) -> Vec<Finding> {
    let asked = SystemTime::now();
    let answer = match cluster.call_back(node).await {
        Ok(answer) => answer,
        Err(error) => {
            return vec![Finding::warning(
                format!("{node} was asked to call back and did not: {error}"),
                "ask again; members of other versions may not know how",
            )];
        }
    };
    let mut findings = outcomes(node.as_str(), "this node", &answer.addresses);
    findings.extend(skew(node.as_str(), asked, answer.clock, SystemTime::now()));
    findings
}
