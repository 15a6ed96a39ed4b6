//! The figures for a monitoring system, read from the status when they are asked for. docs/METRICS.md lists them.
//!
//! Labels are bounded: lanes, rungs and providers are few, and of the peers the first [`METRIC_PEERS`] have figures.

mod peers;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use axum::http::HeaderValue;
use cluster_core::runtime::{Cluster, Defence, Status};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::{Registry, Unit};

use crate::load::{self, Figure, FigureSamples, Loaded};
use writer::{Samples, Writer};

/// How many peers have figures of their own, in the order of their ids; `cluster_peers_omitted` counts the others.
pub const METRIC_PEERS: usize = 256;

/// In which form the figures are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    OpenMetrics,
    Prometheus,
}

impl Format {
    /// What a scraper accepts; whoever does not ask for OpenMetrics gets the older text.
    pub(crate) fn accepted(accept: Option<&HeaderValue>) -> Self {
        let accept = accept.and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The figures of a member.
#[derive(Debug)]
pub(crate) struct Metrics(Mutex<Registry>);

impl Metrics {
    pub(crate) fn new(cluster: Cluster, load: Loaded) -> Self {
        let mut registry = Registry::with_prefix("cluster");
        registry.register_collector(Box::new(Figures(cluster, load)));
        Self(Mutex::new(registry))
    }

    pub(crate) fn encode(&self, format: Format) -> Result<String, fmt::Error> {
        let mut page = String::new();
        let registry = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match format {
            Format::OpenMetrics => text::encode(&mut page, &registry)?,
            Format::Prometheus => prometheus_text::encode(&mut page, &registry)?,
        }
        Ok(page)
    }
}

#[derive(Debug)]
struct Figures(Cluster, Loaded);

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let status = self.0.status();
        let mut writer = Writer::new(encoder);
        own(&mut writer, &status)?;
        certificate(&mut writer, &status)?;
        trace(&mut writer, &status)?;
        traffic(&mut writer, &status)?;
        discovery(&mut writer, &status)?;
        host(&mut writer, &self.1)?;
        peers::write(&mut writer, &status)
    }
}

/// What this node says of itself.
fn own(writer: &mut Writer<'_>, status: &Status) -> fmt::Result {
    writer.info("build", "The software", &[("version", status.software)])?;
    writer.gauge("ready", "Whether this node serves clients", None, one(flag(status.ready)))?;
    writer.gauge("nodes", "Members, this node included", None, one(count(status.members.len() + 1)))?;
    let minimum = one(count(status.minimum_nodes));
    writer.gauge("minimum_nodes", "Nodes needed to be ready, this one included", None, minimum)?;
    let uptime = one(seconds(status.uptime_ms));
    writer.gauge("uptime", "For how long this member has been running", Some(Unit::Seconds), uptime)?;
    let converged = one(flag(status.converged));
    writer.gauge("converged", "Whether all members hold the same state", None, converged)?;
    let differs = one(status.differs_for_ms.map_or(0.0, seconds));
    let help = "For how long the view of some member has differed from this node's";
    writer.gauge("divergence", help, Some(Unit::Seconds), differs)?;
    let help = "How late this node's own timers are: 1 is well, 4 is the worst";
    writer.gauge("lateness", help, None, one(f64::from(status.health)))?;
    writer.gauge("rooms", "Rooms of all nodes", None, one(count(status.rooms)))?;
    let help = "Subscriptions of all nodes: a connection counts once in each of its rooms";
    writer.gauge("subscriptions", help, None, one(large(status.subscriptions)))?;
    let help = "Those of these that are of clients on nodes that drain, and are about to be elsewhere";
    writer.gauge("moving_subscriptions", help, None, one(large(status.moving)))?;
    let help = "Removals of own rooms kept for members that have not applied them";
    writer.gauge("tombstones", help, None, one(count(status.tombstones)))?;
    writer.gauge("state_version", "Changes of this node's own state", None, one(large(status.version)))
}

/// The certificate that this node shows; nothing without TLS.
fn certificate(writer: &mut Writer<'_>, status: &Status) -> fmt::Result {
    let Some(tls) = &status.tls else { return Ok(()) };
    let days = one(whole(tls.days_to_expiry) * 86_400.0);
    let help = "Until this node's certificate expires, in whole days; negative once it has";
    writer.gauge("certificate_remaining", help, Some(Unit::Seconds), days)?;
    let help = "Whether the certificate's files as they are now cannot be put into force";
    writer.gauge("certificate_refused", help, None, one(flag(tls.refused.is_some())))?;
    writer.counter("certificate_reloads", "How often new files were put into force", one(tls.reloads))
}

/// The trace of this node's inputs; nothing if none was wanted.
fn trace(writer: &mut Writer<'_>, status: &Status) -> fmt::Result {
    let Some(trace) = &status.trace else { return Ok(()) };
    let help = "Whether the trace of this node's inputs is still written";
    writer.gauge("trace_running", help, None, one(flag(trace.ended.is_none())))?;
    let help = "How long the file of the trace is";
    writer.gauge("trace_size", help, Some(Unit::Bytes), one(large(trace.bytes)))
}

/// What went through.
fn traffic(writer: &mut Writer<'_>, status: &Status) -> fmt::Result {
    let help = "Notifications handed to the lanes of members";
    writer.counter("notifications_sent", help, one(status.notifications_sent))?;
    let help = "Notifications that a member did not need";
    writer.counter("notifications_avoided", help, one(status.notifications_avoided))?;
    let help = "Notifications of members that the host was given";
    writer.counter("notifications_received", help, one(status.notifications_received))?;
    writer.counter("faults", "Messages of members that broke the protocol", one(status.faults))?;
    defence(writer, &status.defence)?;
    let help = "Events that a slow host did not get";
    writer.counter("host_events_dropped", help, one(status.host_events_dropped))?;
    let decisions = status.activity.last().map_or(0, |change| change.number);
    writer.counter("decisions", "Changes of membership and readiness", one(decisions))?;
    let rungs = serde_json::to_value(status.repairs).unwrap_or_default();
    let rungs = rungs.as_object().into_iter().flatten();
    let rungs = rungs.map(|(rung, times)| (vec![("rung", snake(rung))], times.as_u64().unwrap_or(0)));
    writer.counter("repairs", "How often each rung of replication and repair was stepped on", rungs.collect())
}

/// What was done against strangers and rule-breakers.
fn defence(writer: &mut Writer<'_>, defence: &Defence) -> fmt::Result {
    let by_reason = |counts: &BTreeMap<&'static str, u64>| {
        counts.iter().map(|(reason, times)| (vec![("reason", (*reason).to_owned())], *times)).collect()
    };
    let help = "Who dialled this node and got no session";
    writer.counter("turned_away", help, by_reason(&defence.turned_away))?;
    writer.counter(
        "sessions_closed",
        "Sessions that this node closed",
        by_reason(&defence.sessions_closed),
    )?;
    let help = "Frames of unknown kinds that were skipped";
    writer.counter("frames_skipped", help, one(defence.frames_skipped))?;
    let help = "Requests of members that were refused because they had too many under way";
    writer.counter("requests_refused", help, one(defence.requests_refused))?;
    let help = "How often this node did not believe that it had been superseded";
    writer.counter("disbelieved", help, one(defence.disbelieved))?;
    let help = "Datagrams that cannot be QUIC and came to where it is listened for";
    writer.counter("strange_datagrams", help, one(defence.strange_datagrams))
}

fn discovery(writer: &mut Writer<'_>, status: &Status) -> fmt::Result {
    let label = |name: &String| vec![("provider", name.clone())];
    let up = status.discovery.iter().map(|it| (label(&it.provider), flag(it.answers == Some(true))));
    writer.gauge("provider_up", "Whether a provider of addresses answered last", None, up.collect())?;
    let known = status.discovery.iter().map(|it| (label(&it.provider), count(it.addresses)));
    writer.gauge("provider_addresses", "Addresses that a provider knew last", None, known.collect())
}

/// What the host says of its load.
fn host(writer: &mut Writer<'_>, load: &Loaded) -> fmt::Result {
    let overloaded = one(flag(!load::overloaded(load).is_empty()));
    writer.gauge("overloaded", "Whether the host has too much to do", None, overloaded)?;
    for Figure { name, help, samples } in load.iter().flat_map(|load| load.figures()) {
        match samples {
            FigureSamples::Gauge(value) => writer.gauge(name, help, None, one(value))?,
            FigureSamples::Counter(counts) => {
                let labels = |reason: Option<&str>| {
                    reason.map(|reason| ("reason", reason.to_owned())).into_iter().collect()
                };
                let samples = counts.into_iter().map(|(reason, times)| (labels(reason), times)).collect();
                writer.counter(name, help, samples)?;
            }
        }
    }
    Ok(())
}

/// A figure without labels.
fn one<T>(value: T) -> Samples<T> {
    vec![(Vec::new(), value)]
}

fn flag(is_set: bool) -> f64 {
    if is_set { 1.0 } else { 0.0 }
}

fn count(count: usize) -> f64 {
    large(u64::try_from(count).unwrap_or(u64::MAX))
}

/// Exact up to 2^53, as every figure of a monitoring system.
#[expect(clippy::cast_precision_loss, reason = "the other side computes with floats too")]
fn large(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "as above")]
fn whole(count: i64) -> f64 {
    count as f64
}

fn seconds(ms: u64) -> f64 {
    large(ms) / 1_000.0
}

fn snake(camel: &str) -> String {
    let letter = |letter: char| match letter {
        upper if upper.is_ascii_uppercase() => format!("_{}", upper.to_ascii_lowercase()),
        lower => lower.to_string(),
    };
    camel.chars().map(letter).collect()
}
