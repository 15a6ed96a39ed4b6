//! What must be true of any run, one property a file, each shown to bite on a history that breaks it.

mod accounting;
mod alternation;
mod bounds;
mod convergence;
mod delivery;
mod ghosts;
mod lives;
mod moving;
mod readiness;
mod registers;
pub(super) mod removals;
mod versions;

use std::fmt;

pub use alternation::Alternation;
pub use delivery::Delivery;
pub use lives::Lives;
pub use registers::Registers;
pub(super) use versions::Versions;

use super::Sim;

/// A promise that was broken, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(String);

impl Violation {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}

/// What is to be true at any moment.
///
/// # Errors
/// The first promise that is broken.
pub fn always(sim: &Sim) -> Result<(), Violation> {
    of_each_node(sim)?;
    moving::check(sim)?;
    bounds::check(sim)
}

/// What is to be true of each node at any moment, and is found without a look at all others.
pub(super) fn of_each_node(sim: &Sim) -> Result<(), Violation> {
    sim.first_violation().map_or(Ok(()), Err)?;
    readiness::check(sim)
}

/// What is to be true once the network is whole, nothing changes and enough time has passed.
///
/// # Errors
/// The first promise that is broken.
pub fn after_calm(sim: &Sim) -> Result<(), Violation> {
    always(sim)?;
    settled(sim)
}

/// What is not true at any moment, but is to be after calm.
pub(super) fn settled(sim: &Sim) -> Result<(), Violation> {
    ghosts::check(sim)?;
    convergence::check(sim)?;
    moving::check_counts(sim)?;
    registers::check(sim)?;
    accounting::check(sim)
}
