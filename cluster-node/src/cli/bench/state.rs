//! `bench rooms`, `sync`, `idle` and `kill`: what members know of each other.

use std::time::Duration;

use clap::Args;

use super::{Failure, Security, say};
use crate::bench::Transport;
use crate::bench::state::{self, IdlePlan, KillPlan, Links, RoomsPlan, SyncPlan};

/// The arguments with which this program becomes a member that is measured.
const MEMBER: &[&str] = &["bench", "member"];
/// The most rooms that a node has.
const MOST_ROOMS: u64 = 1_000_000;

#[derive(Debug, Args)]
pub(super) struct Rooms {
    /// How many of the rooms are in one collection; several numbers are measured one after the other
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1000,10000,100000", value_parser = clap::value_parser!(u64).range(1..=MOST_ROOMS))]
    rooms: Vec<u64>,
    /// How many connections subscribe, each to a room of its own
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=MOST_ROOMS - 1_000))]
    changes: u64,
    /// How many nodes have to hear of them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    peers: u16,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    rounds: Rounds,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct Sync {
    /// How many rooms there are; several numbers are measured one after the other
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "100000,1000000", value_parser = clap::value_parser!(u64).range(1..=64 * MOST_ROOMS))]
    rooms: Vec<u64>,
    /// How many nodes have them, equal shares of at most 1000000
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    owners: u16,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    rounds: Rounds,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct Idle {
    /// How many nodes there are
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    nodes: u16,
    /// For how long they are watched, from 0.1 to 3600
    #[arg(long, value_name = "S", default_value_t = 30.0, value_parser = super::seconds)]
    seconds: f64,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct Kill {
    /// How many nodes there are, the one that is killed included
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=200))]
    nodes: u16,
    /// How many rooms each of them has
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=MOST_ROOMS))]
    rooms: u64,
    #[command(flatten)]
    rounds: Rounds,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Filters {
    /// The length of a room's filters, in bytes, from 32 to 16384
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = clap::value_parser!(u16).range(32..=16_384))]
    filters: u16,
}

#[derive(Debug, Args)]
struct Rounds {
    /// How often it is measured; the figures are medians
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: u16,
}

#[derive(Debug, Args)]
struct Common {
    /// What carries the sessions; every node is a process: memory does not reach it
    #[arg(long, value_enum, value_name = "NAME", default_value = "tcp")]
    transport: Transport,
    /// Whether both sides show certificates, made for the run; quic always does [default: none, mutual for quic]
    #[arg(long, value_enum, value_name = "KIND")]
    tls: Option<Security>,
    /// Have every node write a trace of its inputs, as with run --trace, of at most 1 GiB each into a folder that goes with the run
    #[arg(long)]
    trace: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl Common {
    fn links(&self) -> Result<Links, Failure> {
        if self.transport == Transport::Memory {
            return Err(Failure::Usage(
                "--transport memory does not reach other processes: take tcp or quic".to_owned(),
            ));
        }
        let tls = super::is_secured(self.transport, self.tls)?;
        Ok(Links { transport: self.transport, tls, traced: self.trace })
    }

    fn tell(&self, text: impl std::fmt::Display, json: serde_json::Value) {
        if self.json { say(json) } else { say(text) }
    }
}

/// One report for each number of rooms in a collection.
pub(super) async fn rooms(arguments: &Rooms) -> Result<(), Failure> {
    let Rooms { rooms, changes, peers, filters, rounds, common } = arguments;
    let (links, filters) = (common.links()?, usize::from(filters.filters));
    for in_collection in rooms.iter().copied() {
        let plan = RoomsPlan {
            links,
            peers: *peers,
            changes: *changes,
            in_collection,
            filters,
            rounds: rounds.rounds,
        };
        let report = state::rooms(&plan, MEMBER).await?;
        common.tell(&report, report.json());
    }
    Ok(())
}

/// One report for each number of rooms.
pub(super) async fn sync(arguments: &Sync) -> Result<(), Failure> {
    let Sync { rooms, owners, filters, rounds, common } = arguments;
    let (links, filters, most) =
        (common.links()?, usize::from(filters.filters), u64::from(*owners) * MOST_ROOMS);
    for rooms in rooms {
        if !(u64::from(*owners)..=most).contains(rooms) {
            return Err(Failure::Usage(format!(
                "--rooms {rooms}: {owners} nodes have from {owners} to {most} rooms: change --owners or --rooms"
            )));
        }
    }
    for rooms in rooms.iter().copied() {
        let plan = SyncPlan { links, owners: *owners, rooms, filters, rounds: rounds.rounds };
        let report = state::sync(&plan, MEMBER).await?;
        common.tell(&report, report.json());
    }
    Ok(())
}

pub(super) async fn idle(arguments: &Idle) -> Result<(), Failure> {
    let Idle { nodes, seconds, common } = arguments;
    let plan =
        IdlePlan { links: common.links()?, nodes: *nodes, duration: Duration::from_secs_f64(*seconds) };
    let report = state::idle(&plan, MEMBER).await?;
    common.tell(&report, report.json());
    Ok(())
}

pub(super) async fn kill(arguments: &Kill) -> Result<(), Failure> {
    let Kill { nodes, rooms, rounds, common } = arguments;
    let plan = KillPlan { links: common.links()?, nodes: *nodes, rooms: *rooms, rounds: rounds.rounds };
    let report = state::kill(&plan, MEMBER).await?;
    common.tell(&report, report.json());
    Ok(())
}
