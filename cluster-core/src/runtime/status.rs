//! What a member knows, as a value that can be shown: its own truth, each peer's claim, and whether they agree.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use cluster_transport::endpoint::SessionHandle;
use cluster_transport::proto::{Address, Instant, Lane, NodeId, PeerIdentity};
use cluster_transport::tls::days_until;
use serde::Serialize;

use super::activity::{self, Activity};
use super::certificates::TlsStatus;
use super::defence::Defence;
use super::discovery::ProviderStatus;
use super::inner::Inner;
use super::keeping::KeeperStatus;
use super::probe::Sample;
use super::reasons;
use super::trace::{Trace, TraceStatus};
use crate::config::BindingName;
use crate::engine::members::Member;
use crate::engine::state::{State, StateCounters};

/// What a member knows of itself and its peers. Versions count changes; hashes are 32 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The cluster.
    pub cluster: String,
    /// This node.
    pub node: String,
    /// Which life of it.
    pub incarnation: String,
    /// The version of this software.
    pub software: &'static str,
    /// For how long it has been running, in milliseconds.
    pub uptime_ms: u64,
    /// Whether it serves clients.
    pub ready: bool,
    /// Why it does not.
    pub reasons: Vec<String>,
    /// Why it has ended, if a task failed.
    pub failure: Option<String>,
    /// How many nodes are needed, this one included.
    pub minimum_nodes: usize,
    /// Whether all members hold the same state, as far as it has heard.
    pub converged: bool,
    /// Where it listens, by the name of the binding. A binding for QUIC has a second line with `+tcp` behind its name.
    pub bindings: BTreeMap<String, String>,
    /// Its certificate; nothing without TLS.
    pub tls: Option<TlsStatus>,
    /// The version of its own state.
    pub version: u64,
    /// The hash of its own state.
    pub hash: String,
    /// For how long the view of some member has differed from this node's, in milliseconds.
    pub differs_for_ms: Option<u64>,
    /// How many rooms all nodes have together.
    pub rooms: usize,
    /// How many subscriptions all nodes have together: a connection counts once in each of its rooms.
    pub subscriptions: u64,
    /// How many of these are of clients on nodes that drain.
    pub moving: u64,
    /// How many removals of own rooms are kept for members that have not applied them.
    pub tombstones: usize,
    /// How many registers there are, removed ones included.
    pub registers: usize,
    /// How many of these were removed.
    pub register_tombstones: usize,
    /// The keeper of registers outside the members, if there is one.
    pub keeper: Option<KeeperStatus>,
    /// The trace of this node's inputs, if one was wanted.
    pub trace: Option<TraceStatus>,
    /// Its own lateness: 1 is well, 4 is the worst.
    pub health: u32,
    /// The other members, sorted by node.
    pub members: Vec<MemberStatus>,
    /// The providers of addresses, in the order in which they were given.
    pub discovery: Vec<ProviderStatus>,
    /// Notifications handed to the lanes of members.
    pub notifications_sent: u64,
    /// Notifications that a member did not need.
    pub notifications_avoided: u64,
    /// Notifications of members that the host was given.
    pub notifications_received: u64,
    /// Messages of members that broke the protocol.
    pub faults: u64,
    /// What was done against strangers, and against members that broke the rules.
    pub defence: Defence,
    /// Events that a slow host did not get.
    pub host_events_dropped: u64,
    /// Passes over an owner's state that were served to others.
    pub passes_served: u64,
    /// Differences of hashes that were found under equal versions.
    pub hash_mismatches: u64,
    /// How often each rung of repair was stepped on, with all members together.
    pub repairs: StateCounters,
    /// The last changes in the membership, oldest first, at most [`SHOWN_ACTIVITY`](super::SHOWN_ACTIVITY).
    pub activity: Vec<Activity>,
}

/// What is known of one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// The node.
    pub node: String,
    /// Which life of it.
    pub incarnation: String,
    /// `connected`, `in doubt`, or `unreachable from here`.
    pub state: &'static str,
    /// Whether it says that it serves clients.
    pub ready: bool,
    /// Whether it says that it drains, so that its clients are about to be elsewhere.
    pub draining: bool,
    /// Why it is in doubt.
    pub doubt: Option<DoubtStatus>,
    /// Whether this node has caught up with it.
    pub caught_up: bool,
    /// Where it can be dialled.
    pub addresses: Vec<String>,
    /// What carries its session.
    pub transport: Option<String>,
    /// Whether a session over QUIC has the connection beside it that tells at once of a killed process.
    pub life_line: bool,
    /// Whether the session is encrypted.
    pub tls: Option<bool>,
    /// Whole days until the certificate that it has shown ends, negative once it has; nothing without TLS.
    pub certificate_days: Option<i64>,
    /// Which version of the protocol the session speaks.
    pub protocol: Option<u16>,
    /// How long a round trip took when it was last measured, in microseconds.
    pub round_trip_us: Option<u64>,
    /// Its wall clock less ours, in milliseconds, give or take half a round trip. Nothing is decided by it.
    pub clock_skew_ms: Option<i64>,
    /// Whether this node dialled.
    pub dialled: Option<bool>,
    /// How long the last byte from it is ago, in milliseconds.
    pub last_seen_ms: u64,
    /// The version of its state, as it says.
    pub claimed_version: u64,
    /// The hash of its state, as it says.
    pub claimed_hash: String,
    /// Up to which version its state is here.
    pub version: u64,
    /// The hash of what is here.
    pub hash: String,
    /// How many changes of its state have not come here.
    pub behind: u64,
    /// Whether what is here is what it says.
    pub agrees: bool,
    /// For how long verdicts about it are still suspended, in milliseconds, if they are.
    pub held_for_ms: Option<u64>,
    /// Whether it did not let this node catch up in time.
    pub degraded: bool,
    /// Whether it holds more than one member may, so that its state is not taken any further.
    pub over_budget: bool,
    /// How many of its rooms are here.
    pub held_rooms: usize,
    /// The memory that these rooms take, in bytes.
    pub held_bytes: usize,
    /// How often each rung of repair was stepped on with it, since it joined.
    pub repair: StateCounters,
    /// Notifications that were for it, since it joined.
    pub notifications_sent: u64,
    /// Notifications that it did not need, since it joined.
    pub notifications_avoided: u64,
    /// How far it is behind, by lane.
    pub lag: BTreeMap<String, LaneStatus>,
}

/// A doubt about a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DoubtStatus {
    /// Why it began.
    pub cause: String,
    /// For how long it has been running, in milliseconds.
    pub for_ms: u64,
}

/// How far a member is behind on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneStatus {
    /// Bytes that wait to be sent.
    pub unsent_bytes: usize,
    /// Bytes that were sent and not acknowledged.
    pub unacknowledged_bytes: usize,
    /// Messages that wait to be sent, those in parts as their parts. Those that gave way count until the member is told of them.
    pub unsent_messages: u64,
    /// Messages that gave way, ever.
    pub shed: u64,
    /// For how long the oldest of what is not acknowledged has waited, at least; to a second, and only for events and
    /// notifications.
    pub oldest_ms: u64,
}

pub(super) fn of(inner: &Inner) -> Status {
    let now = inner.now();
    let sessions: BTreeMap<_, _> =
        inner.all_peers().into_iter().map(|peer| (peer.session.peer().clone(), peer)).collect();
    let published = inner.counters.published.load(Ordering::Relaxed);
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    // Before the engine's lock, which comes after that of the endpoint's machine.
    let defence = inner.defence();
    inner.read(|engine| {
        let (state, members) = (engine.state(), engine.members());
        Status {
            cluster: inner.cluster_name().to_string(),
            node: inner.node().to_string(),
            incarnation: engine.incarnation().to_string(),
            software: env!("CARGO_PKG_VERSION"),
            uptime_ms: millis(now.since_origin()),
            ready: members.is_ready(),
            reasons: reasons::of(inner, engine),
            failure: inner.failure(),
            minimum_nodes: inner.config().minimum_nodes().get(),
            converged: engine.is_converged(),
            bindings: bindings(inner.bound()),
            tls: inner.tls().map(|tls| inner.certificates.status(tls)),
            version: state.version(),
            hash: hex(state.hash()),
            differs_for_ms: members.differs_since().map(|since| millis(now.since(since))),
            rooms: state.rooms(),
            subscriptions: state.subscriptions(),
            moving: state.moving_subscriptions(),
            tombstones: state.tombstones(),
            registers: engine.registers().len(),
            register_tombstones: engine.registers().removed(),
            keeper: inner.keeping.status(),
            trace: inner.trace.as_ref().map(Trace::status),
            health: members.health(),
            members: members
                .members()
                .map(|(node, member)| {
                    let peer = sessions.get(node);
                    let session = peer.map(|peer| &*peer.session);
                    let sample = session.and_then(|session| inner.probes.sample(node, session.id()));
                    let interest = peer.map(|peer| peer.interest(published)).unwrap_or_default();
                    member_status(now, state, node, member, session).with(sample, interest)
                })
                .collect(),
            discovery: inner.providers.status(now),
            notifications_sent: load(&inner.counters.notifications_sent),
            notifications_avoided: load(&inner.counters.notifications_avoided),
            notifications_received: load(&inner.counters.notifications_received),
            faults: load(&inner.counters.faults),
            defence,
            host_events_dropped: inner.host_queue.dropped(),
            passes_served: state.counters().passes_served,
            hash_mismatches: state.counters().hash_mismatches,
            repairs: state.counters(),
            activity: activity::last(engine, now),
        }
    })
}

/// Each binding under its name; what is bound beside QUIC with the scheme, as `bind+tcp`.
fn bindings(bound: &[(BindingName, Address)]) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for (name, at) in bound {
        let first = !shown.contains_key(name.as_str());
        let name = if first { name.to_string() } else { format!("{name}+{}", at.scheme().as_str()) };
        shown.insert(name, at.to_string());
    }
    shown
}

fn member_status(
    now: Instant,
    state: &State,
    node: &NodeId,
    member: &Member,
    session: Option<&SessionHandle>,
) -> MemberStatus {
    let claims = member.claims();
    let (version, hash) = state.replica(node).map_or((0, 0), |view| (view.version, view.hash));
    let (held_rooms, held_bytes) = state.usage(node).unwrap_or_default();
    let in_session = session.filter(|session| Some(session.id()) == member.session());
    MemberStatus {
        node: node.to_string(),
        incarnation: member.incarnation().to_string(),
        state: match () {
            () if member.is_unreachable_from_here() => "unreachable from here",
            () if member.is_doubted() || member.session().is_none() => "in doubt",
            () => "connected",
        },
        ready: claims.ready,
        draining: member.drains(),
        doubt: member
            .doubt()
            .map(|(cause, began)| DoubtStatus { cause: cause.to_string(), for_ms: millis(now.since(began)) }),
        caught_up: member.is_caught_up(),
        addresses: member.addresses().iter().map(ToString::to_string).collect(),
        transport: in_session.map(|session| session.link().transport.to_string()),
        life_line: in_session.is_some_and(SessionHandle::has_life_line),
        tls: in_session.map(|session| session.link().identity != PeerIdentity::Plaintext),
        certificate_days: in_session
            .and_then(|session| session.link().certificate_end)
            .map(|end| days_until(end, SystemTime::now())),
        protocol: in_session.map(SessionHandle::version),
        round_trip_us: None,
        clock_skew_ms: None,
        dialled: in_session.map(SessionHandle::we_dialled),
        last_seen_ms: millis(now.since(member.last_heard())),
        claimed_version: claims.version,
        claimed_hash: hex(claims.hash),
        version,
        hash: hex(hash),
        behind: claims.version.saturating_sub(version),
        agrees: version == claims.version && hash == claims.hash,
        held_for_ms: member.held_until().map(|until| millis(until.since(now))),
        degraded: member.is_degraded(),
        over_budget: state.is_over_budget(node),
        held_rooms,
        held_bytes,
        repair: state.counters_of(node).unwrap_or_default(),
        notifications_sent: 0,
        notifications_avoided: 0,
        lag: session.map(|session| lags(now, session)).unwrap_or_default(),
    }
}

impl MemberStatus {
    fn with(self, sample: Option<Sample>, (sent, avoided): (u64, u64)) -> Self {
        let round_trip = sample.map(|sample| sample.round_trip.as_micros());
        Self {
            round_trip_us: round_trip.map(|micros| u64::try_from(micros).unwrap_or(u64::MAX)),
            clock_skew_ms: sample.map(|sample| sample.skew_ms),
            notifications_sent: sent,
            notifications_avoided: avoided,
            ..self
        }
    }
}

fn lags(now: Instant, session: &SessionHandle) -> BTreeMap<String, LaneStatus> {
    let lane = |lane: Lane| {
        let lag = session.lag(lane);
        let status = LaneStatus {
            unsent_bytes: lag.unsent_bytes,
            unacknowledged_bytes: lag.unacknowledged_bytes,
            unsent_messages: lag.unsent_messages,
            shed: lag.shed,
            oldest_ms: lag.oldest_since.map_or(0, |since| millis(now.since(since))),
        };
        (lane.to_string(), status)
    };
    Lane::ALL.into_iter().map(lane).collect()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn hex(hash: u128) -> String {
    format!("{hash:032x}")
}
