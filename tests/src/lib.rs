//! Harness of the tests that need more than one crate: members on real sockets, each on a thread of its own.
//!
//! Nothing sleeps to let others catch up: every wait is for a condition, with [`GIVE_UP`] as its limit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

pub mod attacker;
pub mod compose;
mod dns;
mod front;
mod hostile;
pub mod http;
mod logs;
mod member;
pub mod netns;
mod nodes;
mod pair;
mod pki;
mod process;
mod proxy;
mod recorder;
mod redis;
pub mod script;
mod siege;
mod stream;
mod traffic;

use std::time::Duration;

pub use compose::Compose;
pub use dns::DnsServer;
pub use front::Front;
pub use hostile::Hostile;
pub use logs::Logs;
pub use member::{Member, Setup, reserve_port, room};
pub use nodes::{Nodes, binary};
pub use pair::Pair;
pub use pki::Pki;
pub use process::NodeProcess;
pub use proxy::Proxy;
pub use recorder::{Recorder, Told};
pub use redis::{Guard, RedisCluster, RedisSentinel, RedisServer};
pub use siege::{Aftermath, SLACK_MIB, Siege};
pub use stream::Stream;
pub use traffic::Traffic;

/// A condition that has not come true by then never will.
pub const GIVE_UP: Duration = Duration::from_secs(20);
