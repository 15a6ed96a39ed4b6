//! From sources to one value a setting.
//!
//! Each source is walked along the known keys; a later one replaces the values it gives and nothing beside them. That is a
//! deep merge, no deeper than the table of settings whatever a source holds.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::sync::Arc;

use jsonc_parser::{ParseOptions, parse_to_serde_value};
use serde_json::Value;

use super::error::ConfigError;
use super::keys::{self, Meaning, Spelling};
use super::sources::{Source, Sources};
use super::table::shorten;

/// What stands at the front of an environment variable's name, in any case.
const PREFIX: &str = "kuzzle_";
/// What stands at the front of an environment variable's value that is JSON.
const JSON_MARK: &str = "*json:";

/// What a source gave for a setting.
pub(super) struct Given {
    pub(super) key: &'static str,
    pub(super) value: Value,
    /// The text that the value was guessed from, where a source gives texts.
    pub(super) text: Option<String>,
    pub(super) source: Source,
    spelling: Spelling,
}

/// The value of each setting that some source gives, taken from the source that counts most.
pub(super) fn merge(sources: &Sources) -> Result<impl Iterator<Item = Given>, ConfigError> {
    let mut merged = Merged::default();
    if let Some((name, text)) = &sources.file {
        let source = Source::File(Arc::clone(name));
        merged.take(&mut Vec::new(), parse_file(text, &source)?, None, &source)?;
    }
    for (name, mut path, text) in variables(&sources.environment) {
        let source = Source::Environment(name.into());
        let (value, text) = interpret(text, &source)?;
        merged.take(&mut path, value, text, &source)?;
    }
    for assignment in &sources.assignments {
        let (path, text) = assignment
            .split_once('=')
            .ok_or_else(|| ConfigError::NotAnAssignment { given: shorten(assignment) })?;
        let value = serde_json::from_str(text).unwrap_or_else(|_| text.into());
        let mut path = path.split('.').map(str::to_owned).collect();
        merged.take(&mut path, value, Some(text), &Source::Assignment)?;
    }
    for flag in &sources.flags {
        let mut path = flag.key.split('.').map(str::to_owned).collect();
        merged.take(&mut path, flag.value.clone(), None, &Source::Flag(Arc::clone(&flag.name)))?;
    }
    Ok(merged.0.into_values())
}

#[derive(Default)]
struct Merged(BTreeMap<&'static str, Given>);

impl Merged {
    fn take(
        &mut self,
        path: &mut Vec<String>,
        value: Value,
        text: Option<&str>,
        source: &Source,
    ) -> Result<(), ConfigError> {
        match (keys::meaning(path), value) {
            (Meaning::Setting(key, spelling), value) => {
                let (text, source) = (text.map(str::to_owned), source.clone());
                self.keep(Given { key, value, text, source, spelling });
            }
            (Meaning::Tree(key, depth), value) => {
                let inside = path.get(depth..).unwrap_or_default();
                self.graft(key, inside, literal(value, text.filter(|_| !inside.is_empty())), source);
            }
            (Meaning::Group, Value::Object(members)) => {
                for (name, member) in members {
                    path.push(name);
                    self.take(path, member, None, source)?;
                    path.pop();
                }
            }
            // Takes back what earlier sources gave in the group.
            (Meaning::Group, Value::Null) => self.0.retain(|key, _| !keys::leads_to(path, key)),
            (Meaning::Ignored, _) => {}
            (Meaning::Group, other) => return Err(no_object(path, &other, source)),
            // Who assigns by hand means this program: a key it does not read is a mistake.
            (Meaning::Elsewhere, _) if !matches!(source, Source::Assignment | Source::Flag(_)) => {}
            (Meaning::Elsewhere | Meaning::Unknown, _) => {
                return Err(ConfigError::UnknownKey {
                    key: shorten(&path.join(".")),
                    given_by: source.clone(),
                    nearest: keys::nearest(path).to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Keeps a value over earlier ones, except a misspelt one over a correct one of the same source.
    fn keep(&mut self, given: Given) {
        let outranks = |kept: &Given| {
            given.spelling == Spelling::Misspelt
                && kept.spelling == Spelling::Correct
                && discriminant(&kept.source) == discriminant(&given.source)
        };
        if !self.0.get(given.key).is_some_and(outranks) {
            self.0.insert(given.key, given);
        }
    }

    /// Puts a value into a tree, beside what earlier sources gave there; `null` takes back what they gave at its place.
    fn graft(&mut self, key: &'static str, inside: &[String], value: Value, source: &Source) {
        let nested = inside
            .iter()
            .rev()
            .fold(value, |value, name| Value::Object([(name.clone(), value)].into_iter().collect()));
        let mut tree = self.0.remove(key).map_or(Value::Null, |given| given.value);
        graft(&mut tree, nested);
        let (source, spelling) = (source.clone(), Spelling::Correct);
        self.0.insert(key, Given { key, value: tree, text: None, source, spelling });
    }
}

/// Objects member by member, everything else as a whole. JSON from a file is at most 512 deep.
fn graft(onto: &mut Value, value: Value) {
    match (onto, value) {
        (Value::Object(onto), Value::Object(members)) => {
            for (name, member) in members {
                graft(onto.entry(name).or_insert(Value::Null), member);
            }
        }
        (onto, value) => *onto = value,
    }
}

/// What stands for itself inside of a tree: a password of digits is a text there.
fn literal(value: Value, text: Option<&str>) -> Value {
    match (&value, text) {
        (Value::Number(_), Some(text)) => text.into(),
        _ => value,
    }
}

/// Names the type alone: such a value may hold secrets.
fn no_object(path: &[String], given: &Value, source: &Source) -> ConfigError {
    let given = match given {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let expected = match source {
        Source::Environment(_) => "an object, as *json:{…}",
        _ => "an object",
    };
    ConfigError::Unfit {
        key: if path.is_empty() { "the configuration".to_owned() } else { shorten(&path.join(".")) },
        given: given.to_owned(),
        given_by: source.clone(),
        expected: expected.to_owned(),
    }
}

/// JSON with comments, trailing commas and bare names; an empty file gives nothing.
fn parse_file(text: &str, source: &Source) -> Result<Value, ConfigError> {
    let options =
        ParseOptions { allow_missing_commas: false, allow_non_finite_numbers: false, ..Default::default() };
    parse_to_serde_value(text, &options)
        .map_err(|error| ConfigError::Syntax { given_by: source.clone(), problem: error.to_string() })
}

/// The variables that are meant for us, with the path each names, so that more specific ones come later.
fn variables(environment: &[(String, String)]) -> Vec<(&str, Vec<String>, &str)> {
    let mut found: Vec<_> = environment
        .iter()
        .filter_map(|(name, text)| {
            let (prefix, path) = name.split_at_checked(PREFIX.len())?;
            let path: Vec<_> = path.split("__").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            let ours = prefix.eq_ignore_ascii_case(PREFIX) && !path.is_empty();
            ours.then_some((name.as_str(), path, text.as_str()))
        })
        .collect();
    found.sort_by_key(|(name, path, _)| (path.len(), *name));
    found
}

/// The value of an environment variable, and its text where the value is only a guess.
fn interpret<'a>(text: &'a str, source: &Source) -> Result<(Value, Option<&'a str>), ConfigError> {
    if let Some(json) = text.strip_prefix(JSON_MARK) {
        let value = serde_json::from_str(json)
            .map_err(|error| ConfigError::Syntax { given_by: source.clone(), problem: error.to_string() })?;
        return Ok((value, None));
    }
    let value = match serde_json::from_str(text) {
        Ok(plain @ (Value::Number(_) | Value::Bool(_))) => plain,
        _ => text.into(),
    };
    Ok((value, Some(text)))
}
