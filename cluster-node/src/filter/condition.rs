//! The smallest question of a filter: one test of one field.

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::scalar::{Number, Scalar};
use super::{FilterError, MAX_FIELD_BYTES};

/// One test of one field. The order of variants and of their parts is the wire's, and orders normal forms: it never
/// changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Condition {
    /// The field is this value.
    Equals(Field, Scalar),
    /// The field is there, be it null.
    Exists(Field),
    /// The field is a list that has this value among its elements.
    Contains(Field, Scalar),
    /// The field is a number in this range.
    Within(Field, Range),
}

impl Condition {
    /// Whether it is true of `document`.
    pub(super) fn holds(&self, document: &Document<'_>) -> bool {
        let Some(value) = document.field(&self.field().0) else { return false };
        match self {
            Self::Equals(_, wanted) => wanted.is(value),
            Self::Exists(_) => true,
            Self::Contains(_, wanted) => {
                value.as_array().is_some_and(|elements| elements.iter().any(|element| wanted.is(element)))
            }
            Self::Within(_, range) => Number::of(value).is_some_and(|number| range.contains(number)),
        }
    }

    /// Whether no document can be true of both.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        self.field() == other.field()
            && match (self, other) {
                (Self::Equals(_, one), Self::Equals(_, another)) => one != another,
                (Self::Equals(_, Scalar::Number(number)), Self::Within(_, range))
                | (Self::Within(_, range), Self::Equals(_, Scalar::Number(number))) => {
                    !range.contains(*number)
                }
                (Self::Equals(..) | Self::Within(..), Self::Contains(..))
                | (Self::Contains(..), Self::Equals(..) | Self::Within(..))
                | (Self::Equals(..), Self::Within(..))
                | (Self::Within(..), Self::Equals(..)) => true,
                _ => false,
            }
    }

    /// Whether a document that is true of this has the field that `other` only asks to exist.
    pub(super) fn implies(&self, other: &Self) -> bool {
        matches!(other, Self::Exists(field) if field == self.field())
    }

    fn field(&self) -> &Field {
        match self {
            Self::Equals(field, _)
            | Self::Exists(field)
            | Self::Contains(field, _)
            | Self::Within(field, _) => field,
        }
    }
}

/// A path of keys joined by dots, of at most [`MAX_FIELD_BYTES`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Field(String);

impl TryFrom<String> for Field {
    type Error = FilterError;

    fn try_from(path: String) -> Result<Self, FilterError> {
        let got = path.len();
        if got <= MAX_FIELD_BYTES { Ok(Self(path)) } else { Err(FilterError::FieldTooLong { got }) }
    }
}

impl From<Field> for String {
    fn from(field: Field) -> Self {
        field.0
    }
}

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Edge {
    /// No limit.
    Open,
    /// The number itself belongs to the range.
    Inclusive(Number),
    /// The number itself does not.
    Exclusive(Number),
}

impl Edge {
    fn number(self) -> Option<Number> {
        match self {
            Self::Open => None,
            Self::Inclusive(number) | Self::Exclusive(number) => Some(number),
        }
    }
}

/// A range of numbers with one edge or two, the lower below the upper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "(Edge, Edge)", into = "(Edge, Edge)")]
pub(super) struct Range {
    lower: Edge,
    upper: Edge,
}

impl Range {
    fn contains(&self, number: Number) -> bool {
        let above = match self.lower {
            Edge::Open => true,
            Edge::Inclusive(limit) => number >= limit,
            Edge::Exclusive(limit) => number > limit,
        };
        let below = match self.upper {
            Edge::Open => true,
            Edge::Inclusive(limit) => number <= limit,
            Edge::Exclusive(limit) => number < limit,
        };
        above && below
    }
}

impl TryFrom<(Edge, Edge)> for Range {
    type Error = &'static str;

    fn try_from((lower, upper): (Edge, Edge)) -> Result<Self, Self::Error> {
        match (lower.number(), upper.number()) {
            (None, None) => Err("a range has at least one edge"),
            (Some(low), Some(high)) if low >= high => Err("the lower edge of a range is below the upper one"),
            _ => Ok(Self { lower, upper }),
        }
    }
}

impl From<Range> for (Edge, Edge) {
    fn from(range: Range) -> Self {
        (range.lower, range.upper)
    }
}
