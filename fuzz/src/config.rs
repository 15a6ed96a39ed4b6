//! Configuration: any text is a configuration or one clear error, and what is read is in effect as it is shown.

use cluster_core::config::{Config, Sources};

use crate::input::Input;

/// How long an error may be, in characters: one that repeats a value shows no more than its beginning.
const MAX_ERROR: usize = 4 * 1024;

/// The property. The first byte says whether the rest is a file or assignments, one a line.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let is_file = input.bool();
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    let sources = if is_file {
        Sources::new().file("fuzz.jsonc", text)
    } else {
        text.lines().fold(Sources::new(), Sources::assign)
    };
    match Config::load(&sources) {
        Ok(config) => {
            assert!(!config.listeners().is_empty());
            let first: Vec<String> = config.effective().map(|setting| format!("{setting:?}")).collect();
            let again = Config::load(&sources).expect("the same sources are a configuration again");
            let second: Vec<String> = again.effective().map(|setting| format!("{setting:?}")).collect();
            assert_eq!(first, second);
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && text.chars().count() <= MAX_ERROR, "{} characters", text.len());
            assert!(!text.contains('\n'), "an error is one line: {text:?}");
        }
    }
}
