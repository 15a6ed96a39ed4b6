//! The command line: `run` a node, see a `demo` of several, make `certs` for development, `bench` the wire, see to running
//! nodes.
//!
//! What a command tells goes to standard output, what happens meanwhile to standard error. An error is one line.

mod bench;
mod certs;
pub mod demo;
mod doctor;
mod failure;
mod health;
mod operate;
mod plan;
mod quorum;
mod remote;
mod run;
mod signals;
mod simulate;
mod status;
mod systemd;
mod timeline;
mod trace;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

pub use failure::Failure;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or stopped by a signal
  1  something failed while it ran: a port in use, a node that does not answer or refuses, a step of the demo,
     a lost quorum with onMinority stop, a promise in a simulation, a message that a benchmark cannot account for,
     a trace that replays otherwise, is damaged or has no end;
     or doctor has found problems, or health is not what it was asked for
  2  the command line, the configuration, a certificate or the file of a trace cannot be used
  3  status: a node answers and is not ready

Logging goes to standard error; RUST_LOG sets its level (default info; demo, doctor, simulate and bench: error).";

#[derive(Debug, Parser)]
#[command(name = "cluster-node", version, about = "A reference node of the cluster layer", after_help = EXIT_CODES)]
struct Arguments {
    /// How log lines are written, one for each change of membership and none for a message
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text, global = true)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
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
    /// Replay what a node wrote with --trace: it decides the same again, or it is said where it does not
    Trace(trace::Arguments),
    /// Show what running nodes know of their cluster
    Status(status::Arguments),
    /// Ask a running node whether it is ready, or lives, for the exit code: 0 if so, else 1
    Health(health::Arguments),
    /// Have a running node stop serving clients, and leave when they have moved
    Drain(operate::Drain),
    /// Have a running node remove a node that is gone for good
    Forget(operate::Forget),
    /// Have a running node pass no verdict about a node under maintenance
    Hold(operate::Hold),
    /// Have every node compare its copies with their owners and repair them
    Reset(operate::Reset),
    /// Print what a shell needs to complete these commands
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
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
            _ => "warn",
        }
    }
}

/// What the command line may say.
pub fn grammar() -> clap::Command {
    Arguments::command()
}

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    let Arguments { command, log_format } = Arguments::parse();
    log(command.level(), log_format);
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
            Command::Trace(arguments) => trace::trace(&arguments),
            Command::Status(arguments) => status::status(arguments).await,
            Command::Health(arguments) => health::health(arguments).await,
            Command::Drain(arguments) => operate::drain(arguments).await,
            Command::Forget(arguments) => operate::forget(arguments).await,
            Command::Hold(arguments) => operate::hold(arguments).await,
            Command::Reset(arguments) => operate::reset(arguments).await,
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut grammar(), "cluster-node", &mut io::stdout());
                Ok(())
            }
            Command::Simulate(arguments) => simulate::simulate(&arguments),
            Command::Bench(arguments) => bench::bench(&arguments).await,
        }
    })
}

/// A line of what the command tells. A reader that has gone is no reason to stop.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn log(level: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
