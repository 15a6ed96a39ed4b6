//! The table of all settings, and their defaults.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cluster_transport::binding::Binding;
use cluster_transport::proto::{Address, ClusterName, NodeId};

use super::defaults::*;
use super::dns::DnsName;
use super::error::ConfigError;
use super::kinds::{Amount, BindingOnPort, FilePath, Kind, List, OrNull, Parsed, PlaintextFlag, Token};
use super::layers::Given;
use super::redis::{RedisOptions, Tree};
use super::sources::Source;
use super::table::{self, Effective, Sourced, settings};
use super::trace_file::TraceFile;
use super::values::{AcceptedCommand, AdminToken, FilterSeed, OnMinority, Plaintext, ServerHost};
use super::{Config, ConfigBuilder};

/// Ranges, in the unit of the file. A frame is up to 64 KiB, so nothing that holds one can be smaller.
const FRAME: u64 = 64 * 1024;
const GIB: u64 = 1024 * 1024 * 1024;
/// The most clients that can be counted.
const MOST_CLIENTS: u64 = 1 << 28;
const HOUR_MS: u64 = 3_600_000;

#[expect(clippy::expect_used, reason = "the text is a constant and the tests make it")]
fn default_cluster_name() -> ClusterName {
    DEFAULT_CLUSTER_NAME.parse().expect("the default name is a DNS label")
}

#[expect(clippy::expect_used, reason = "the text is a constant and the tests make it")]
fn default_server_host() -> ServerHost {
    DEFAULT_SERVER_HOST.parse().expect("the default host is an IP address")
}

settings! {
    /// The port on which the node serves its clients; 0 asks the system for a free one. Default 7512.
    public server_port: u16 = DEFAULT_SERVER_PORT, "server.port", Amount(0..=65_535);

    /// The host on which the node serves its clients. Default `127.0.0.1`.
    public server_host: ServerHost = default_server_host(), "server.host", Parsed("a host name or an IP address");

    /// How many clients may be connected by WebSocket. Default 50,000; the next ones are refused.
    public server_clients: usize = DEFAULT_SERVER_CLIENTS, "server.limits.clients", Amount(1..=MOST_CLIENTS);

    /// How many plain HTTP connections may be open. Default 1,000; the one that has been idle for longest gives way, or else
    /// the one whose request's body is longest on its way.
    public server_plain_connections: usize = DEFAULT_SERVER_PLAIN_CONNECTIONS, "server.limits.plainConnections",
        Amount(1..=1_000_000);

    /// How many requests of all clients may be under way. Default 10,000; the next ones are refused.
    public server_requests: usize = DEFAULT_SERVER_REQUESTS, "server.limits.requests", Amount(1..=1_000_000);

    /// How many subscriptions a client may have. Default 10,000; the next ones are refused.
    public server_subscriptions_per_client: usize = DEFAULT_SERVER_SUBSCRIPTIONS_PER_CLIENT,
        "server.limits.subscriptionsPerClient", Amount(1..=100_000_000);

    /// How many rooms the clients of this node may be in. Default 1,000,000; the next ones are refused.
    public server_rooms: usize = DEFAULT_SERVER_ROOMS, "server.limits.rooms", Amount(1..=100_000_000);

    /// How many bytes may wait for a client. Default 8 MiB; then it has to go. Worst-case memory a client:
    /// that, one text that is longer, a request, and up to 34 KiB for writing.
    public server_outgoing_bytes: usize = DEFAULT_SERVER_OUTGOING_BYTES, "server.limits.outgoingBytes",
        Amount(FRAME..=GIB);

    /// How many bytes may wait for all clients together. Default 256 MiB; then those that take up most of it have to go. What a
    /// connection keeps for reading and writing is not counted: docs/SECURITY.md has what that may be.
    public server_outgoing_bytes_total: usize = DEFAULT_SERVER_OUTGOING_BYTES_TOTAL,
        "server.limits.outgoingBytesTotal", Amount(FRAME..=64 * GIB);

    /// The name of the cluster: nodes of different names refuse each other. Default `kuzzle`.
    public cluster_name: ClusterName = default_cluster_name(), "plugins.cluster.clusterName", Parsed("a DNS label");

    /// The id of this node, unique in its cluster. Default none: the one in the certificate, else a random one.
    public node_id: Option<NodeId> = None, "plugins.cluster.nodeId", OrNull(Parsed("a DNS label"));

    /// Where members reach this node. Default none: loopback without TLS, the site's address with it.
    derived bind_pub: Option<Binding> = None, "plugins.cluster.bindings.pub",
        OrNull(BindingOnPort(DEFAULT_PUB_PORT));

    /// A second place with the same protocol, not advertised. Default none.
    derived bind_router: Option<Binding> = None, "plugins.cluster.bindings.router",
        OrNull(BindingOnPort(DEFAULT_ROUTER_PORT));

    /// The one place where members reach this node, in place of the two bindings. Default none.
    derived bind: Option<Binding> = None, "plugins.cluster.bind", OrNull(BindingOnPort(DEFAULT_PUB_PORT));

    /// The addresses that others are told to dial, where they are not the ones that are bound. Default none.
    public advertise: Arc<[Address]> = Arc::default(), "plugins.cluster.advertise", List(Parsed("tcp://host:port or quic://host:port"));

    /// The addresses that are dialled to find the cluster; a name stands for all addresses that it has. Default none.
    public seeds: Arc<[Address]> = Arc::default(), "plugins.cluster.seeds", List(Parsed("tcp://host:port or quic://host:port"));

    /// The names in the DNS under which members are found. Default none.
    public dns: Arc<[DnsName]> = Arc::default(), "plugins.cluster.dns",
        List(Parsed("name, name:port, or _service._proto.name for SRV records"));

    /// The Redis through which others are found. Default none: the one of `services.internalCache`, if that is given.
    derived redis: Option<RedisOptions> = None, "plugins.cluster.redis", OrNull(Tree);

    /// How many nodes, this one included, must see each other before any of them is ready. Default 1.
    public minimum_nodes: NonZeroUsize = DEFAULT_MINIMUM_NODES, "plugins.cluster.minimumNodes", Amount(1..=10_000);

    /// What this node does below `minimumNodes`. Default: it goes on serving its own clients.
    public on_minority: OnMinority = OnMinority::ServeLocal, "plugins.cluster.onMinority",
        Parsed("serveLocal or stop");

    /// How many attempts to join are made at the join interval, before a warning and a slower pace. Default 30.
    public retry_join: u32 = DEFAULT_RETRY_JOIN, "plugins.cluster.retryJoin", Amount(0..=1_000_000);

    /// How long a member may take to answer while others are looked for. Default 3 s.
    public discover_timeout: Duration = DEFAULT_DISCOVER_TIMEOUT, "plugins.cluster.timers.discoverTimeout",
        Amount(10..=HOUR_MS);

    /// The pause between two attempts to join. Default 1 s.
    public join_attempt_interval: Duration = DEFAULT_JOIN_ATTEMPT_INTERVAL,
        "plugins.cluster.timers.joinAttemptInterval", Amount(10..=HOUR_MS);

    /// The pause between two heartbeats. A member is doubted after twice this, but not before 1.5 s. Default 500 ms.
    public heartbeat: Duration = DEFAULT_HEARTBEAT, "plugins.cluster.timers.heartbeat", Amount(50..=60_000);

    /// How long a room that is asked for and unknown is waited for, while something is on its way. Default 500 ms.
    public wait_for_missing_rooms: Duration = DEFAULT_WAIT_FOR_MISSING_ROOMS,
        "plugins.cluster.timers.waitForMissingRooms", Amount(0..=60_000);

    /// How long a member that does not catch up may hold back this node's readiness. Default 10 s.
    public ready_wait: Duration = DEFAULT_READY_WAIT, "plugins.cluster.timers.readyWait", Amount(0..=HOUR_MS);

    /// The file with this node's certificate chain, in PEM. Default none.
    derived tls_certificate: Option<PathBuf> = None, "plugins.cluster.tls.certificate", OrNull(FilePath);

    /// The file with the key of this node's certificate, in PEM. Default none.
    derived tls_key: Option<PathBuf> = None, "plugins.cluster.tls.key", OrNull(FilePath);

    /// The files with the certificates of the authorities that members are signed by, in PEM. Default none.
    derived tls_authorities: Arc<[PathBuf]> = Arc::default(), "plugins.cluster.tls.authorities", List(FilePath);

    /// Where a node without TLS may listen. Default: on loopback only.
    derived plaintext: Plaintext = Plaintext::LoopbackOnly, "plugins.cluster.tls.dangerousPlaintext",
        PlaintextFlag;

    /// The secret that the administrative routes ask for. Default none: they answer loopback only.
    public admin_token: Option<AdminToken> = None, "plugins.cluster.adminToken", OrNull(Token);

    /// The commands that this node takes from other members. Default all.
    public accepted_commands: Arc<[AcceptedCommand]> = AcceptedCommand::ALL.into(), "plugins.cluster.commands.accept",
        List(Parsed("one of dump, shutdown, blank and verify"));

    /// The seed of the room ids, equal on all nodes. Default none: it is derived from the cluster's name.
    derived filter_seed: Option<FilterSeed> = None, "plugins.cluster.filterSeed", OrNull(Parsed("a text"));

    /// The file that every input of this node is traced to, for `cluster-node trace`. Default none. It is as sensitive as the state:
    /// rooms, filters and registers are in it. What is there already is left as it is, and no trace is written then.
    public trace_file: Option<TraceFile> = None, "plugins.cluster.trace.file",
        OrNull(Parsed("the path of a file, in which {node} and {started} stand for what they say"));

    /// How many bytes the trace may have. Default 64 MiB; then it ends, and the node goes on.
    public trace_bytes: u64 = DEFAULT_TRACE_BYTES, "plugins.cluster.trace.maxBytes", Amount(FRAME..=1024 * GIB);

    /// How long a handshake may take, TLS included. Default 5 s.
    public handshake_timeout: Duration = DEFAULT_HANDSHAKE_TIMEOUT, "plugins.cluster.limits.handshakeTimeoutMs",
        Amount(100..=120_000);

    /// The longest message, in bytes. Default 64 MiB; one that is longer is refused at its announced size.
    derived max_message_bytes: u32 = DEFAULT_MAX_MESSAGE_BYTES, "plugins.cluster.limits.maxMessageBytes",
        Amount(FRAME..=GIB);

    /// How many bytes of unfinished messages are kept for a member. Default, and worst-case memory a member: 64 MiB.
    derived reassembly_bytes_per_member: usize = DEFAULT_REASSEMBLY_BYTES,
        "plugins.cluster.limits.reassemblyBytesPerMember", Amount(FRAME..=4 * GIB);

    /// How many requests may be under way to a member, and from it. Default 1,024.
    derived requests_in_flight: usize = DEFAULT_REQUESTS_IN_FLIGHT, "plugins.cluster.limits.requestsInFlight",
        Amount(1..=1_000_000);

    /// How many unacknowledged bytes are kept for a member on each lane that sheds. Default 16 MiB, on two lanes.
    derived ring_bytes: usize = DEFAULT_RING_BYTES, "plugins.cluster.limits.ringBytes", Amount(FRAME..=4 * GIB);

    /// How long an event or a notification may wait for a member. Default 30 s; what is older is shed, counted and told.
    derived ring_age: Duration = DEFAULT_RING_AGE, "plugins.cluster.limits.ringAgeMs", Amount(1_000..=3_600_000);

    /// How many unacknowledged bytes are kept for all members together. Default, and worst-case memory: 256 MiB, and beyond it the
    /// windows of members that all take nothing at the same time.
    derived ring_bytes_total: usize = DEFAULT_RING_BYTES_TOTAL, "plugins.cluster.limits.ringBytesTotal",
        Amount(FRAME..=64 * GIB);

    /// How many unacknowledged bytes of state a member may send to this node. Default 1 MiB.
    derived state_window_bytes: u32 = DEFAULT_STATE_WINDOW, "plugins.cluster.limits.windowBytes.state",
        Amount(FRAME..=GIB);

    /// How many unacknowledged bytes of events a member may send to this node. Default 1 MiB.
    derived events_window_bytes: u32 = DEFAULT_EVENTS_WINDOW, "plugins.cluster.limits.windowBytes.events",
        Amount(FRAME..=GIB);

    /// How many unacknowledged bytes of requests and replies a member may send to this node. Default 4 MiB.
    derived requests_window_bytes: u32 = DEFAULT_REQUESTS_WINDOW, "plugins.cluster.limits.windowBytes.requests",
        Amount(FRAME..=GIB);

    /// How many unacknowledged bytes of notifications a member may send to this node. Default 4 MiB.
    derived notifications_window_bytes: u32 = DEFAULT_NOTIFICATIONS_WINDOW,
        "plugins.cluster.limits.windowBytes.notifications", Amount(FRAME..=GIB);

    /// How many rooms a member may have before its state is read no further. Default 1,000,000.
    derived rooms_per_member: usize = DEFAULT_ROOMS_PER_MEMBER, "plugins.cluster.limits.roomsPerMember",
        Amount(1..=100_000_000);

    /// How many bytes of state a member may have. Default, and worst-case memory a member: 512 MiB.
    derived state_bytes_per_member: usize = DEFAULT_STATE_BYTES_PER_MEMBER,
        "plugins.cluster.limits.stateBytesPerMember", Amount(FRAME..=64 * GIB);

    /// The one server of the host's own Redis. Default none.
    derived cache_node: Option<RedisOptions> = None, "services.internalCache.node", OrNull(Tree);

    /// The nodes of the host's own Redis Cluster, in place of the one server. Default none.
    derived cache_nodes: Option<RedisOptions> = None, "services.internalCache.nodes", OrNull(Tree);

    /// The database in the host's own Redis. Default none: 0.
    derived cache_database: Option<u32> = None, "services.internalCache.database",
        OrNull(Amount(0..=u64::from(u32::MAX)));

    /// Options for each server of the host's own Redis. Default none.
    derived cache_options: Option<RedisOptions> = None, "services.internalCache.options", OrNull(Tree);

    /// Options of the host's own Redis Cluster, of which `redisOptions` is read. Default none.
    derived cache_cluster_options: Option<RedisOptions> = None, "services.internalCache.clusterOptions",
        OrNull(Tree);
}
