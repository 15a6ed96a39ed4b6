//! Sets of terms: a disjunction of conjunctions over numbered conditions, and its prime implicants.
//!
//! A term says of some conditions that they hold and of others that they fail. A set never keeps a term that another
//! one covers. The prime implicants of a formula (Blake's canonical form) are the same for all formulas that say the
//! same, and are found by Tison's method: "Generalization of consensus theory and application to the minimization of
//! Boolean functions", 1967. All work is bounded by [`MAX_TERMS`] and [`MAX_PAIRS`].

use serde::{Deserialize, Serialize};

use super::{FilterError, MAX_TERMS};

/// A conjunction, as two masks over the numbers of conditions. Without any condition it is true of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Term {
    pub(super) holds: u128,
    pub(super) fails: u128,
}

impl Term {
    pub(super) const EVERYTHING: Self = Self { holds: 0, fails: 0 };

    /// Whether it is true when exactly the conditions in `truth` are.
    pub(super) fn accepts(self, truth: u128) -> bool {
        self.holds & !truth == 0 && self.fails & truth == 0
    }

    pub(super) fn contradicts_itself(self) -> bool {
        self.holds & self.fails != 0
    }

    /// Whether whatever is true of `other` is true of this one.
    fn covers(self, other: Self) -> bool {
        self.holds & !other.holds == 0 && self.fails & !other.fails == 0
    }

    fn and(self, other: Self) -> Self {
        Self { holds: self.holds | other.holds, fails: self.fails | other.fails }
    }

    fn without(self, bit: u128) -> Self {
        Self { holds: self.holds & !bit, fails: self.fails & !bit }
    }
}

/// A disjunction of terms, none of which covers another. Without any term it is true of nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms(Vec<Term>);

impl Terms {
    pub(super) fn one(term: Term) -> Self {
        Self(vec![term])
    }

    pub(super) fn or(mut self, other: Self) -> Result<Self, FilterError> {
        other.0.into_iter().try_for_each(|term| self.insert(term))?;
        Ok(self)
    }

    pub(super) fn and(self, other: &Self) -> Result<Self, FilterError> {
        let mut product = Self::default();
        for (one, another) in pairs(&self.0, &other.0)? {
            product.insert(one.and(another))?;
        }
        Ok(product)
    }

    /// The prime implicants, in ascending order, over conditions numbered below `conditions`.
    pub(super) fn primes(mut self, conditions: usize) -> Result<Vec<Term>, FilterError> {
        for bit in (0..conditions).map(|number| 1 << number) {
            let holding: Vec<Term> = self.0.iter().copied().filter(|term| term.holds & bit != 0).collect();
            let failing: Vec<Term> = self.0.iter().copied().filter(|term| term.fails & bit != 0).collect();
            for (one, another) in pairs(&holding, &failing)? {
                self.insert(one.and(another).without(bit))?;
            }
        }
        self.0.sort_unstable();
        Ok(self.0)
    }

    fn insert(&mut self, new: Term) -> Result<(), FilterError> {
        if new.contradicts_itself() || self.0.iter().any(|term| term.covers(new)) {
            return Ok(());
        }
        self.0.retain(|term| !new.covers(*term));
        self.0.push(new);
        if self.0.len() > MAX_TERMS { Err(FilterError::TooComplex) } else { Ok(()) }
    }
}

/// All pairs of two lists, if they are not too many.
fn pairs<'a>(
    left: &'a [Term],
    right: &'a [Term],
) -> Result<impl Iterator<Item = (Term, Term)> + use<'a>, FilterError> {
    if left.len() * right.len() > MAX_PAIRS {
        return Err(FilterError::TooComplex);
    }
    Ok(left.iter().flat_map(|one| right.iter().map(|another| (*one, *another))))
}

/// Bounds the time of one step: each pair is compared with at most [`MAX_TERMS`] terms.
const MAX_PAIRS: usize = 32 * MAX_TERMS;
