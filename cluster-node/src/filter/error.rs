//! Why a filter is refused.

use thiserror::Error;

use super::{MAX_CONDITIONS, MAX_DEPTH, MAX_FIELD_BYTES, MAX_NORMAL_BYTES, MAX_TERMS};

/// Why a client's filter is refused. The text is meant for that client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FilterError {
    /// The filter is a list, a text, a number or null.
    #[error("a filter must be an object, this one is {got}")]
    NotAnObject {
        /// The JSON type of what was given.
        got: &'static str,
    },
    /// One object names several operators.
    #[error(
        "an object of a filter must have exactly one operator, got {got}: join them with \"and\" or \"or\""
    )]
    SeveralOperators {
        /// How many there are.
        got: usize,
    },
    /// The operator is not of the filter language.
    #[error("unknown operator \"{operator}\" (known: {known})", known = SUPPORTED.join(", "))]
    UnknownOperator {
        /// What was written.
        operator: String,
    },
    /// The operator is of the filter language, but this node does not have it.
    #[error("operator \"{operator}\" is not supported by this node (supported: {supported})", supported = SUPPORTED.join(", "))]
    UnsupportedOperator {
        /// What was written.
        operator: String,
    },
    /// What stands after an operator has another shape than the operator needs.
    #[error("\"{operator}\" {needs}")]
    Malformed {
        /// The operator.
        operator: &'static str,
        /// What it needs, as the end of a sentence.
        needs: &'static str,
    },
    /// The element in the brackets of `exists` or `missing` is not a JSON scalar.
    #[error("\"{operator}\" needs a text, a number, true, false or null in its brackets, got {got}")]
    Element {
        /// The operator.
        operator: &'static str,
        /// What stands in the brackets.
        got: String,
    },
    /// A field's name is too long.
    #[error("a field's name has {got} bytes, at most {MAX_FIELD_BYTES} are allowed")]
    FieldTooLong {
        /// Its length in bytes.
        got: usize,
    },
    /// Operators stand too deep in each other.
    #[error("operators are nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Too many conditions.
    #[error(
        "the filter has more than {MAX_CONDITIONS} conditions (each value of \"in\" and \"ids\" counts as one)"
    )]
    TooManyConditions,
    /// The normal form has too many alternatives.
    #[error(
        "the filter is too complex: it comes to more than {MAX_TERMS} alternatives, use fewer \"or\" inside \"and\""
    )]
    TooComplex,
    /// The normal form has too many bytes.
    #[error("the filter takes {got} bytes, at most {MAX_NORMAL_BYTES} are allowed")]
    TooLong {
        /// Its length in bytes.
        got: usize,
    },
}

/// Why bytes are not a normal form. The sender is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NormalFormError {
    /// More bytes than any normal form has.
    #[error("a normal form of {got} bytes, at most {MAX_NORMAL_BYTES} are allowed")]
    TooLong {
        /// Their number.
        got: usize,
    },
    /// Another version of the format, or no bytes at all.
    #[error("a normal form of format {got:?}, this node reads format 1")]
    Format {
        /// The first byte.
        got: Option<u8>,
    },
    /// The bytes cannot be decoded.
    #[error("the bytes are not a normal form")]
    Malformed,
    /// The bytes decode, but this is not how the form is written.
    #[error("the form is not in its normal order, or says a thing twice or against itself")]
    NotNormal,
}

/// The operators of this node.
pub(super) const SUPPORTED: [&str; 9] =
    ["and", "equals", "exists", "ids", "in", "missing", "not", "or", "range"];

/// The operators of Koncorde that this node does not have.
pub(super) const UNSUPPORTED: [&str; 9] = [
    "bool",
    "geoBoundingBox",
    "geoDistance",
    "geoDistanceRange",
    "geoPolygon",
    "match",
    "nothing",
    "regexp",
    "select",
];
