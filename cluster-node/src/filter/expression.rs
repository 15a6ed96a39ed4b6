//! A filter as a tree of operators.

use serde_json::Value;

use super::condition::Condition;
use super::document::Document;
use super::{FilterError, NormalFilter, parse};

/// A filter that was understood. Two filters that differ only in the order of operands are equal.
///
/// Depth and number of conditions are bounded ([`MAX_DEPTH`](super::MAX_DEPTH),
/// [`MAX_CONDITIONS`](super::MAX_CONDITIONS)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Expression);

impl Filter {
    /// Reads a filter in the form in which clients write it.
    ///
    /// # Errors
    /// A [`FilterError`] that names the operator or the limit at fault.
    pub fn parse(filter: &Value) -> Result<Self, FilterError> {
        parse::parse(filter).map(Self)
    }

    /// Whether `document` with this id matches.
    pub fn matches(&self, id: Option<&str>, document: &Value) -> bool {
        self.0.holds(&Document::new(id, document))
    }

    /// The one form of all filters that say the same as this one.
    ///
    /// # Errors
    /// [`FilterError::TooComplex`] and [`FilterError::TooLong`]: a small filter may have a large normal form.
    pub fn normalize(&self) -> Result<NormalFilter, FilterError> {
        NormalFilter::of(&self.0)
    }
}

/// A tree of operators, made only by its constructors: no `All` in an `All`, no `Any` in an `Any`, no operator with a
/// single operand, no double `Not`, operands sorted and different. `All` without operands is true of everything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Expression {
    Condition(Condition),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Expression {
    pub(super) fn not(operand: Self) -> Self {
        match operand {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    pub(super) fn all(operands: impl IntoIterator<Item = Self>) -> Self {
        let flat = operands.into_iter().flat_map(|operand| match operand {
            Self::All(inner) => inner,
            other => vec![other],
        });
        Self::join(flat.collect(), Self::All)
    }

    pub(super) fn any(operands: impl IntoIterator<Item = Self>) -> Self {
        let flat = operands.into_iter().flat_map(|operand| match operand {
            Self::Any(inner) => inner,
            other => vec![other],
        });
        Self::join(flat.collect(), Self::Any)
    }

    fn join(mut operands: Vec<Self>, operator: fn(Vec<Self>) -> Self) -> Self {
        operands.sort();
        operands.dedup();
        match <[Self; 1]>::try_from(operands) {
            Ok([single]) => single,
            Err(operands) => operator(operands),
        }
    }

    fn holds(&self, document: &Document<'_>) -> bool {
        match self {
            Self::Condition(condition) => condition.holds(document),
            Self::Not(operand) => !operand.holds(document),
            Self::All(operands) => operands.iter().all(|operand| operand.holds(document)),
            Self::Any(operands) => operands.iter().any(|operand| operand.holds(document)),
        }
    }
}
