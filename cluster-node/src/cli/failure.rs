//! Why a command failed, and the exit code for it.

use std::io;

use cluster_core::config::ConfigError;
use cluster_core::runtime::StartError;
use cluster_transport::certs::CertsError;
use thiserror::Error;

use crate::bench::BenchError;
use crate::server::ListenError;

/// Why a command failed, in one line.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A value on the command line cannot be used.
    #[error("{0}")]
    Usage(String),
    /// Certificates could not be made.
    #[error(transparent)]
    Certs(CertsError),
    /// The node could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A benchmark came to nothing, or does not hold.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// Clients cannot be served.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The process gets no threads, no signals or no folder from the system.
    #[error("the system refuses: {0}")]
    Runtime(#[source] io::Error),
    /// A running node does not answer, or does not do what it is asked for.
    #[error("{0}")]
    Remote(String),
    /// A running node answers, and serves no clients.
    #[error("{0}")]
    NotReady(String),
    /// The node ended by itself.
    #[error("this node has ended: {0}")]
    Ended(String),
    /// Simulated clusters broke promises.
    #[error("promises were broken in {violations} of {seeds} simulated clusters")]
    Promises {
        /// In how many.
        violations: usize,
        /// Of how many.
        seeds: u64,
    },
    /// A trace does not replay, or not to its end.
    #[error("{0}")]
    Trace(String),
    /// The quorum would be lost.
    #[error("the quorum would be lost: {left} of {minimum} nodes (minimumNodes); start others first")]
    Quorum {
        /// How many nodes would be left.
        left: usize,
        /// How many are needed.
        minimum: usize,
    },
    /// The doctor has found problems.
    #[error("{problems} problems found")]
    Findings {
        /// How many.
        problems: usize,
    },
    /// A step of the demonstration did not come about.
    #[error("the step \"{step}\" failed: {why}")]
    Step {
        /// Which.
        step: String,
        /// What was seen instead.
        why: String,
    },
}

impl Failure {
    /// The exit code: 2 for what has to be corrected by the user, 3 for a node that is not ready, 1 for what happened.
    pub fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) | Self::Certs(_) => 2,
            Self::Start(StartError::Bind(_) | StartError::Lookup { .. } | StartError::Random(_)) => 1,
            Self::Start(_) => 2,
            Self::NotReady(_) => 3,
            Self::Remote(_)
            | Self::Bench(_)
            | Self::Listen(_)
            | Self::Runtime(_)
            | Self::Ended(_)
            | Self::Step { .. }
            | Self::Findings { .. }
            | Self::Promises { .. }
            | Self::Trace(_)
            | Self::Quorum { .. } => 1,
        }
    }
}

impl From<CertsError> for Failure {
    /// A file that is there already is named with the options of `certs` that help.
    fn from(error: CertsError) -> Self {
        match error {
            CertsError::Exists { path } => Self::Usage(format!(
                "{} exists already: --force replaces it, --ca DIR signs with the authority in a folder",
                path.display()
            )),
            CertsError::OtherAuthority { path } => Self::Usage(format!(
                "{} is the certificate of another authority: --force replaces it, --out DIR chooses another folder",
                path.display()
            )),
            other => Self::Certs(other),
        }
    }
}
