//! The members of a run: one process each, ended with it.

use std::fmt::Display;
use std::process::Stdio;

use cluster_transport::certs::{Authority, Overwrite};
use cluster_transport::proto::{ClusterName, NodeId};
use futures_util::future::try_join_all;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::super::node::setup;
use super::super::{BenchError, Transport};
use super::orders::{Answer, Footprint, Look, Order, Rooms};
use super::plan::Links;

const CLUSTER: &str = "bench";
/// How long the trace of a member may be, in bytes.
const TRACE: u64 = 1 << 30;

/// Where the members of a run get their settings.
pub(super) struct Crew<'a> {
    links: Links,
    arguments: &'a [&'a str],
    authority: Option<Authority>,
    /// Certificates, for as long as they are read, and traces.
    folder: TempDir,
}

/// A member's process.
pub(super) struct Hand {
    pub(super) node: String,
    /// Where it listens.
    pub(super) address: String,
    /// When it began to start, and what its process took before.
    pub(super) began: u64,
    pub(super) before: Footprint,
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl<'a> Crew<'a> {
    /// The arguments are those with which this program becomes [`serve_member`](super::serve_member).
    pub(super) fn new(links: Links, arguments: &'a [&'a str]) -> Result<Self, BenchError> {
        let name: ClusterName = CLUSTER.parse().map_err(setup)?;
        let folder = tempfile::tempdir()?;
        let authority = links.tls.then(|| Authority::new(&name)).transpose()?;
        if let Some(authority) = &authority {
            authority.save(folder.path(), Overwrite::Refuse)?;
        }
        Ok(Self { links, arguments, authority, folder })
    }

    /// Starts a member that looks for these others.
    pub(super) async fn start(&self, node: &str, seeds: &[&str], minimum: usize) -> Result<Hand, BenchError> {
        let mut hand = self.spawn(node)?;
        let settings = self.settings(node, seeds, minimum)?;
        let Answer::Started { began, address, before } = hand.ask(&Order::Start { settings }).await? else {
            return Err(hand.misunderstood());
        };
        Ok(Hand { began, address, before, ..hand })
    }

    /// Starts so many members of one cluster and waits until each has a session with all others.
    pub(super) async fn form(&self, nodes: usize) -> Result<Vec<Hand>, BenchError> {
        let first = self.start("member-1", &[], nodes).await?;
        let seeds = [first.address.as_str()];
        let names: Vec<String> = (2..=nodes).map(|number| format!("member-{number}")).collect();
        let others = try_join_all(names.iter().map(|name| self.start(name, &seeds, nodes))).await?;
        let mut hands: Vec<Hand> = [first].into_iter().chain(others).collect();
        ready(&mut hands).await?;
        Ok(hands)
    }

    fn spawn(&self, node: &str) -> Result<Hand, BenchError> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(setup("a process without pipes"));
        };
        let answers = BufReader::new(answers).lines();
        Ok(Hand {
            node: node.to_owned(),
            address: String::new(),
            began: 0,
            before: Footprint::default(),
            child,
            orders,
            answers,
        })
    }

    fn settings(&self, node: &str, seeds: &[&str], minimum: usize) -> Result<Vec<String>, BenchError> {
        let scheme = if self.links.transport == Transport::Quic { "quic" } else { "tcp" };
        let mut settings = Vec::new();
        let mut set =
            |key: &str, value: &dyn Display| settings.push(format!("plugins.cluster.{key}={value}"));
        set("clusterName", &CLUSTER);
        set("nodeId", &node);
        set("bind", &format_args!("{scheme}://127.0.0.1:0"));
        set("minimumNodes", &minimum);
        if !seeds.is_empty() {
            set("seeds", &serde_json::to_string(seeds)?);
        }
        if self.links.traced {
            // A member that comes back gets a new file.
            let file = self.folder.path().join("{node}-{started}.trace");
            set("trace.file", &file.display());
            set("trace.maxBytes", &TRACE);
        }
        if let Some(authority) = &self.authority {
            let node: NodeId = node.parse().map_err(setup)?;
            // A member that comes back gets a new certificate.
            let files = authority.issue(&node)?.save(self.folder.path(), Overwrite::Replace)?;
            set("tls.certificate", &files.certificate.display());
            set("tls.key", &files.key.display());
            for authorities in &files.authorities {
                set("tls.authorities", &authorities.display());
            }
        }
        Ok(settings)
    }
}

impl Hand {
    /// Has it do something, and waits for its answer.
    pub(super) async fn ask(&mut self, order: &Order) -> Result<Answer, BenchError> {
        self.orders.write_all(format!("{}\n", serde_json::to_string(order)?).as_bytes()).await?;
        let Some(line) = self.answers.next_line().await? else {
            return Err(BenchError::Sender(self.child.wait().await?));
        };
        match serde_json::from_str(&line)? {
            Answer::Failed { why } => Err(BenchError::Member { node: self.node.clone(), why }),
            answer => Ok(answer),
        }
    }

    /// When something came about.
    pub(super) async fn when(&mut self, order: &Order) -> Result<u64, BenchError> {
        let Answer::At(at) = self.ask(order).await? else { return Err(self.misunderstood()) };
        Ok(at)
    }

    pub(super) async fn look(&mut self) -> Result<Look, BenchError> {
        let Answer::Look(look) = self.ask(&Order::Look).await? else { return Err(self.misunderstood()) };
        match look.untraced {
            Some(why) => Err(BenchError::Unaccounted(format!("the trace of {} ended: {why}", self.node))),
            None => Ok(look),
        }
    }

    /// Subscribes: when that began, when the last call had returned, and when every peer had the rooms.
    pub(super) async fn subscribe(&mut self, rooms: Rooms) -> Result<[u64; 3], BenchError> {
        let Answer::Subscribed { began, called, heard } = self.ask(&Order::Subscribe(rooms)).await? else {
            return Err(self.misunderstood());
        };
        Ok([began, called, heard])
    }

    /// Ends its process at once.
    pub(super) async fn kill(mut self) -> Result<(), BenchError> {
        Ok(self.child.kill().await?)
    }

    pub(super) fn misunderstood(&self) -> BenchError {
        BenchError::Member { node: self.node.clone(), why: "it answered something else".to_owned() }
    }
}

/// A crew without anybody.
pub(super) fn nobody() -> BenchError {
    setup("a run without members")
}

/// Waits until all are ready, and says when each was.
pub(super) async fn ready(hands: &mut [Hand]) -> Result<Vec<u64>, BenchError> {
    try_join_all(hands.iter_mut().map(|hand| hand.when(&Order::Ready))).await
}

/// Holds what a member has of each other one against that one's own state.
pub(super) async fn check_equal(owners: &mut [Hand], holder: &mut Hand) -> Result<(), BenchError> {
    let held = holder.look().await?.others;
    for owner in owners {
        let own = owner.look().await?.own;
        let there = held.get(&owner.node);
        if there != Some(&own) {
            return Err(BenchError::Unaccounted(format!(
                "{} is at {own:?} (version, hash), and {} holds {there:?} of it",
                owner.node, holder.node
            )));
        }
    }
    Ok(())
}
