//! The normal form: one value, and one text of bytes, for all filters that say the same.
//!
//! It is the sorted prime implicants of the filter over its sorted conditions, without terms that no document can
//! satisfy (`a` is 1 and `a` is 2). Filters that are equal in propositional logic have equal forms, whatever the
//! order of operands, nesting, repetition or double negation. The bytes travel between nodes and are what a room's id
//! is made from.

use std::collections::BTreeSet;

use serde_json::Value;

use super::condition::Condition;
use super::document::Document;
use super::expression::Expression;
use super::terms::{Term, Terms};
use super::{FilterError, MAX_CONDITIONS, MAX_NORMAL_BYTES, MAX_TERMS, NormalFormError};

/// A filter in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalFilter {
    /// Sorted, different, each used by a term; terms refer to them by their place.
    conditions: Vec<Condition>,
    /// Sorted and different.
    terms: Vec<Term>,
}

impl NormalFilter {
    pub(super) fn of(expression: &Expression) -> Result<Self, FilterError> {
        let mut conditions = BTreeSet::new();
        collect(expression, &mut conditions);
        let conditions: Vec<Condition> = conditions.into_iter().cloned().collect();
        let mut terms = terms_of(expression, Polarity::Plain, &conditions)?.primes(conditions.len())?;
        terms.retain(|term| is_possible(*term, &conditions));
        let form = renumbered(conditions, &terms);
        let got = form.to_bytes().len();
        if got <= MAX_NORMAL_BYTES { Ok(form) } else { Err(FilterError::TooLong { got }) }
    }

    /// Whether `document` with this id matches.
    pub fn matches(&self, id: Option<&str>, document: &Value) -> bool {
        self.accepts(&Document::new(id, document))
    }

    pub(super) fn accepts(&self, document: &Document<'_>) -> bool {
        let numbered = self.conditions.iter().enumerate();
        let truth = numbered
            .fold(0, |truth, (number, condition)| truth | (u128::from(condition.holds(document)) << number));
        self.terms.iter().any(|term| term.accepts(truth))
    }

    /// The form's only encoding: a byte for the format, then postcard.
    pub fn to_bytes(&self) -> Vec<u8> {
        #[expect(clippy::expect_used, reason = "a growing buffer takes whatever these plain types write")]
        postcard::to_extend(&(&self.conditions, &self.terms), vec![FORMAT])
            .expect("encoding into memory does not fail")
    }

    /// Reads what [`NormalFilter::to_bytes`] wrote, on any node.
    ///
    /// # Errors
    /// Any bytes that no node writes: too many, of another format, not decodable, or not in normal order. That the
    /// terms are the prime ones is not checked: a form that is not would only be another room.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NormalFormError> {
        if bytes.len() > MAX_NORMAL_BYTES {
            return Err(NormalFormError::TooLong { got: bytes.len() });
        }
        let body = match bytes.split_first() {
            Some((&FORMAT, body)) => body,
            other => return Err(NormalFormError::Format { got: other.map(|(format, _)| *format) }),
        };
        let (conditions, terms) = postcard::from_bytes(body).map_err(|_| NormalFormError::Malformed)?;
        let form = Self { conditions, terms };
        if form.is_normal() && form.to_bytes() == bytes { Ok(form) } else { Err(NormalFormError::NotNormal) }
    }

    fn is_normal(&self) -> bool {
        let used = self.terms.iter().fold(0, |used, term| used | term.holds | term.fails);
        self.conditions.len() <= MAX_CONDITIONS
            && self.terms.len() <= MAX_TERMS
            && self.conditions.is_sorted_by(|one, next| one < next)
            && self.terms.is_sorted_by(|one, next| one < next)
            && used == mask(self.conditions.len())
            && self.terms.iter().all(|term| is_possible(*term, &self.conditions))
    }
}

/// Whether a filter's part is meant as it stands or negated.
#[derive(Clone, Copy)]
enum Polarity {
    Plain,
    Negated,
}

impl Polarity {
    fn opposite(self) -> Self {
        match self {
            Self::Plain => Self::Negated,
            Self::Negated => Self::Plain,
        }
    }
}

fn collect<'a>(expression: &'a Expression, conditions: &mut BTreeSet<&'a Condition>) {
    match expression {
        Expression::Condition(condition) => {
            conditions.insert(condition);
        }
        Expression::Not(operand) => collect(operand, conditions),
        Expression::All(operands) | Expression::Any(operands) => {
            operands.iter().for_each(|operand| collect(operand, conditions));
        }
    }
}

fn terms_of(
    expression: &Expression,
    polarity: Polarity,
    conditions: &[Condition],
) -> Result<Terms, FilterError> {
    let terms_of = |operand, polarity| terms_of(operand, polarity, conditions);
    match (expression, polarity) {
        (Expression::Condition(condition), _) => {
            let bit = conditions.binary_search(condition).map_or(0, |number| 1 << number);
            Ok(Terms::one(match polarity {
                Polarity::Plain => Term { holds: bit, fails: 0 },
                Polarity::Negated => Term { holds: 0, fails: bit },
            }))
        }
        (Expression::Not(operand), _) => terms_of(operand, polarity.opposite()),
        (Expression::All(operands), Polarity::Plain) | (Expression::Any(operands), Polarity::Negated) => {
            operands.iter().try_fold(Terms::one(Term::EVERYTHING), |terms, operand| {
                terms.and(&terms_of(operand, polarity)?)
            })
        }
        (Expression::Any(operands), Polarity::Plain) | (Expression::All(operands), Polarity::Negated) => {
            operands
                .iter()
                .try_fold(Terms::default(), |terms, operand| terms.or(terms_of(operand, polarity)?))
        }
    }
}

/// Whether some document may satisfy the term.
fn is_possible(term: Term, conditions: &[Condition]) -> bool {
    let of = |mask: u128| {
        let numbered = conditions.iter().enumerate();
        numbered.filter(move |(number, _)| mask >> number & 1 == 1).map(|(_, condition)| condition)
    };
    !term.contradicts_itself()
        && !of(term.holds).any(|held| {
            of(term.holds).any(|other| held.excludes(other))
                || of(term.fails).any(|failed| held.implies(failed))
        })
}

/// Leaves out the conditions that no term uses.
fn renumbered(conditions: Vec<Condition>, terms: &[Term]) -> NormalFilter {
    let used = terms.iter().fold(0, |used, term| used | term.holds | term.fails);
    let moved = |mask: u128| {
        let old = (0..conditions.len()).filter(|number| used >> number & 1 == 1).enumerate();
        old.fold(0, |moved, (new, old)| moved | (mask >> old & 1) << new)
    };
    let mut terms: Vec<Term> =
        terms.iter().map(|term| Term { holds: moved(term.holds), fails: moved(term.fails) }).collect();
    terms.sort_unstable();
    let numbered = conditions.into_iter().enumerate();
    let conditions =
        numbered.filter(|(number, _)| used >> number & 1 == 1).map(|(_, condition)| condition).collect();
    NormalFilter { conditions, terms }
}

/// The lowest `bits` bits.
fn mask(bits: usize) -> u128 {
    (1 << bits) - 1
}

/// The first byte of every encoding. Another layout gets another number.
const FORMAT: u8 = 1;
