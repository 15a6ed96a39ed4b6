//! The defaults of the settings that have one in the code; the sample file and the documentation follow these.

use std::num::NonZeroUsize;
use std::time::Duration;

use cluster_transport::proto::Lane;
use cluster_transport::proto::lanes::LaneSettings;

use crate::engine::state;

/// The name of a cluster that is given none.
pub const DEFAULT_CLUSTER_NAME: &str = "kuzzle";
/// Where a node without TLS listens if it is given no binding.
pub const DEFAULT_PLAINTEXT_BINDING: &str = "tcp://127.0.0.1:7511";
/// Where a node with TLS listens if it is given no binding.
pub const DEFAULT_TLS_BINDING: &str = "tcp://[_site_:ipv4]:7511";
/// The port of `bindings.pub` and `bind` where they name none.
pub const DEFAULT_PUB_PORT: u16 = 7511;
/// The port of `bindings.router` where it names none.
pub const DEFAULT_ROUTER_PORT: u16 = 7510;
/// The port on which clients are served.
pub const DEFAULT_SERVER_PORT: u16 = 7512;
/// The host on which clients are served.
pub const DEFAULT_SERVER_HOST: &str = "127.0.0.1";
/// How many clients may be connected by WebSocket.
pub const DEFAULT_SERVER_CLIENTS: usize = 50_000;
/// How many plain HTTP connections may be open.
pub const DEFAULT_SERVER_PLAIN_CONNECTIONS: usize = 1_000;
/// How many requests of all clients may be under way.
pub const DEFAULT_SERVER_REQUESTS: usize = 10_000;
/// How many subscriptions a client may have.
pub const DEFAULT_SERVER_SUBSCRIPTIONS_PER_CLIENT: usize = 10_000;
/// How many rooms the clients of a node may be in.
pub const DEFAULT_SERVER_ROOMS: usize = 1_000_000;
/// How many bytes may wait for a client.
pub const DEFAULT_SERVER_OUTGOING_BYTES: usize = 8 * 1024 * 1024;
/// How many bytes may wait for all clients together.
pub const DEFAULT_SERVER_OUTGOING_BYTES_TOTAL: usize = 256 * 1024 * 1024;
/// How many nodes make a quorum.
pub const DEFAULT_MINIMUM_NODES: NonZeroUsize = NonZeroUsize::MIN;
/// How many attempts to join are made at their short interval.
pub const DEFAULT_RETRY_JOIN: u32 = 30;
/// How long a member may take to answer while others are looked for.
pub const DEFAULT_DISCOVER_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause between two attempts to join.
pub const DEFAULT_JOIN_ATTEMPT_INTERVAL: Duration = Duration::from_secs(1);
/// The pause between two heartbeats.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_millis(500);
/// How long an unknown room is waited for.
pub const DEFAULT_WAIT_FOR_MISSING_ROOMS: Duration = Duration::from_millis(500);
/// How long a member that does not catch up may hold back readiness.
pub const DEFAULT_READY_WAIT: Duration = Duration::from_secs(10);
/// How long a handshake may take.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest trace, in bytes.
pub const DEFAULT_TRACE_BYTES: u64 = 64 * 1024 * 1024;
/// The longest message, in bytes.
pub const DEFAULT_MAX_MESSAGE_BYTES: u32 = LaneSettings::DEFAULT_MAX_MESSAGE;
/// How many bytes of unfinished messages are kept for a member.
pub const DEFAULT_REASSEMBLY_BYTES: usize = LaneSettings::DEFAULT_REASSEMBLY;
/// How many requests may be under way to a member, and from it.
pub const DEFAULT_REQUESTS_IN_FLIGHT: usize = LaneSettings::DEFAULT_MAX_REQUESTS;
/// How many unacknowledged bytes are kept for a member, on each lane that sheds.
pub const DEFAULT_RING_BYTES: usize = LaneSettings::DEFAULT_RING;
/// How long something may wait for a member on a lane that sheds.
pub const DEFAULT_RING_AGE: Duration = LaneSettings::DEFAULT_RING_AGE;
/// How many unacknowledged bytes are kept for all members together.
pub const DEFAULT_RING_BYTES_TOTAL: usize = LaneSettings::DEFAULT_RING_TOTAL;
/// How many bytes of state may be on their way to a member.
pub const DEFAULT_STATE_WINDOW: u32 = window(Lane::State);
/// How many bytes of events may be on their way to a member.
pub const DEFAULT_EVENTS_WINDOW: u32 = window(Lane::Events);
/// How many bytes of requests and replies may be on their way to a member.
pub const DEFAULT_REQUESTS_WINDOW: u32 = window(Lane::Requests);
/// How many bytes of notifications may be on their way to a member.
pub const DEFAULT_NOTIFICATIONS_WINDOW: u32 = window(Lane::Notifications);
/// How many rooms a member may have.
pub const DEFAULT_ROOMS_PER_MEMBER: usize = state::DEFAULT_MAX_ROOMS;
/// How many bytes of state a member may have.
pub const DEFAULT_STATE_BYTES_PER_MEMBER: usize = state::DEFAULT_MAX_BYTES;

#[expect(clippy::indexing_slicing, reason = "a lane's number is below the length of the array")]
const fn window(lane: Lane) -> u32 {
    LaneSettings::DEFAULT_WINDOWS[lane.number() as usize]
}
