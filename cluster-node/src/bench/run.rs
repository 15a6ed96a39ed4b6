//! A run: the receiving nodes in this process, the sending one in a process of its own, and the account of both.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use cluster_transport::endpoint::{Endpoint, Handler, MemoryConnector};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::answering::Answerer;
use super::node::{self, Identity, Maker};
use super::report::{Received, Report};
use super::sending::{self, Orders, Sent, within};
use super::subscribing::Subscriber;
use super::usage::Usage;
use super::{BenchError, Plan, Transport, Work, progress};

/// How long the receivers may take to see the end of their sessions.
const END_WITHIN: Duration = Duration::from_secs(10);

/// What receives.
enum Receivers {
    Subscribers(Vec<Arc<Subscriber>>),
    Answerers(Vec<Arc<Answerer>>),
}

/// Does what is planned. The arguments are those with which this program becomes [`serve_sender`](super::serve_sender).
///
/// # Errors
/// When a node or the other process cannot be started or breaks off. Whether everything is accounted for is for
/// [`Report::check`] to say.
pub async fn run(plan: &Plan, sender_arguments: &[&str]) -> Result<Report, BenchError> {
    let receivers = Receivers::of(plan);
    let neighbours = MemoryConnector::default();
    let maker = Maker { plan, neighbours: neighbours.clone() };
    let names = node::receivers(plan)?;
    let everybody: Vec<_> = names.iter().cloned().chain([node::sender()?]).collect();
    let mut identities = if plan.tls { Identity::issue(&everybody)? } else { Vec::new() };
    let identity = if plan.tls { identities.pop() } else { None };
    let mut endpoints = Vec::new();
    let mut addresses = Vec::new();
    for (i, (name, handler)) in names.iter().zip(receivers.handlers()).enumerate() {
        let (endpoint, address) = maker.receiver(name, identities.get(i), handler)?;
        endpoints.push(endpoint);
        addresses.push(address.to_string());
    }
    let orders = Orders { plan: plan.clone(), addresses, identity };
    let before = Usage::now();
    let sent = tokio::select! {
        biased;
        sent = send(&orders, neighbours, sender_arguments) => sent,
        never = progress::tell(receivers.what(), || receivers.count()) => match never {},
    };
    progress::end();
    let sent = sent?;
    within(END_WITHIN, "the end of all sessions", receivers.over()).await?;
    let usage = Usage::now().since(before);
    end(&endpoints).await;
    Ok(Report::new(plan.clone(), sent, receivers.received(), usage))
}

/// Has the sending side do its work, in another process if the transport reaches it.
async fn send(orders: &Orders, neighbours: MemoryConnector, arguments: &[&str]) -> Result<Sent, BenchError> {
    if orders.plan.transport == Transport::Memory {
        return sending::follow(orders, neighbours).await;
    }
    let mut process = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = process.stdin.take() {
        stdin.write_all(format!("{}\n", serde_json::to_string(orders)?).as_bytes()).await?;
    }
    let mut said = String::new();
    if let Some(mut stdout) = process.stdout.take() {
        stdout.read_to_string(&mut said).await?;
    }
    let status = process.wait().await?;
    if !status.success() {
        return Err(BenchError::Sender(status));
    }
    Ok(serde_json::from_str(&said)?)
}

async fn end(endpoints: &[Endpoint]) {
    for endpoint in endpoints {
        endpoint.shutdown().await;
    }
}

impl Receivers {
    fn of(plan: &Plan) -> Self {
        let peers = 0..plan.peers;
        match plan.work {
            Work::Publish { .. } => Self::Subscribers(peers.map(|_| Arc::default()).collect()),
            Work::Request { .. } => Self::Answerers(peers.map(|_| Arc::default()).collect()),
        }
    }

    fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        match self {
            Self::Subscribers(all) => all.iter().map(|one| Arc::clone(one) as _).collect(),
            Self::Answerers(all) => all.iter().map(|one| Arc::clone(one) as _).collect(),
        }
    }

    /// What is counted while it runs.
    fn what(&self) -> &'static str {
        match self {
            Self::Subscribers(_) => "messages received",
            Self::Answerers(_) => "requests answered",
        }
    }

    fn count(&self) -> u64 {
        match self {
            Self::Subscribers(all) => all.iter().map(|one| one.tally().received).sum(),
            Self::Answerers(all) => all.iter().map(|one| one.answered()).sum(),
        }
    }

    async fn over(&self) {
        match self {
            Self::Subscribers(all) => {
                for one in all {
                    one.over().await;
                }
            }
            Self::Answerers(all) => {
                for one in all {
                    one.over().await;
                }
            }
        }
    }

    fn received(&self) -> Received {
        match self {
            Self::Subscribers(all) => Received::Messages(all.iter().map(|one| one.tally().clone()).collect()),
            Self::Answerers(_) => Received::Requests { answered: self.count() },
        }
    }
}
