//! The values that a condition compares with, in one total order.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A JSON value that is neither a list nor an object. The order of the variants is their number on the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
}

impl Scalar {
    /// The scalar that `value` is, if it is one.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Number(_) => Number::of(value).map(Self::Number),
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Whether `value` is this scalar. Types differ: 1 is neither `true` nor "1".
    pub(super) fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(wanted), Value::Bool(value)) => wanted == value,
            (Self::Number(wanted), Value::Number(_)) => Number::of(value) == Some(*wanted),
            (Self::Text(wanted), Value::String(text)) => wanted == text,
            _ => false,
        }
    }
}

/// A number as JavaScript has it: a finite double, one zero. Integers beyond 2^53 are rounded, in filters and
/// documents alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub(super) struct Number(f64);

impl Number {
    /// The number that `value` is, if it is one.
    pub(super) fn of(value: &Value) -> Option<Self> {
        value.as_f64().and_then(|number| Self::try_from(number).ok())
    }
}

impl TryFrom<f64> for Number {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        // Adding zero makes -0 into 0.
        if number.is_finite() { Ok(Self(number + 0.0)) } else { Err("JSON has finite numbers only") }
    }
}

impl From<Number> for f64 {
    fn from(number: Number) -> Self {
        number.0
    }
}

impl Eq for Number {}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
