//! `drain`, `forget`, `hold` and `reset`: what an operator has a running node do.

use std::time::Duration;

use cluster_transport::proto::NodeId;
use serde_json::{Value, json};

use super::remote::Target;
use super::{Failure, say};

#[derive(Debug, clap::Args)]
pub(super) struct Drain {
    #[command(flatten)]
    target: Target,
    /// Also when the other nodes are fewer than plugins.cluster.minimumNodes
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Forget {
    /// The node that is gone for good
    #[arg(value_name = "NODE")]
    node: NodeId,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
pub(super) struct Hold {
    /// The node about which no verdict is passed
    #[arg(value_name = "NODE")]
    node: NodeId,
    /// For how long, such as 10m; 0s ends it
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    span: Duration,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
pub(super) struct Reset {
    /// Each node first forgets its own rooms and who is in them
    #[arg(long)]
    blank: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn drain(arguments: Drain) -> Result<(), Failure> {
    let Drain { target, force } = arguments;
    target.post("/_plugin/cluster/drain", &json!({ "force": force })).await?;
    say(format_args!("{} drains: its clients move, then it leaves", target.url()));
    Ok(())
}

pub(super) async fn forget(arguments: Forget) -> Result<(), Failure> {
    let Forget { node, target } = arguments;
    target.post(&format!("/_plugin/cluster/forget/{node}"), &json!({})).await?;
    say(format_args!("{} has forgotten {node}; if it lives, it comes back by itself", target.url()));
    Ok(())
}

pub(super) async fn hold(arguments: Hold) -> Result<(), Failure> {
    let Hold { node, span, target } = arguments;
    let seconds = span.as_secs_f64();
    target.post("/_plugin/cluster/hold", &json!({ "node": node.to_string(), "seconds": seconds })).await?;
    if span.is_zero() {
        say(format_args!("{} passes verdicts about {node} again", target.url()));
    } else {
        let span = humantime::format_duration(span);
        say(format_args!("{} passes no verdict about {node} for {span}", target.url()));
    }
    Ok(())
}

pub(super) async fn reset(arguments: Reset) -> Result<(), Failure> {
    let Reset { blank, target } = arguments;
    let result = target.post("/_plugin/cluster/reset", &json!({ "blank": blank })).await?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let members = result.get("members").and_then(Value::as_object).into_iter().flatten();
    for (node, outcome) in members {
        let reason = text(outcome, "reason").map(|why| format!(": {why}")).unwrap_or_default();
        say(format_args!("{node}: {}{reason}", text(outcome, "outcome").unwrap_or_default()));
    }
    match text(&result, "outcome").as_deref() {
        Some("ok") => Ok(()),
        _ => Err(Failure::Remote("not every member has done it".to_owned())),
    }
}
