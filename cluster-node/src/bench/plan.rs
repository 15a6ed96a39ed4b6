//! What is measured.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// One node publishes as fast as it can, each message to every subscriber.
    Publish {
        /// Whether it waits for room at each subscriber; else the oldest give way.
        waiting: bool,
    },
    /// One node asks, and has so many requests under way with each of the others.
    Request {
        /// How many.
        in_flight: u16,
        /// Whether a task awaits each answer; else the next request goes out where the answer comes in.
        awaiting: bool,
    },
}

/// What carries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Transport {
    /// TCP, with TLS if it is asked for.
    Tcp,
    /// QUIC, which always has TLS.
    Quic,
    /// Buffers within one process.
    Memory,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
            Self::Memory => "memory",
        })
    }
}

/// A measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// What the messages are.
    pub work: Work,
    /// What carries them.
    pub transport: Transport,
    /// Whether the links have mutual TLS.
    pub tls: bool,
    /// The length of a message, in bytes.
    pub size: usize,
    /// How many nodes receive.
    pub peers: u16,
    /// For how long is sent.
    pub duration: Duration,
}

impl Plan {
    /// What the peers' own programs call this work.
    pub(super) fn name(&self) -> &'static str {
        match self.work {
            Work::Publish { .. } => "pub",
            Work::Request { in_flight: 1, .. } => "rtt",
            Work::Request { .. } => "req",
        }
    }
}
