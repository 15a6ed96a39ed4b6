//! What a member knows, as a value that can be shown: its own truth, each peer's claim, and whether they agree.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cluster_transport::endpoint::SessionHandle;
use cluster_transport::proto::{Address, Instant, Lane, NodeId};
use serde::Serialize;

use super::certificates::TlsStatus;
use super::discovery::ProviderStatus;
use super::inner::Inner;
use super::keeping::KeeperStatus;
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
    /// How many rooms all nodes have together.
    pub rooms: usize,
    /// How many registers there are, removed ones included.
    pub registers: usize,
    /// The keeper of registers outside the members, if there is one.
    pub keeper: Option<KeeperStatus>,
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
    /// Messages of members that broke the protocol.
    pub faults: u64,
    /// Events that a slow host did not get.
    pub host_events_dropped: u64,
    /// Passes over an owner's state that were served to others.
    pub passes_served: u64,
    /// Differences of hashes that were found under equal versions.
    pub hash_mismatches: u64,
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
    /// Where it can be dialled.
    pub addresses: Vec<String>,
    /// What carries its session.
    pub transport: Option<String>,
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
    /// How far it is behind, by lane.
    pub lag: BTreeMap<String, LaneStatus>,
}

/// How far a member is behind on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneStatus {
    /// Bytes that wait to be sent.
    pub unsent_bytes: usize,
    /// Bytes that were sent and not acknowledged.
    pub unacknowledged_bytes: usize,
    /// Messages that wait to be sent.
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
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    inner.read(|engine| {
        let (state, members) = (engine.state(), engine.members());
        Status {
            cluster: inner.cluster_name().to_string(),
            node: inner.node().to_string(),
            incarnation: engine.incarnation().to_string(),
            ready: members.is_ready(),
            reasons: members.reasons().iter().map(ToString::to_string).collect(),
            failure: inner.failure(),
            minimum_nodes: inner.config().minimum_nodes().get(),
            converged: engine.is_converged(),
            bindings: bindings(inner.bound()),
            tls: inner.tls().map(|tls| inner.certificates.status(tls)),
            version: state.version(),
            hash: hex(state.hash()),
            rooms: state.rooms(),
            registers: engine.registers().len(),
            keeper: inner.keeping.status(),
            health: members.health(),
            members: members
                .members()
                .map(|(node, member)| {
                    let session = sessions.get(node).map(|peer| &*peer.session);
                    member_status(now, state, node, member, session)
                })
                .collect(),
            discovery: inner.providers.status(now),
            notifications_sent: load(&inner.counters.notifications_sent),
            notifications_avoided: load(&inner.counters.notifications_avoided),
            faults: load(&inner.counters.faults),
            host_events_dropped: inner.host_queue.dropped(),
            passes_served: state.counters().passes_served,
            hash_mismatches: state.counters().hash_mismatches,
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
        addresses: member.addresses().iter().map(ToString::to_string).collect(),
        transport: in_session.map(|session| session.link().transport.to_string()),
        dialled: in_session.map(SessionHandle::we_dialled),
        last_seen_ms: millis(now.since(member.last_heard())),
        claimed_version: claims.version,
        claimed_hash: hex(claims.hash),
        version,
        hash: hex(hash),
        agrees: version == claims.version && hash == claims.hash,
        held_for_ms: member.held_until().map(|until| millis(until.since(now))),
        degraded: member.is_degraded(),
        over_budget: state.is_over_budget(node),
        held_rooms,
        held_bytes,
        repair: state.counters_of(node).unwrap_or_default(),
        lag: session.map(|session| lags(now, session)).unwrap_or_default(),
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
