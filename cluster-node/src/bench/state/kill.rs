//! A member's process is killed: until it is no member any more anywhere, and no host counts its rooms.

use std::fmt;

use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::super::BenchError;
use super::super::subscribing::as_f64;
use super::crew::{Crew, Hand};
use super::figures::{median, round, rounds, seconds};
use super::orders::{Order, Rooms};
use super::plan::KillPlan;
use crate::bench::stamp::nanos;

const VICTIM: &str = "victim";

/// How soon killed processes were noticed.
#[derive(Clone, Debug)]
pub struct Killed {
    plan: KillPlan,
    /// Of each round: until the last survivor was done, in milliseconds.
    rounds: Vec<f64>,
}

/// Kills a member in each round, and starts it again. The arguments are those with which this program becomes
/// [`serve_member`](super::serve_member).
///
/// # Errors
/// When a member cannot be started or breaks off.
pub async fn kill(plan: &KillPlan, arguments: &[&str]) -> Result<Killed, BenchError> {
    let crew = Crew::new(plan.links, arguments)?;
    let mut survivors = crew.form(usize::from(plan.nodes).saturating_sub(1)).await?;
    let mut first = 0;
    for survivor in &mut survivors {
        survivor.subscribe(own_rooms(plan, first)).await?;
        first += plan.rooms;
    }
    let what = format!("one of {} is killed", plan.nodes);
    let rounds = rounds(plan.rounds, &what, async || measure(&crew, plan, &mut survivors, first).await);
    Ok(Killed { plan: *plan, rounds: rounds.await? })
}

async fn measure(
    crew: &Crew<'_>,
    plan: &KillPlan,
    survivors: &mut [Hand],
    rooms: u64,
) -> Result<f64, BenchError> {
    let seed = survivors.first().map(|survivor| survivor.address.clone()).unwrap_or_default();
    let mut victim = crew.start(VICTIM, &[&seed], 1 + survivors.len()).await?;
    victim.when(&Order::Ready).await?;
    victim.subscribe(own_rooms(plan, rooms)).await?;
    let all = Order::Know { rooms: rooms + plan.rooms };
    try_join_all(survivors.iter_mut().map(|survivor| survivor.when(&all))).await?;
    let killed = nanos();
    victim.kill().await?;
    let lose = Order::Lose { node: VICTIM.to_owned(), rooms };
    let lost = try_join_all(survivors.iter_mut().map(|survivor| survivor.when(&lose))).await?;
    Ok(1_000.0 * lost.into_iter().map(|at| seconds(killed, at)).fold(0.0, f64::max))
}

fn own_rooms(plan: &KillPlan, first: u64) -> Rooms {
    Rooms { first, count: plan.rooms, in_collection: 1_000, filters: 64 }
}

impl Killed {
    /// One object; `value` is the median.
    pub fn json(&self) -> Value {
        let KillPlan { links, nodes, rooms, .. } = self.plan;
        let all: Vec<f64> = self.rounds.iter().map(|ms| round(*ms, 1)).collect();
        json!({
            "peer": "cluster-node", "work": "kill", "nodes": nodes, "rooms": rooms,
            "value": round(median(&self.rounds), 1), "unit": "ms until gone everywhere with its rooms",
            "rounds": all, "transport": links.transport.to_string(), "tls": links.security(), "traced": links.traced,
        })
    }
}

impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KillPlan { links, nodes, rooms, rounds } = self.plan;
        writeln!(
            f,
            "one of {nodes} members with {rooms} rooms each is killed, over {links}, {rounds} times"
        )?;
        let longest = self.rounds.iter().copied().fold(0.0, f64::max);
        let median = median(&self.rounds);
        write!(
            f,
            "  gone everywhere with its rooms after {median:.0} ms, at most {longest:.0} ms ({:.0} rooms left)",
            as_f64(rooms * u64::from(nodes.saturating_sub(1)))
        )
    }
}
