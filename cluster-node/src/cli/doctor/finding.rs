//! Something that was found out.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// The node does not work so.
    Problem,
    /// It works, and probably not as it is meant.
    Warning,
    /// It is as it should be, or merely worth knowing.
    Fine,
}

/// One sentence, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn problem(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Problem, found: found.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn warning(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, found: found.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn fine(found: impl Into<String>) -> Self {
        Self { severity: Severity::Fine, found: found.into(), remedy: None }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Problem => "PROBLEM",
            Severity::Warning => "warning",
            Severity::Fine => "fine",
        };
        write!(f, "{word:<8} {}.", self.found)?;
        match &self.remedy {
            Some(remedy) => write!(f, " Remedy: {remedy}."),
            None => Ok(()),
        }
    }
}
