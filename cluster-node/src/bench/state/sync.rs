//! A member that joins others that have rooms: from its start until it is ready, and until its host knows them all.

use std::fmt;

use serde_json::{Value, json};

use super::super::BenchError;
use super::super::subscribing::as_f64;
use super::crew::{Crew, Hand, check_equal};
use super::figures::{median, round, rounds, seconds};
use super::orders::{Order, Rooms};
use super::plan::SyncPlan;

/// What a room may cost a member that does not own it: so many times its id, count and places (64 bytes) and its filters.
const ALLOWED: f64 = 2.5;
/// What of a room does not depend on its filters, in bytes.
const FIXED: u64 = 64;

/// How a joiner caught up.
#[derive(Clone, Debug)]
pub struct Caught {
    plan: SyncPlan,
    rounds: Vec<Round>,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    /// From the beginning of its start until it was ready, in seconds.
    ready: f64,
    /// Until its host knew all rooms.
    told: f64,
    /// By how much its resident memory grew, in bytes.
    growth: f64,
    cpu: f64,
}

/// Lets a new member join the same owners in each round. The arguments are those with which this program becomes
/// [`serve_member`](super::serve_member).
///
/// # Errors
/// When a member cannot be started or breaks off, or the joiner's hashes are not the owners' in the end.
pub async fn sync(plan: &SyncPlan, arguments: &[&str]) -> Result<Caught, BenchError> {
    let crew = Crew::new(plan.links, arguments)?;
    let mut owners = crew.form(usize::from(plan.owners)).await?;
    let (count, filters) = (plan.rooms / u64::from(plan.owners), plan.filters);
    let mut first = 0;
    for owner in &mut owners {
        super::super::progress::step(&format!("{} subscribes to {count} rooms", owner.node));
        owner.subscribe(Rooms { first, count, in_collection: 10_000, filters }).await?;
        first += count;
    }
    let what = format!("a member joins that has none of {first} rooms");
    let rounds = rounds(plan.rounds, &what, async || measure(&crew, &mut owners, first).await).await?;
    Ok(Caught { plan: SyncPlan { rooms: first, ..*plan }, rounds })
}

async fn measure(crew: &Crew<'_>, owners: &mut [Hand], rooms: u64) -> Result<Round, BenchError> {
    let addresses: Vec<String> = owners.iter().map(|owner| owner.address.clone()).collect();
    let seeds: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut joiner = crew.start("joiner", &seeds, 1 + owners.len()).await?;
    let ready = joiner.when(&Order::Ready).await?;
    let told = joiner.when(&Order::Know { rooms }).await?;
    let (before, after) = (joiner.before, joiner.look().await?.footprint);
    check_equal(owners, &mut joiner).await?;
    let began = joiner.began;
    joiner.kill().await?;
    for owner in owners {
        owner.when(&Order::Lose { node: "joiner".to_owned(), rooms }).await?;
    }
    Ok(Round {
        ready: seconds(began, ready),
        told: seconds(began, told),
        growth: as_f64(after.resident.saturating_sub(before.resident)),
        cpu: after.usage.since(before.usage).cpu_seconds,
    })
}

impl Caught {
    fn of(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(&self.rounds.iter().map(figure).collect::<Vec<_>>())
    }

    /// The growth for each room, in bytes.
    fn bytes_a_room(&self) -> f64 {
        self.of(|round| round.growth) / as_f64(self.plan.rooms)
    }

    /// What is meant to be enough for a room, in bytes.
    fn allowed(&self) -> f64 {
        ALLOWED * as_f64(FIXED + u64::try_from(self.plan.filters).unwrap_or(u64::MAX))
    }

    /// One object; `value` is the median.
    pub fn json(&self) -> Value {
        let SyncPlan { links, owners, rooms, filters, .. } = self.plan;
        let all: Vec<f64> = self.rounds.iter().map(|figures| round(figures.ready, 4)).collect();
        json!({
            "peer": "cluster-node", "work": "sync", "rooms": rooms, "owners": owners, "filters": filters,
            "value": round(self.of(|round| round.ready), 4), "unit": "s from its start until the joiner is ready",
            "rounds": all, "told_seconds": round(self.of(|round| round.told), 4),
            "grown_bytes": self.of(|round| round.growth).round(), "bytes_a_room": round(self.bytes_a_room(), 1),
            "allowed_bytes_a_room": self.allowed(), "joiner_cpu_seconds": round(self.of(|round| round.cpu), 3),
            "transport": links.transport.to_string(), "tls": links.security(), "traced": links.traced, "accounted": true,
        })
    }
}

impl fmt::Display for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SyncPlan { links, owners, rooms, filters, rounds } = self.plan;
        writeln!(
            f,
            "a member joins {owners} with {rooms} rooms, filters of {filters} bytes, over {links}: medians of {rounds}"
        )?;
        let (ready, told) = (self.of(|round| round.ready), self.of(|round| round.told));
        writeln!(
            f,
            "  caught up {ready:.3} s after its start began; its host knew all rooms after {told:.3} s"
        )?;
        let (grown, each) = (self.of(|round| round.growth) / f64::from(1 << 20), self.bytes_a_room());
        writeln!(
            f,
            "  memory    {grown:.1} MiB more than before its start: {each:.0} bytes a room, {:.0} are meant to be enough",
            self.allowed()
        )?;
        write!(f, "  cost      {:.2} s of processor time at the joiner", self.of(|round| round.cpu))
    }
}
