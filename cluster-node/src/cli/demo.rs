//! `demo`: several nodes in one process, on real sockets, and a short story of what they do.
//!
//! [`Cast`] says who plays, [`Story`] starts them and tells what was seen. Every line is told after the event it tells
//! of; a step that does not come about within [`STEP_WITHIN`] ends the story with its name.

mod cast;
mod player;
mod story;

use std::time::Duration;

use super::signals::Signals;
use super::{Failure, say};

pub use cast::Cast;
pub use story::Story;

/// How long a step may take.
pub const STEP_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How many nodes play
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=16))]
    nodes: u16,
    /// End after the story; else the nodes serve on until Ctrl-C
    #[arg(long)]
    once: bool,
    /// Node i serves its clients on this port + i; 0 takes free ports
    #[arg(long, value_name = "PORT", default_value_t = 7512, value_parser = clap::value_parser!(u16).range(..=65_500))]
    base_port: u16,
    /// Leave out mutual TLS between the nodes
    #[arg(long)]
    no_tls: bool,
}

pub(super) async fn demo(arguments: Arguments) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let folder = tempfile::tempdir().map_err(Failure::Runtime)?;
    let cast = Cast::new(arguments.nodes, arguments.base_port)?;
    let cast = if arguments.no_tls { cast } else { cast.secured(folder.path())? };
    let mut story = Story::new(cast);
    let told = tokio::select! {
        biased;
        _ = signals.next() => Ok(()),
        told = play(&mut story, arguments.once) => told,
    };
    story.end().await;
    told
}

async fn play(story: &mut Story, once: bool) -> Result<(), Failure> {
    story.tell(&mut |line| say(line)).await?;
    if once {
        return Ok(());
    }
    say("");
    for url in story.urls() {
        say(url);
    }
    say("Ctrl-C ends all nodes.");
    std::future::pending().await
}
