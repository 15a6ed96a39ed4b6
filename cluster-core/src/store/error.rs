//! Why Redis does not do what it is asked for, in words that name the remedy.

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::config::{RedisSettings, RedisTopology};

/// Redis cannot be reached, or does not do what it is asked for. The text names the server and, where one is known, the
/// remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing answers there: no address, no listener, no network, no byte within the deadline.
    #[error("{store} cannot be reached: {problem}")]
    Unreachable {
        /// The server.
        store: String,
        /// What was seen.
        problem: String,
    },
    /// It does not let this client in.
    #[error("{store} refuses the log-in: {problem}; check username and password where it is configured")]
    LogIn {
        /// The server.
        store: String,
        /// What it says.
        problem: String,
    },
    /// TLS does not come about.
    #[error("no TLS with {store}: {problem}")]
    Tls {
        /// The server.
        store: String,
        /// What is wrong.
        problem: String,
    },
    /// It is another kind of Redis than the configuration says.
    #[error("{store} is configured as {configured}, but {found}: {remedy}")]
    OtherKind {
        /// The server.
        store: String,
        /// What the configuration makes of it.
        configured: &'static str,
        /// What it shows itself to be.
        found: String,
        /// What to write instead.
        remedy: &'static str,
    },
    /// It is not able to serve just now, or refuses a command.
    #[error("{store} answers: {problem}")]
    Refused {
        /// The server.
        store: String,
        /// What it says.
        problem: String,
    },
}

/// Where the configuration says of what kind a Redis is.
const NAME_THE_NODES: &str = "list its nodes in plugins.cluster.redis or services.internalCache.nodes";
const NAME_ONE_SERVER: &str =
    "give one server, {\"host\": …, \"port\": …}, in plugins.cluster.redis or services.internalCache.node";

impl StoreError {
    pub(super) fn silent(settings: &RedisSettings, deadline: Duration) -> Self {
        Self::unreachable(settings, format!("no answer within {deadline:?}"))
    }

    /// Who expects TLS and is not offered it closes; who does not expect it goes on waiting.
    fn unreachable(settings: &RedisSettings, problem: String) -> Self {
        let hint = match settings.tls() {
            Some(_) if problem.contains("no answer") => {
                "; tls is configured: does it serve TLS at this port?"
            }
            None if problem.contains("reset") => "; if it wants TLS, configure tls",
            _ => "",
        };
        Self::Unreachable { store: settings.to_string(), problem: problem + hint }
    }

    pub(super) fn unreadable(settings: &RedisSettings, file: &Path, error: &io::Error) -> Self {
        let problem = format!("cannot read {}: {error}", file.display());
        Self::Tls { store: settings.to_string(), problem }
    }

    pub(super) fn of(settings: &RedisSettings, error: &RedisError) -> Self {
        let store = settings.to_string();
        let problem = plain(error);
        // A Redis Cluster's client wraps what a node said into a text.
        let says = |text: &str| problem.contains(text);
        if error.kind() == ErrorKind::AuthenticationFailed || LOG_IN.iter().any(|text| says(text)) {
            return Self::LogIn { store, problem };
        }
        if let Some(kind) = Self::other_kind(settings, error, &problem) {
            return kind;
        }
        if is_tls(error) || TLS.iter().any(|text| says(text)) {
            let remedy = TLS_REMEDIES.iter().find_map(|(text, remedy)| says(text).then_some(*remedy));
            let problem = format!("{problem}{}", remedy.unwrap_or_default());
            return Self::Tls { store, problem };
        }
        if error.is_io_error() || error.kind() == ErrorKind::ClusterConnectionNotFound {
            return Self::unreachable(settings, problem);
        }
        Self::Refused { store, problem }
    }

    fn other_kind(settings: &RedisSettings, error: &RedisError, problem: &str) -> Option<Self> {
        let store = settings.to_string();
        let (configured, found, remedy) = match settings.topology() {
            RedisTopology::Cluster(_) if problem.contains("cluster support disabled") => {
                ("a Redis Cluster", "it is a single server".to_owned(), NAME_ONE_SERVER)
            }
            RedisTopology::Single(_) | RedisTopology::Sentinel { .. } if is_of_cluster(error) => {
                ("a single server", format!("it is a node of a Redis Cluster ({problem})"), NAME_THE_NODES)
            }
            RedisTopology::Sentinel { .. } if error.kind() == ErrorKind::MasterNameNotFoundBySentinel => {
                let remedy = "check name, the list of sentinels, and that the master runs";
                (
                    "a master known to its sentinels",
                    "they know no reachable master of this name".to_owned(),
                    remedy,
                )
            }
            _ => return None,
        };
        Some(Self::OtherKind { store, configured, found, remedy })
    }
}

/// How servers say that they do not let a client in.
const LOG_IN: [&str; 5] = [
    "WRONGPASS",
    "NOAUTH",
    "invalid password",
    "invalid username-password",
    "Password authentication failed",
];
/// How a failure of TLS shows in a text.
const TLS: [&str; 7] = [
    "certificate",
    "received fatal alert",
    "corrupt message",
    "InvalidContentType",
    "peer is incompatible",
    "TLS trust anchors",
    " PEM",
];

/// What helps against some of these failures.
const TLS_REMEDIES: [(&str, &str); 2] = [
    ("UnknownIssuer", "; give its authority as ca in tls"),
    ("CertificateRequired", "; it wants a certificate of its clients: give cert and key in tls"),
];

fn is_of_cluster(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::ClusterDown)
    )
}

fn is_tls(error: &RedisError) -> bool {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    io.and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<rustls::Error>())
}

/// As a sentence, without what the library says of itself.
fn plain(error: &RedisError) -> String {
    let kind = format!(" - {:?}", error.kind());
    let text = error.to_string().replace(&kind, "").replace(" - AuthenticationFailed", "");
    let text = text.strip_prefix("Failed to create initial connections: ").unwrap_or(&text);
    let text = text.trim().replace('"', "");
    if text == "timed out" { "no answer in time".to_owned() } else { text }
}
