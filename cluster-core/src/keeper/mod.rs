//! Where registers outlive the whole cluster: a keeper of them outside the members, such as Redis.
//!
//! The members hold the truth; a keeper is read when a node starts, and offered what changes. Whoever offers an older write
//! gets the newer one back, so a keeper may lose everything, or come back with an old state, and be right again after the
//! members have offered all that they hold. It keeps a [`Mark`]: whoever finds another one than before offers everything.

mod memory;
mod redis;

use std::fmt;
use std::pin::Pin;

pub use self::memory::MemoryKeeper;
pub use self::redis::RedisKeeper;
use crate::engine::registers::RegisterEntry;

/// Why a keeper cannot be read or written now, in words for the log and the status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeeperError(pub String);

/// What becomes of an offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// What the keeper has in place of older writes that it was offered.
    pub newer: Vec<RegisterEntry>,
    /// The keeper's mark, if it has one.
    pub mark: Option<Mark>,
}

/// A random number that stays in a keeper as long as what is kept there does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(pub u64);

/// An answer that is on its way.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, KeeperError>> + Send + 'a>>;

/// Keeps registers outside the members. Every call ends within a few seconds, and may be given up.
pub trait Keeper: fmt::Debug + Send + Sync + 'static {
    /// Everything that is kept.
    fn read(&self) -> Asking<'_, Vec<RegisterEntry>>;

    /// Keeps those that win over what is kept, and after them the mark, if one is given and there is none. An empty offer asks
    /// for the mark.
    fn offer<'a>(&'a self, entries: &'a [RegisterEntry], mark: Option<Mark>) -> Asking<'a, Offered>;
}
