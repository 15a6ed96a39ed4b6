//! docs/MIGRATION.md names nothing that is not there, and leaves no setting out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cluster_core::config::{Config, ConfigError, DEFAULT_PUB_PORT, Sources};
use cluster_transport::binding::Binding;
use serde_json::{Value, json};

const TEXT: &str = include_str!("../../../docs/MIGRATION.md");
const OWN: &str = "plugins.cluster.";

/// What stands in backticks.
fn codes(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The part under a heading, up to the next one.
fn section(heading: &str) -> &'static str {
    let (_, rest) = TEXT.split_once(&format!("# {heading}\n")).unwrap_or_else(|| panic!("no {heading:?}"));
    rest.split_once("\n#").map_or(rest, |(section, _)| section)
}

/// The cells of the rows of the tables whose first heading begins so.
fn rows(section: &'static str, first_heading: &str) -> Vec<Vec<&'static str>> {
    let tables = section.split("\n\n").filter(|part| part.starts_with(&format!("| {first_heading}")));
    let lines = tables.flat_map(|table| table.lines().skip(2));
    let cells = |line: &'static str| line.trim_matches('|').split(" | ").map(str::trim).collect();
    lines.map(cells).collect()
}

/// The keys that the document names, from the root of a file.
fn keys() -> BTreeSet<String> {
    let settings = section("Settings");
    let mut keys = BTreeSet::new();
    for row in rows(settings, "key under") {
        keys.extend(codes(row[0]).into_iter().map(|key| format!("{OWN}{key}")));
    }
    keys.extend(codes(section("New settings")).into_iter().map(|key| format!("{OWN}{key}")));
    for row in rows(settings, "key elsewhere") {
        let mut last = "";
        for key in codes(row[0]) {
            // `.node` stands for the last key with another end.
            let full = match key.strip_prefix('.') {
                Some(end) => format!("{}.{end}", last.rsplit_once('.').unwrap().0),
                None => key.to_owned(),
            };
            last = key;
            keys.insert(full);
        }
    }
    keys
}

/// Whether a file may have this key; what its value has to be is another matter.
fn is_known(key: &str) -> bool {
    let file = key.rsplit('.').fold(Value::Null, |inner, part| json!({ part: inner }));
    let loaded = Config::load(&Sources::new().file("kuzzlerc", file.to_string()));
    !matches!(loaded, Err(ConfigError::UnknownKey { .. }))
}

#[test]
fn every_key_that_it_names_is_understood() {
    let keys = keys();
    assert!(keys.len() > 25, "{keys:?}");
    for key in &keys {
        assert!(is_known(key), "{key}");
    }
    assert!(!is_known("plugins.cluster.retryJoins"), "what is not understood is found out");
}

#[test]
fn every_setting_is_named_itself_or_with_its_group() {
    let keys = keys();
    let config = Config::builder().build().unwrap();
    for setting in config.effective() {
        let is_named = |key: &String| {
            setting
                .key
                .strip_prefix(key.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        assert!(keys.iter().any(is_named), "{} is not named", setting.key);
    }
}

#[test]
fn every_binding_that_it_names_means_something_or_is_an_error_as_it_says() {
    let rows = rows(section("Bindings"), "binding");
    assert!(rows.len() > 6, "{rows:?}");
    for row in &rows {
        for binding in codes(row[0]) {
            let parsed = Binding::parse(binding, DEFAULT_PUB_PORT);
            assert_eq!(parsed.is_err(), row[2] == "an error", "{binding}: {parsed:?}");
        }
    }
}

/// The names of functions and variants, `name` of `name(…)`.
fn names<'a>(cell: &'a str) -> Vec<&'a str> {
    let name = |code: &'a str| code.split_once('(').map_or(code, |(name, _)| name);
    codes(cell).into_iter().map(name).collect()
}

/// All sources of a folder and below.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { sources(&path) } else { fs::read_to_string(path).unwrap() })
        .collect()
}

#[test]
fn every_verb_event_and_call_of_a_host_that_it_names_is_there() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let runtime = sources(&crate_folder.join("src/runtime"));
    let host = fs::read_to_string(crate_folder.join("src/host.rs")).unwrap();
    let events = fs::read_to_string(crate_folder.join("src/engine/events.rs")).unwrap();
    let rows = rows(section("What nodes tell each other"), "event there");
    assert!(rows.len() > 12, "{rows:?}");
    let is_verb = |name: &str| {
        let name = name.rsplit("::").next().unwrap_or(name);
        ["(", "<"].iter().any(|after| {
            ["pub fn", "pub async fn"]
                .iter()
                .any(|before| runtime.contains(&format!("{before} {name}{after}")))
        })
    };
    for row in &rows {
        // What has no verb says why, and may name a call of the host for it.
        for name in names(row[1]) {
            let is_event =
                ["(", " {", ","].iter().any(|after| events.contains(&format!("    {name}{after}")));
            let is_call = row[1].starts_with("none") && host.contains(&format!("fn {name}("));
            assert!(is_verb(name) || is_event || is_call, "{name} for {} is not there", row[0]);
        }
        for name in row.get(2).map(|cell| names(cell)).unwrap_or_default() {
            assert!(host.contains(&format!("fn {name}(")), "{name} of a host for {} is not there", row[0]);
        }
    }
}
