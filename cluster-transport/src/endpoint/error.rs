//! What can become of a message or a request that is not delivered.

use crate::proto::lanes::SendError;
use crate::proto::requests::{FailureCode, TooManyRequests};

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendFailure {
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
    /// The lane did not take it.
    #[error(transparent)]
    Lane(#[from] SendError),
}

/// Why a request has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It was not sent: as many as allowed are under way.
    #[error(transparent)]
    TooMany(#[from] TooManyRequests),
    /// It was not sent: the lane did not take it, or there is no session.
    #[error(transparent)]
    NotSent(#[from] SendFailure),
    /// The other side says that there will be no reply.
    #[error("the peer refused: {text} (code {})", .code.0)]
    Failed {
        /// Why.
        code: FailureCode,
        /// The same in words.
        text: String,
    },
    /// The deadline passed. The other side may still do what was asked.
    #[error("no reply within the deadline")]
    DeadlinePassed,
    /// The link was lost. The other side may or may not have done what was asked.
    #[error("the link was lost before the reply")]
    LinkLost,
}
