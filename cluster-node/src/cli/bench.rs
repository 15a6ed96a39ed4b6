//! `bench`: how fast the wire is on this machine, and the members' view of each other.

mod state;

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{Failure, say};
use crate::bench::{self, Plan, Transport, Work};

/// The longest message: two of them fit into the ring of a lane.
const LONGEST: u64 = 8 << 20;
/// The shortest: a message carries its number and when it was sent.
const SHORTEST: u64 = 16;
/// The longest run, in seconds.
const LONGEST_RUN: f64 = 3_600.0;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    work: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Publish to one node as fast as it takes
    Publish(Publish),
    /// Publish each message to several nodes
    Fanout(Fanout),
    /// Ask, and wait for the replies
    Request(Request),
    /// Subscribe to many rooms until other nodes know them
    Rooms(state::Rooms),
    /// Have a node join others that have many rooms
    Sync(state::Sync),
    /// Watch a mesh of nodes in which nothing happens
    Idle(state::Idle),
    /// Kill a node's process until the others are clean of it
    Kill(state::Kill),
    /// The sending side, started by the others
    #[command(hide = true)]
    Sender,
    /// A node that follows orders, started by the others
    #[command(hide = true)]
    Member,
}

#[derive(Debug, Args)]
struct Publish {
    /// How many nodes subscribe
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    peers: u16,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Fanout {
    /// How many nodes subscribe
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    peers: u16,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Pace {
    /// Never wait for room: the oldest messages give way, and are counted and announced
    #[arg(long)]
    shed: bool,
}

#[derive(Debug, Args)]
struct Request {
    /// How many nodes answer
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    peers: u16,
    /// How many requests are under way with each of them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: u16,
    /// Have a task await each answer, in place of asking again where the answer comes in
    #[arg(long)]
    awaiting: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// What carries the messages; tcp and quic between two processes, memory within one
    #[arg(long, value_enum, value_name = "NAME", default_value = "tcp")]
    transport: Transport,
    /// Whether both sides show certificates, made for the run; quic always does [default: none, mutual for quic]
    #[arg(long, value_enum, value_name = "KIND")]
    tls: Option<Security>,
    /// The length of a message, in bytes, from 16 to 8388608
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u64).range(SHORTEST..=LONGEST))]
    size: u64,
    /// For how long is sent, from 0.1 to 3600
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
    /// Print one JSON object in one line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Security {
    None,
    Mutual,
}

impl Common {
    fn plan(&self, work: Work, peers: u16) -> Result<Plan, Failure> {
        Ok(Plan {
            work,
            transport: self.transport,
            tls: is_secured(self.transport, self.tls)?,
            size: usize::try_from(self.size).unwrap_or(usize::MAX),
            peers,
            duration: Duration::from_secs_f64(self.seconds),
        })
    }
}

/// Whether links have mutual TLS.
fn is_secured(transport: Transport, tls: Option<Security>) -> Result<bool, Failure> {
    match (transport, tls) {
        (Transport::Quic, Some(Security::None)) => {
            Err(Failure::Usage("--transport quic always has TLS: leave out --tls none".to_owned()))
        }
        (Transport::Memory, Some(Security::Mutual)) => Err(Failure::Usage(
            "--transport memory has no TLS: leave out --tls mutual, or take tcp".to_owned(),
        )),
        (transport, None) => Ok(transport == Transport::Quic),
        (_, Some(security)) => Ok(security == Security::Mutual),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    match (0.1..=LONGEST_RUN).contains(&seconds) {
        true => Ok(seconds),
        false => Err(format!("{seconds} is not from 0.1 to {LONGEST_RUN}")),
    }
}

pub(super) async fn bench(arguments: &Arguments) -> Result<(), Failure> {
    let (common, work, peers) = match &arguments.work {
        Kind::Publish(Publish { peers, pace, common }) | Kind::Fanout(Fanout { peers, pace, common }) => {
            (common, Work::Publish { waiting: !pace.shed }, *peers)
        }
        Kind::Request(Request { peers, in_flight, awaiting, common }) => {
            (common, Work::Request { in_flight: *in_flight, awaiting: *awaiting }, *peers)
        }
        Kind::Rooms(arguments) => return state::rooms(arguments).await,
        Kind::Sync(arguments) => return state::sync(arguments).await,
        Kind::Idle(arguments) => return state::idle(arguments).await,
        Kind::Kill(arguments) => return state::kill(arguments).await,
        Kind::Member => return Ok(bench::state::serve_member().await?),
        Kind::Sender => return Ok(bench::serve_sender().await?),
    };
    let report = bench::run(&common.plan(work, peers)?, &["bench", "sender"]).await?;
    if common.json {
        say(report.json());
    } else {
        say(&report);
    }
    Ok(report.check()?)
}
