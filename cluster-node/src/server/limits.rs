//! What clients may cost.

use std::time::Duration;

use cluster_core::config::{self, Config};

/// The longest request by default, in bytes, over WebSocket and HTTP alike.
pub const DEFAULT_REQUEST_BYTES: usize = 1024 * 1024;

/// How many clients may be connected by default.
pub const DEFAULT_CONNECTIONS: usize = config::DEFAULT_SERVER_CLIENTS;

/// How many plain HTTP connections may be open by default.
pub const DEFAULT_PLAIN_CONNECTIONS: usize = config::DEFAULT_SERVER_PLAIN_CONNECTIONS;

/// How long a plain HTTP connection may be open by default.
pub const DEFAULT_PLAIN_FOR: Duration = Duration::from_secs(60);

/// How many bytes may wait for a client by default.
pub const DEFAULT_OUTGOING_BYTES: usize = config::DEFAULT_SERVER_OUTGOING_BYTES;

/// How long a client may be silent by default.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The limits of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    pub(super) request_bytes: usize,
    pub(super) connections: usize,
    pub(super) plain_connections: usize,
    pub(super) plain_for: Duration,
    pub(super) outgoing_bytes: usize,
    pub(super) idle_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            request_bytes: DEFAULT_REQUEST_BYTES,
            connections: DEFAULT_CONNECTIONS,
            plain_connections: DEFAULT_PLAIN_CONNECTIONS,
            plain_for: DEFAULT_PLAIN_FOR,
            outgoing_bytes: DEFAULT_OUTGOING_BYTES,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
        }
    }
}

impl ServerLimits {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        Self::default()
            .with_connections(config.server_clients())
            .with_plain_connections(config.server_plain_connections())
            .with_outgoing_bytes(config.server_outgoing_bytes())
    }

    /// The longest request, in bytes. Default [`DEFAULT_REQUEST_BYTES`].
    #[must_use]
    pub fn with_request_bytes(self, request_bytes: usize) -> Self {
        Self { request_bytes, ..self }
    }

    /// How many clients may be connected by WebSocket. Default [`DEFAULT_CONNECTIONS`].
    #[must_use]
    pub fn with_connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// How many connections that are not WebSockets may be open; then the one that has been idle for longest, or else has sent the
    /// body of a request for longest, gives way to the next one, which waits while all are answered. Default
    /// [`DEFAULT_PLAIN_CONNECTIONS`].
    #[must_use]
    pub fn with_plain_connections(self, plain_connections: usize) -> Self {
        Self { plain_connections, ..self }
    }

    /// How long a connection that is not a WebSocket may be open, idle or not; an answer that is under way then is still
    /// given. Default [`DEFAULT_PLAIN_FOR`].
    #[must_use]
    pub fn with_plain_for(self, plain_for: Duration) -> Self {
        Self { plain_for, ..self }
    }

    /// How many bytes may wait for a client, or be written to it, before it is told to go. Default [`DEFAULT_OUTGOING_BYTES`].
    /// Worst-case memory a client: that, one text that is longer than that, a request, and up to 34 KiB for writing, pongs included.
    #[must_use]
    pub fn with_outgoing_bytes(self, outgoing_bytes: usize) -> Self {
        Self { outgoing_bytes, ..self }
    }

    /// How long a client may send nothing, not even a ping, and how long it may read nothing of what is to be written to it,
    /// whatever it sends meanwhile. Default [`DEFAULT_IDLE_TIMEOUT`].
    #[must_use]
    pub fn with_idle_timeout(self, idle_timeout: Duration) -> Self {
        Self { idle_timeout, ..self }
    }
}
