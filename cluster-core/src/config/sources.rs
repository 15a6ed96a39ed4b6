//! What a configuration is read from: a file, the environment, assignments and flags on the command line.

use std::path::Path;
use std::sync::Arc;
use std::{env, fmt, fs};

use serde_json::Value;

use super::error::ConfigError;

/// Where the value of a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The default in the code.
    Default,
    /// A call of the builder.
    Program,
    /// The file with this name.
    File(Arc<str>),
    /// The environment variable with this name.
    Environment(Arc<str>),
    /// An assignment on the command line (`--set`).
    Assignment,
    /// A flag of the command line that stands for the setting.
    Flag(Arc<str>),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::Program => f.write_str("the program"),
            Self::File(name) => write!(f, "the file {name}"),
            Self::Environment(name) => write!(f, "the environment variable {name}"),
            Self::Assignment => f.write_str("--set"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// The sources of a configuration, in rising order: a file, the environment, assignments, flags.
///
/// What is not given leaves the defaults as they are. Later assignments count more than earlier ones, and among variables
/// of the environment the longer path counts more.
#[derive(Clone, Default)]
pub struct Sources {
    pub(super) file: Option<(Arc<str>, String)>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) assignments: Vec<String>,
    pub(super) flags: Vec<Flag>,
}

/// A flag that stands for a setting.
#[derive(Clone)]
pub(super) struct Flag {
    pub(super) name: Arc<str>,
    pub(super) key: &'static str,
    pub(super) value: Value,
}

impl Sources {
    /// No source at all: the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the text of a file: JSON with comments, in the shape of a `.kuzzlerc`. The name stands in errors.
    #[must_use]
    pub fn file(mut self, name: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        self.file = Some((name.into(), text.into()));
        self
    }

    /// Adds a file from the disk.
    pub fn read_file(self, path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Ok(self.file(file, text)),
            Err(error) => Err(ConfigError::Unreadable { file, error: error.to_string() }),
        }
    }

    /// Adds environment variables as Kuzzle takes them: `kuzzle_plugins__cluster__minimumNodes=3`.
    ///
    /// Numbers, `true` and `false` are taken as such, and a value `*json:…` as the JSON behind the colon. Variables that do
    /// not begin with `kuzzle_` (in any case) are left alone.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// Adds the environment of this process; variables that are not Unicode are left out.
    #[must_use]
    pub fn process_environment(self) -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        self.environment(env::vars_os().filter_map(unicode))
    }

    /// Adds an assignment such as `plugins.cluster.minimumNodes=3`; the value is JSON where it parses, else text.
    #[must_use]
    pub fn assign(mut self, assignment: impl Into<String>) -> Self {
        self.assignments.push(assignment.into());
        self
    }

    /// Adds a flag of the command line that stands for a setting, such as `--trace` for `plugins.cluster.trace.file`. Its name
    /// stands in errors.
    #[must_use]
    pub fn flag(mut self, name: impl Into<Arc<str>>, key: &'static str, value: impl Into<Value>) -> Self {
        self.flags.push(Flag { name: name.into(), key, value: value.into() });
        self
    }
}

/// Values are left out: some are secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("file", &self.file.as_ref().map(|(name, _)| name))
            .field("environment", &self.environment.len())
            .field("assignments", &self.assignments.len())
            .field("flags", &self.flags.len())
            .finish()
    }
}
