//! `health`: one question to one node, answered by the exit code, for what looks after containers.

use super::remote::{self, Url};
use super::status::{list, text};
use super::{Failure, say};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where the node serves its clients
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:7512")]
    url: Url,
    /// Ask whether it lives, whatever becomes of others, in place of whether it is ready
    #[arg(long)]
    live: bool,
}

pub(super) async fn health(arguments: Arguments) -> Result<(), Failure> {
    let wanted = if arguments.live { "live" } else { "ready" };
    let health = remote::get(&arguments.url, &format!("/_plugin/cluster/health/{wanted}")).await?;
    say(format_args!("{} is {wanted}", arguments.url));
    for reason in list(&health, "/overloaded") {
        say(format_args!("  OVERLOADED: {}", text(reason)));
    }
    Ok(())
}
