//! Reads what clients write into an [`Expression`]. Depth and number of conditions are checked before memory is spent
//! on them.

use serde_json::{Map, Value};

use super::condition::{Condition, Edge, Field, Range};
use super::error::UNSUPPORTED;
use super::expression::Expression;
use super::scalar::{Number, Scalar};
use super::{FilterError, MAX_CONDITIONS, MAX_DEPTH};

/// Reads a whole filter; only here may it be `{}`.
pub(super) fn parse(filter: &Value) -> Result<Expression, FilterError> {
    match filter {
        Value::Object(object) if object.is_empty() => Ok(Expression::all([])),
        Value::Object(object) => Parser { conditions: 0 }.operator(object, MAX_DEPTH),
        other => Err(FilterError::NotAnObject { got: type_name(other) }),
    }
}

struct Parser {
    conditions: usize,
}

impl Parser {
    /// `levels` is how many nested operators are still allowed, this one included.
    fn operator(&mut self, object: &Map<String, Value>, levels: usize) -> Result<Expression, FilterError> {
        let inner = levels.checked_sub(1).ok_or(FilterError::TooDeep)?;
        let (operator, operand) =
            single(object).ok_or(FilterError::SeveralOperators { got: object.len() })?;
        match operator {
            "and" => self.operands("and", operand, inner).map(Expression::all),
            "or" => self.operands("or", operand, inner).map(Expression::any),
            "not" => self.negated(operand, inner),
            "equals" => self.equals(operand),
            "exists" => self.exists("exists", operand),
            "missing" => self.exists("missing", operand).map(Expression::not),
            "in" => self.one_of(operand),
            "ids" => self.ids(operand),
            "range" => self.range(operand),
            _ if UNSUPPORTED.contains(&operator) => {
                Err(FilterError::UnsupportedOperator { operator: excerpt(operator) })
            }
            _ => Err(FilterError::UnknownOperator { operator: excerpt(operator) }),
        }
    }

    fn operands(
        &mut self,
        operator: &'static str,
        list: &Value,
        levels: usize,
    ) -> Result<Vec<Expression>, FilterError> {
        let needs = malformed(operator, "needs a list of at least one filter, none of them empty");
        let list = list.as_array().filter(|list| !list.is_empty()).ok_or(needs.clone())?;
        list.iter().map(|filter| self.operator(non_empty(filter).ok_or(needs.clone())?, levels)).collect()
    }

    fn negated(&mut self, filter: &Value, levels: usize) -> Result<Expression, FilterError> {
        let filter = non_empty(filter).ok_or(malformed("not", "needs a filter that is not empty"))?;
        self.operator(filter, levels).map(Expression::not)
    }

    fn equals(&mut self, operand: &Value) -> Result<Expression, FilterError> {
        let needs = malformed("equals", "needs one field with a text, a number, true, false or null");
        let (path, value) = operand.as_object().and_then(single).ok_or(needs.clone())?;
        let value = Scalar::of(value).ok_or(needs)?;
        self.condition(Condition::Equals(field(path)?, value))
    }

    fn one_of(&mut self, operand: &Value) -> Result<Expression, FilterError> {
        let needs = malformed("in", "needs one field with a list of at least one text");
        let (path, values) = operand.as_object().and_then(single).ok_or(needs.clone())?;
        self.any_text(&field(path)?, values, &needs)
    }

    fn ids(&mut self, operand: &Value) -> Result<Expression, FilterError> {
        let needs = malformed("ids", "needs the single key \"values\" with a list of at least one text");
        match operand.as_object().and_then(single) {
            Some(("values", values)) => self.any_text(&field("_id")?, values, &needs),
            _ => Err(needs),
        }
    }

    fn any_text(
        &mut self,
        field: &Field,
        values: &Value,
        needs: &FilterError,
    ) -> Result<Expression, FilterError> {
        let values = values.as_array().filter(|values| !values.is_empty()).ok_or_else(|| needs.clone())?;
        let conditions = values.iter().map(|value| {
            let text = value.as_str().ok_or_else(|| needs.clone())?;
            self.condition(Condition::Equals(field.clone(), Scalar::Text(text.to_owned())))
        });
        conditions.collect::<Result<Vec<_>, _>>().map(Expression::any)
    }

    fn exists(&mut self, operator: &'static str, operand: &Value) -> Result<Expression, FilterError> {
        let named = match operand {
            Value::Object(object) => {
                single(object).filter(|(key, _)| *key == "field").map(|(_, value)| value)
            }
            other => Some(other),
        };
        let path = named.and_then(Value::as_str).filter(|path| !path.is_empty());
        let path = path.ok_or(malformed(operator, "needs the name of a field"))?;
        let Some((path, element)) = bracketed(path) else {
            return self.condition(Condition::Exists(unescaped(path)?));
        };
        let scalar = serde_json::from_str(element).ok().and_then(|value| Scalar::of(&value));
        let scalar = scalar.ok_or_else(|| FilterError::Element { operator, got: excerpt(element) })?;
        self.condition(Condition::Contains(unescaped(path)?, scalar))
    }

    fn range(&mut self, operand: &Value) -> Result<Expression, FilterError> {
        let needs = malformed(
            "range",
            "needs one field with one or two of \"gt\", \"gte\", \"lt\", \"lte\" and their numbers",
        );
        let (path, bounds) = operand.as_object().and_then(single).ok_or(needs.clone())?;
        let (mut lower, mut upper) = (Edge::Open, Edge::Open);
        for (bound, limit) in bounds.as_object().filter(|bounds| !bounds.is_empty()).ok_or(needs.clone())? {
            let limit = Number::of(limit).ok_or(needs.clone())?;
            let (edge, value) = match bound.as_str() {
                "gt" => (&mut lower, Edge::Exclusive(limit)),
                "gte" => (&mut lower, Edge::Inclusive(limit)),
                "lt" => (&mut upper, Edge::Exclusive(limit)),
                "lte" => (&mut upper, Edge::Inclusive(limit)),
                _ => return Err(needs),
            };
            if std::mem::replace(edge, value) != Edge::Open {
                return Err(malformed("range", "has two lower or two upper bounds for one field"));
            }
        }
        let range = Range::try_from((lower, upper))
            .map_err(|_| malformed("range", "needs a lower bound that is below its upper bound"))?;
        self.condition(Condition::Within(field(path)?, range))
    }

    fn condition(&mut self, condition: Condition) -> Result<Expression, FilterError> {
        self.conditions += 1;
        if self.conditions > MAX_CONDITIONS {
            return Err(FilterError::TooManyConditions);
        }
        Ok(Expression::Condition(condition))
    }
}

fn malformed(operator: &'static str, needs: &'static str) -> FilterError {
    FilterError::Malformed { operator, needs }
}

/// As much of a foreign text as an error repeats.
fn excerpt(text: &str) -> String {
    text.chars().take(MAX_EXCERPT).collect()
}

fn field(path: &str) -> Result<Field, FilterError> {
    Field::try_from(path.to_owned())
}

/// The only entry of an object.
fn single(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = object.iter();
    let (key, value) = entries.next()?;
    entries.next().is_none().then_some((key, value))
}

fn non_empty(filter: &Value) -> Option<&Map<String, Value>> {
    filter.as_object().filter(|object| !object.is_empty())
}

/// Splits `tags["red"]` into `tags` and `"red"`. A bracket at the start or behind a backslash belongs to the name.
fn bracketed(path: &str) -> Option<(&str, &str)> {
    let inside = path.strip_suffix(']')?;
    let opening = inside.match_indices('[').map(|(at, _)| inside.split_at(at));
    let mut opening = opening.filter(|(name, _)| !name.is_empty() && !name.ends_with('\\'));
    opening.next().and_then(|(name, element)| Some((name, element.strip_prefix('[')?)))
}

fn unescaped(path: &str) -> Result<Field, FilterError> {
    field(&path.replace("\\[", "[").replace("\\]", "]"))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

const MAX_EXCERPT: usize = 64;
