//! The compose files, as Docker reads them: put over each other, with variables replaced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// Compose files put over each other.
#[derive(Clone, Debug)]
pub struct Compose {
    whole: Value,
    /// The variables that the files refer to, with their defaults.
    pub variables: BTreeMap<String, Option<String>>,
}

/// The folder of the compose files.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker-compose")
}

impl Compose {
    /// These files of the folder, each over the ones before. Variables have their defaults.
    pub fn read(files: &[&str]) -> Self {
        let mut compose = Self { whole: Value::Null, variables: BTreeMap::new() };
        for file in files {
            let text = std::fs::read_to_string(folder().join(file)).unwrap();
            let parsed: Value =
                serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
            let parsed = compose.interpolated(parsed);
            put_over(&mut compose.whole, parsed);
        }
        compose
    }

    /// A part of the whole, by its JSON pointer; null if it is not there.
    pub fn at(&self, pointer: &str) -> &Value {
        self.whole.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The services by their names.
    pub fn services(&self) -> &Map<String, Value> {
        self.at("/services").as_object().unwrap()
    }

    /// The command of a service, in words.
    pub fn command(&self, service: &str) -> Vec<String> {
        words(self.at(&format!("/services/{service}/command")))
    }

    /// The environment of a service.
    pub fn environment(&self, service: &str) -> Vec<(String, String)> {
        let environment = self.at(&format!("/services/{service}/environment")).as_object();
        let text = |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap().to_owned());
        environment.into_iter().flatten().map(text).collect()
    }

    fn interpolated(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.replaced(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.interpolated(item)).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(name, member)| (name, self.interpolated(member))).collect()
            }
            other => other,
        }
    }

    /// `${NAME:-default}` is the default, and `$$` a dollar.
    fn replaced(&mut self, text: &str) -> String {
        let mut parts = text.split("$$").map(|part| {
            let mut pieces = part.split('$');
            let mut replaced = pieces.next().unwrap_or_default().to_owned();
            for piece in pieces {
                let (inside, rest) = piece
                    .strip_prefix('{')
                    .and_then(|piece| piece.split_once('}'))
                    .unwrap_or_else(|| panic!("{text:?}: a variable is ${{NAME:-default}}"));
                let (name, default) =
                    inside.split_once(":-").map_or((inside, None), |(name, it)| (name, Some(it)));
                self.variables.insert(name.to_owned(), default.map(str::to_owned));
                replaced += default.unwrap_or_default();
                replaced += rest;
            }
            replaced
        });
        parts.by_ref().collect::<Vec<_>>().join("$")
    }
}

/// A command in its form as a list.
pub fn words(command: &Value) -> Vec<String> {
    let words = command.as_array().unwrap_or_else(|| panic!("{command} is no list of words"));
    words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// Objects are merged deeply; lists of volumes and ports grow, a command is replaced.
fn put_over(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, member) in above {
                match below.get_mut(&name) {
                    Some(Value::Array(items)) if name != "command" && name != "test" => {
                        items.extend(member.as_array().cloned().unwrap_or_default());
                    }
                    Some(place) => put_over(place, member),
                    None => drop(below.insert(name, member)),
                }
            }
        }
        (below, above) => *below = above,
    }
}
