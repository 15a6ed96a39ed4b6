//! What a run has measured, and whether it holds: everything sent is received or announced as lost.

use std::fmt;

use serde_json::{Value, json};

use super::latency::{Latencies, Percentiles};
use super::sending::Sent;
use super::subscribing::{Tally, as_f64};
use super::usage::Usage;
use super::{BenchError, Plan, Transport, Work};

/// What the receiving side has seen.
#[derive(Clone, Debug)]
pub(super) enum Received {
    /// Of each subscriber.
    Messages(Vec<Tally>),
    /// Of all together.
    Requests { answered: u64 },
}

/// What a run has measured. As text it is for people; [`json`](Self::json) is for programs.
#[derive(Clone, Debug)]
pub struct Report {
    plan: Plan,
    sent: Sent,
    received: Received,
    usage: Usage,
}

impl Report {
    pub(super) fn new(plan: Plan, sent: Sent, received: Received, usage: Usage) -> Self {
        Self { plan, sent, received, usage }
    }

    /// Holds the two sides against each other.
    ///
    /// # Errors
    /// When a message is neither received nor announced, came twice or out of order, or a request had no reply.
    pub fn check(&self) -> Result<(), BenchError> {
        let Received::Messages(tallies) = &self.received else { return self.check_requests() };
        for (tally, (name, shed)) in tallies.iter().zip(&self.in_order_of_receivers()) {
            let (sent, received, lagged) = (self.sent.messages, tally.received, tally.lagged);
            if sent != received + lagged || lagged != *shed {
                return Err(BenchError::Unaccounted(format!(
                    "{sent} messages were sent to {name} and {shed} of them gave way; it received {received} and was told \
                     of {lagged}"
                )));
            }
            if tally.misplaced > 0 {
                let misplaced = tally.misplaced;
                return Err(BenchError::Unaccounted(format!(
                    "{misplaced} messages to {name} were not the next ones"
                )));
            }
        }
        Ok(())
    }

    fn check_requests(&self) -> Result<(), BenchError> {
        match &self.sent.failure {
            Some(why) => Err(BenchError::Unaccounted(format!(
                "{} of {} requests had no reply; the last: {why}",
                self.sent.failed, self.sent.messages
            ))),
            None => Ok(()),
        }
    }

    /// What was shed, by receivers in the order of their numbers.
    fn in_order_of_receivers(&self) -> Vec<(String, u64)> {
        let mut shed = self.sent.shed.clone();
        let number = |name: &str| name.rsplit('-').next().and_then(|number| number.parse::<u16>().ok());
        shed.sort_by_key(|(name, _)| number(name));
        shed
    }

    /// One object, with the keys that the peers' own programs print, meaning the same, and more.
    pub fn json(&self) -> Value {
        let Self { plan, sent, usage, .. } = self;
        let Percentiles { p50, p99, p999 } = self.latency().unwrap_or_default();
        let (waiting, in_flight, awaiting) = match plan.work {
            Work::Publish { waiting } => (json!(waiting), Value::Null, Value::Null),
            Work::Request { in_flight, awaiting } => (Value::Null, json!(in_flight), json!(awaiting)),
        };
        let one_process = plan.transport == Transport::Memory;
        let receiver = if one_process { Value::Null } else { json!(usage) };
        json!({
            "peer": "cluster-node", "work": plan.name(), "size": plan.size, "subs": plan.peers,
            "value": self.value(), "unit": self.unit(), "sent": sent.messages, "lost": self.lost(),
            "p50": p50, "p99": p99, "p999": p999, "mb_per_s": round(self.megabytes()), "per_second": self.rate().round(),
            "received": self.received(), "lagged": self.lagged(), "accounted": self.check().is_ok(),
            "transport": plan.transport.to_string(), "tls": if plan.tls { "mutual" } else { "none" },
            "waiting": waiting, "in_flight": in_flight, "awaiting": awaiting, "seconds": sent.seconds,
            "sender": sent.usage, "receiver": receiver,
        })
    }

    /// The figure that stands for the run.
    fn value(&self) -> f64 {
        match self.plan.work {
            Work::Request { in_flight: 1, .. } => self.latency().unwrap_or_default().p50,
            _ => self.rate().round(),
        }
    }

    fn unit(&self) -> String {
        match self.plan.work {
            Work::Publish { .. } => "msg/s at the slowest subscriber".to_owned(),
            Work::Request { in_flight: 1, .. } => "us p50".to_owned(),
            Work::Request { in_flight, .. } => format!("req/s, {in_flight} in flight"),
        }
    }

    /// Messages a second at the slowest subscriber, or replies a second.
    fn rate(&self) -> f64 {
        match &self.received {
            Received::Messages(tallies) => tallies.iter().map(Tally::rate).fold(f64::INFINITY, f64::min),
            Received::Requests { .. } if self.sent.seconds > 0.0 => {
                as_f64(self.sent.messages - self.sent.failed) / self.sent.seconds
            }
            Received::Requests { .. } => 0.0,
        }
    }

    fn megabytes(&self) -> f64 {
        let size = u64::try_from(self.plan.size).unwrap_or(u64::MAX);
        self.rate() * as_f64(size) / 1e6
    }

    fn latency(&self) -> Option<Percentiles> {
        let Received::Messages(tallies) = &self.received else { return self.sent.latency };
        let mut all = Latencies::default();
        tallies.iter().for_each(|tally| all.add(&tally.latencies));
        all.percentiles()
    }

    fn received(&self) -> u64 {
        match &self.received {
            Received::Messages(tallies) => tallies.iter().map(|tally| tally.received).sum(),
            Received::Requests { answered } => *answered,
        }
    }

    fn lost(&self) -> u64 {
        match &self.received {
            Received::Messages(tallies) => {
                tallies.iter().map(|tally| self.sent.messages.saturating_sub(tally.received)).sum()
            }
            Received::Requests { .. } => self.sent.failed,
        }
    }

    fn lagged(&self) -> u64 {
        match &self.received {
            Received::Messages(tallies) => tallies.iter().map(|tally| tally.lagged).sum(),
            Received::Requests { .. } => 0,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { work, transport, tls, size, peers, .. } = &self.plan;
        let security = if *tls { "mutual TLS" } else { "plaintext" };
        let what = match work {
            Work::Publish { waiting: true } => "published, waiting for room",
            Work::Publish { waiting: false } => "published, the oldest give way",
            Work::Request { .. } => "requests and replies",
        };
        writeln!(
            f,
            "{size} bytes to {peers} over {transport}, {security}: {what}, for {:.1} s",
            self.sent.seconds
        )?;
        writeln!(f, "  rate      {:.0} {} ({:.1} MB/s)", self.rate(), self.rate_unit(), self.megabytes())?;
        if let Some(Percentiles { p50, p99, p999 }) = self.latency() {
            writeln!(f, "  latency   p50 {p50} µs, p99 {p99} µs, p99.9 {p999} µs")?;
        }
        let (sent, received, lost) = (self.sent.messages, self.received(), self.lost());
        writeln!(
            f,
            "  messages  {sent} sent, {received} received, {lost} lost, {} announced",
            self.lagged()
        )?;
        if *transport == Transport::Memory {
            return write!(f, "  both      {}", self.sent.usage);
        }
        writeln!(f, "  sender    {}", self.sent.usage)?;
        write!(f, "  receiver  {}", self.usage)
    }
}

impl Report {
    fn rate_unit(&self) -> String {
        match self.plan.work {
            Work::Publish { .. } => self.unit(),
            Work::Request { in_flight, .. } => format!("req/s, {in_flight} in flight"),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = as_f64(self.peak_bytes) / f64::from(1 << 20);
        write!(f, "{:.2} s of processor time, {mebibytes:.1} MiB at most", self.cpu_seconds)
    }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
