//! Why a measurement came to nothing.

use std::io;

use cluster_transport::certs::CertsError;
use cluster_transport::link::tcp::BindError;
use thiserror::Error;

/// Why a measurement came to nothing, or does not hold.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The certificates of the run could not be made.
    #[error(transparent)]
    Certs(#[from] CertsError),
    /// A receiving node has no socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gives no process, pipe or random number.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
    /// A node could not be set up.
    #[error("a node of the benchmark cannot be set up: {0}")]
    Setup(String),
    /// A process of the run broke off.
    #[error("a process of the benchmark has ended without a result ({0}); what it said is above")]
    Sender(std::process::ExitStatus),
    /// A member's process could not do what it was told to.
    #[error("{node} could not do its part: {why}")]
    Member {
        /// The member.
        node: String,
        /// Why.
        why: String,
    },
    /// What the two processes say to each other was not understood.
    #[error("the other process of the benchmark was not understood: {0}")]
    Pipe(#[from] serde_json::Error),
    /// Something did not come about in time.
    #[error("{what} did not come about within {seconds} s")]
    TimedOut {
        /// What.
        what: &'static str,
        /// Within what time.
        seconds: u64,
    },
    /// A message was not taken at all.
    #[error("a message was not taken: {0}")]
    Refused(String),
    /// What was sent is not what was received and announced.
    #[error("not everything is accounted for: {0}")]
    Unaccounted(String),
}
