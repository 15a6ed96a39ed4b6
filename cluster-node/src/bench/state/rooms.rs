//! Subscriptions of distinct connections to distinct rooms, from the first call until the hosts of all peers know the rooms.

use std::fmt;

use serde_json::{Value, json};

use super::super::BenchError;
use super::super::latency::Percentiles;
use super::super::subscribing::as_f64;
use super::crew::{Crew, Hand, check_equal, nobody, ready};
use super::figures::{median, round, rounds, seconds};
use super::orders::{Answer, Order, Rooms};
use super::plan::RoomsPlan;

/// How many subscriptions are made one at a time, beside all others.
const SINGLE: u64 = 200;

/// What subscriptions cost.
#[derive(Clone, Debug)]
pub struct Changes {
    plan: RoomsPlan,
    rounds: Vec<Round>,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    /// From the first call to the last one's return, in seconds.
    called: f64,
    /// From the first call until every peer has the rooms, in seconds.
    heard: f64,
    singly: Percentiles,
    /// What the subscribing process and the busiest peer spent on all of it, in seconds of processor time.
    cpu: [f64; 2],
}

/// Subscribes, in processes of their own for each round. The arguments are those with which this program becomes
/// [`serve_member`](super::serve_member).
///
/// # Errors
/// When a member cannot be started or breaks off, or a peer's hash is not the subscriber's in the end.
pub async fn rooms(plan: &RoomsPlan, arguments: &[&str]) -> Result<Changes, BenchError> {
    let what = format!("{} rooms, {} in a collection", plan.changes, plan.in_collection);
    let rounds = rounds(plan.rounds, &what, async || measure(plan, arguments).await).await?;
    Ok(Changes { plan: *plan, rounds })
}

async fn measure(plan: &RoomsPlan, arguments: &[&str]) -> Result<Round, BenchError> {
    let crew = Crew::new(plan.links, arguments)?;
    let mut hands = crew.form(1 + usize::from(plan.peers)).await?;
    let before = spent(&mut hands).await?;
    let RoomsPlan { changes: count, in_collection, filters, .. } = *plan;
    let all = Rooms { first: 0, count, in_collection, filters };
    let (subscriber, peers) = hands.split_first_mut().ok_or_else(nobody)?;
    let [began, called, heard] = subscriber.subscribe(all).await?;
    for peer in &mut *peers {
        check_equal(std::slice::from_mut(subscriber), peer).await?;
    }
    let after = spent(&mut hands).await?;
    let (subscriber, peers) = hands.split_first_mut().ok_or_else(nobody)?;
    let single = Rooms { first: count, count: SINGLE, ..all };
    let Answer::Singly(Some(singly)) = subscriber.ask(&Order::SubscribeSingly(single)).await? else {
        return Err(subscriber.misunderstood());
    };
    for peer in &mut *peers {
        check_equal(std::slice::from_mut(subscriber), peer).await?;
    }
    ready(&mut hands).await?;
    let costs: Vec<f64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    let (own, others) = costs.split_first().ok_or_else(nobody)?;
    let cpu = [*own, others.iter().copied().fold(0.0, f64::max)];
    Ok(Round { called: seconds(began, called), heard: seconds(began, heard), singly, cpu })
}

/// The processor time of each member up to now.
async fn spent(hands: &mut [Hand]) -> Result<Vec<f64>, BenchError> {
    let mut spent = Vec::new();
    for hand in hands {
        spent.push(hand.look().await?.footprint.usage.cpu_seconds);
    }
    Ok(spent)
}

impl Changes {
    fn of(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(&self.rounds.iter().map(figure).collect::<Vec<_>>())
    }

    fn rate(&self, seconds: impl Fn(&Round) -> f64) -> f64 {
        as_f64(self.plan.changes) / self.of(seconds)
    }

    /// One object; `value` is the median.
    pub fn json(&self) -> Value {
        let RoomsPlan { links, peers, changes, in_collection, filters, .. } = self.plan;
        let all: Vec<f64> = self.rounds.iter().map(|round| (as_f64(changes) / round.heard).round()).collect();
        json!({
            "peer": "cluster-node", "work": "rooms", "rooms_in_collection": in_collection, "changes": changes,
            "peers": peers, "filters": filters,
            "value": self.rate(|round| round.heard).round(), "unit": "changes/s until every peer's host knows",
            "rounds": all, "calls_per_second": self.rate(|round| round.called).round(),
            "heard_p50": self.of(|round| round.singly.p50), "heard_p99": self.of(|round| round.singly.p99),
            "subscriber_cpu_seconds": round(self.of(|round| round.cpu[0]), 3),
            "peer_cpu_seconds": round(self.of(|round| round.cpu[1]), 3),
            "transport": links.transport.to_string(), "tls": links.security(), "traced": links.traced, "accounted": true,
        })
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RoomsPlan { links, peers, changes, in_collection, filters, rounds } = self.plan;
        writeln!(
            f,
            "{changes} connections subscribe to a room each, {in_collection} in a collection, filters of {filters} bytes, \
             {peers} peers over {links}: medians of {rounds}"
        )?;
        let (rate, calls) = (self.rate(|round| round.heard), self.rate(|round| round.called));
        writeln!(f, "  rate      {rate:.0} changes/s until every peer's host knows; {calls:.0} calls/s")?;
        let (p50, p99) = (self.of(|round| round.singly.p50), self.of(|round| round.singly.p99));
        writeln!(f, "  heard     one at a time: p50 {p50} µs, p99 {p99} µs")?;
        let [own, other] = [0, 1].map(|i| self.of(|round| round.cpu.get(i).copied().unwrap_or_default()));
        write!(f, "  cost      {own:.2} s of processor time at the subscriber, {other:.2} s at a peer")
    }
}
