//! `run`: one node, until it is told to stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cluster_core::config::{Config, Effective, Sources};
use cluster_core::engine::members::{Drain, doubted_after};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::plan::Plan;
use super::signals::Signals;
use super::systemd::Notifier;
use super::{Failure, say};
use crate::node::Node;
use crate::server::{ClientThreads, Listener, Server, ServerLimits};

/// How long leaving may take once the clients are gone, so that the process ends within two seconds.
const LEAVE_WITHIN: Duration = Duration::from_millis(1_200);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    given: Given,
    /// Over which time the clients of a node that stops are sent to other nodes, such as 10s
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    drain_window: Duration,
    /// Write every input of this node to a new file, for cluster-node trace. Rooms, filters and registers are in it: it is as
    /// sensitive as the state. {node} in its name becomes the node's id, {started} the milliseconds since 1970 at its start.
    /// If there is anything of that name it is left as it is, and no trace is written
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// How long that file may be: a number of bytes, KiB, MiB, GiB or TiB. Range and default are those of
    /// plugins.cluster.trace.maxBytes
    #[arg(long, value_name = "SIZE", value_parser = size)]
    trace_limit: Option<u64>,
    /// Show the settings that would be in effect, where each comes from and what a start would do, and stop; the exit code is 2
    /// if it would not start
    #[arg(long)]
    check_config: bool,
    /// Show that as JSON
    #[arg(long, requires = "check_config")]
    json: bool,
}

impl Arguments {
    /// What the sources and the flags say.
    fn config(&self) -> Result<Config, Failure> {
        let mut sources = self.given.sources()?;
        if let Some(file) = &self.trace {
            let text = file.to_str().ok_or_else(|| {
                Failure::Usage(format!("--trace {}: the name of the file is no Unicode", file.display()))
            })?;
            sources = sources.flag("--trace", "plugins.cluster.trace.file", text);
        }
        if let Some(limit) = self.trace_limit {
            sources = sources.flag("--trace-limit", "plugins.cluster.trace.maxBytes", limit);
        }
        Ok(Config::load(&sources)?)
    }
}

const EXPECTED: &str = "expected a number of bytes, or one with KiB, MiB, GiB or TiB behind it";

/// A number of bytes, with its unit.
fn size(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return Err(EXPECTED.to_owned()),
    };
    if number.is_empty() {
        return Err(EXPECTED.to_owned());
    }
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or("more bytes than can be counted".to_owned())
}

/// Where a configuration is read from.
#[derive(Debug, clap::Args)]
pub(super) struct Given {
    /// A configuration in the form of Kuzzle's, with comments
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A setting over the file and the environment, such as plugins.cluster.minimumNodes=3
    #[arg(long = "set", value_name = "key=value")]
    assignments: Vec<String>,
}

impl Given {
    pub(super) fn config(&self) -> Result<Config, Failure> {
        Ok(Config::load(&self.sources()?)?)
    }

    fn sources(&self) -> Result<Sources, Failure> {
        let sources = match &self.config {
            Some(file) => Sources::new().read_file(file)?,
            None => Sources::new(),
        };
        let sources = sources.process_environment();
        Ok(self.assignments.iter().cloned().fold(sources, Sources::assign))
    }
}

pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = arguments.config()?;
    if arguments.check_config {
        return check(&config, arguments.json).await;
    }
    let mut signals = Signals::listen()?;
    let notifier = Notifier::from_environment();
    let threads = ClientThreads::start().map_err(Failure::Runtime)?;
    let (host, port, limits) = (config.server_host(), config.server_port(), ServerLimits::of(&config));
    let listener = threads.run(async move { Listener::bind(host.as_str(), port).await }).await;
    let listener = listener.map_err(Failure::Runtime)??;
    let node = Node::start(config).await?;
    let clone = node.clone();
    let server = threads.run(async move { serve_clients(listener, clone, limits) }).await;
    let server = server.map_err(Failure::Runtime)?;
    say(format_args!("{} serves clients on http://{}", node.name(), server.address()));
    for (name, address) in node.cluster().bound() {
        say(format_args!("{} listens for members on {address} ({name})", node.name()));
    }
    let outcome = tokio::select! {
        why = signals.next() => {
            tracing::info!("{why}: draining, and leaving then; a second signal leaves at once");
            Ok(())
        }
        () = node.drained() => Ok(()),
        () = node.shutdown_requested() => Ok(()),
        failure = serve(&node, &notifier) => Err(failure),
    };
    notifier.stopping();
    if outcome.is_ok() {
        tokio::select! {
            biased;
            why = signals.next() => tracing::info!("{why} again: leaving at once"),
            () = drain(&node, &server, arguments.drain_window) => {}
        }
    }
    server.stop().await;
    if timeout(LEAVE_WITHIN, node.cluster().leave()).await.is_err() {
        tracing::warn!("the other nodes were not told in time that this one leaves");
    }
    outcome
}

fn serve_clients(listener: Listener, node: Node, limits: ServerLimits) -> Server {
    let routes = cluster_http::router_with_load(node.cluster().clone(), Arc::new(node.load().clone()));
    Server::start(listener, node, routes, limits)
}

/// Sends the clients to the other nodes, if there are any.
async fn drain(node: &Node, server: &Server, window: Duration) {
    let cluster = node.cluster();
    // Somebody who stops a process has made up their mind, whatever the quorum says.
    let drained = cluster.drain(Drain::Anyway);
    let somewhere_else = cluster.status().members.iter().any(|member| member.ready);
    // When the whole cluster shuts down there is nowhere to go.
    if drained.is_ok() && somewhere_else && !node.shuts_down() {
        server.move_clients(window).await;
    }
}

/// Tells when the node is ready, and resolves when it has ended by itself.
async fn serve(node: &Node, notifier: &Notifier) -> Failure {
    let ended = node.cluster().ended();
    tokio::pin!(ended);
    tokio::select! {
        () = &mut ended => {}
        () = node.cluster().wait_ready() => {
            say(format_args!("{} is ready", node.name()));
            notifier.ready();
            ended.await;
        }
    }
    let failure = node.cluster().status().failure;
    Failure::Ended(failure.unwrap_or_else(|| "for no reason that it knows".to_owned()))
}

/// Shows what would be; a failure if it would not start.
async fn check(config: &Config, as_json: bool) -> Result<(), Failure> {
    let plan = Plan::of(config).await;
    if as_json {
        let setting = |setting: Effective<'_>| {
            let value: Value = serde_json::from_str(&setting.value).unwrap_or_default();
            json!({ "key": setting.key, "value": value, "source": setting.source.to_string() })
        };
        let settings: Vec<Value> = config.effective().map(setting).collect();
        say(json!({ "settings": settings, "plan": plan }));
    } else {
        for setting in config.effective() {
            say(format_args!("{} = {}  ({})", setting.key, setting.value, setting.source));
        }
        plan.lines(config).into_iter().for_each(say);
        let doubted = doubted_after(config.heartbeat());
        say(format_args!("A member is doubted after {doubted:?} without a byte from it."));
    }
    match plan.problems.as_slice() {
        [] => Ok(()),
        problems => Err(Failure::Usage(problems.join("; "))),
    }
}
