//! The command line: `run` a node, see a `demo` of several, make `certs` for development, `bench` the wire.
//!
//! What a command tells goes to standard output, what happens meanwhile to standard error. An error is one line.

mod bench;
mod certs;
pub mod demo;
mod doctor;
mod failure;
mod fetch;
mod plan;
mod quorum;
mod run;
mod signals;
mod simulate;
mod timeline;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

pub use failure::Failure;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or stopped by a signal
  1  something failed while it ran: a port in use, a step of the demo, a lost quorum with onMinority stop,
     a promise in a simulation, a message that a benchmark cannot account for;
     or doctor has found problems
  2  the command line, the configuration or a certificate cannot be used

Logging goes to standard error; RUST_LOG sets its level (default info; demo, doctor, simulate and bench: error).";

#[derive(Debug, Parser)]
#[command(name = "cluster-node", version, about = "A reference node of the cluster layer", after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node until it is told to stop; without a configuration a single node on loopback
    Run(run::Arguments),
    /// Run several nodes in this process and tell what happens
    Demo(demo::Arguments),
    /// Make a development authority and certificates for nodes
    Certs(certs::Arguments),
    /// Tell what would happen to the quorum if some nodes were gone
    Quorum(quorum::Arguments),
    /// Find what keeps a node from working, each finding with its remedy
    Doctor(doctor::Arguments),
    /// Put the flight recorders of several nodes together into one timeline
    Timeline(timeline::Arguments),
    /// Run clusters in virtual time under random faults, and check what is promised
    Simulate(simulate::Arguments),
    /// Measure how fast the wire is on this machine
    Bench(bench::Arguments),
}

impl Command {
    /// The level of logging without RUST_LOG.
    fn level(&self) -> &'static str {
        match self {
            Self::Run(_) | Self::Certs(_) | Self::Quorum(_) | Self::Timeline(_) => "info",
            Self::Demo(_) | Self::Doctor(_) | Self::Simulate(_) | Self::Bench(_) => "error",
        }
    }
}

/// What the command line may say.
pub fn grammar() -> clap::Command {
    Arguments::command()
}

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    log(command.level());
    match perform(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // With standard error closed there is nobody to tell.
            let _ = writeln!(io::stderr(), "cluster-node: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn perform(command: Command) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?;
    runtime.block_on(async {
        match command {
            Command::Run(arguments) => run::run(arguments).await,
            Command::Demo(arguments) => demo::demo(arguments).await,
            Command::Doctor(arguments) => doctor::examine(arguments).await,
            Command::Certs(arguments) => certs::make(&arguments),
            Command::Quorum(arguments) => quorum::quorum(&arguments).await,
            Command::Timeline(arguments) => timeline::timeline(&arguments),
            Command::Simulate(arguments) => simulate::simulate(&arguments),
            Command::Bench(arguments) => bench::bench(&arguments).await,
        }
    })
}

/// A line of what the command tells. A reader that has gone is no reason to stop.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn log(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colours = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours).init();
}
