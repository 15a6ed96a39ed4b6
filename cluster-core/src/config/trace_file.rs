//! The name of the file that a node is traced to.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use cluster_transport::proto::{Incarnation, NodeId};

/// The path of a trace, with places for what tells the lives of nodes apart: `{node}` becomes the node's id, and `{started}` the
/// milliseconds since 1970 at its start, which are the epoch of its incarnation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFile(String);

/// A text that is no name of a trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceFileError {
    /// There is none.
    #[error("the name of the file is empty")]
    Empty,
    /// A brace begins no place that is known.
    #[error(
        "{got} in the name of the file stands for nothing: {{node}} and {{started}} do, and no other brace may be in it"
    )]
    UnknownPlace {
        /// From the brace on, up to the one that closes it.
        got: String,
    },
}

const NODE: &str = "{node}";
const STARTED: &str = "{started}";

impl TraceFile {
    /// The file of this life of a node.
    pub fn path(&self, node: &NodeId, incarnation: Incarnation) -> PathBuf {
        let started = incarnation.epoch.to_string();
        self.0.replace(STARTED, &started).replace(NODE, node.as_str()).into()
    }
}

impl FromStr for TraceFile {
    type Err = TraceFileError;

    fn from_str(text: &str) -> Result<Self, TraceFileError> {
        if text.is_empty() {
            return Err(TraceFileError::Empty);
        }
        let mut rest = text;
        while let Some((_, place)) = rest.find(['{', '}']).and_then(|at| rest.split_at_checked(at)) {
            let known = [NODE, STARTED].into_iter().find_map(|known| place.strip_prefix(known));
            rest = known.ok_or_else(|| {
                let got = place.split_inclusive('}').next().unwrap_or(place).to_owned();
                TraceFileError::UnknownPlace { got }
            })?;
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TraceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn each_life_of_each_node_has_a_file_of_its_own() {
        let path = |text: &str| {
            let file: TraceFile = text.parse().unwrap();
            file.path(&"node-a".parse().unwrap(), Incarnation { epoch: 17, nonce: 5 })
        };
        assert_eq!(path("/var/traces/{node}-{started}.trace"), Path::new("/var/traces/node-a-17.trace"));
        assert_eq!(path("{node}{node}"), Path::new("node-anode-a"));
        assert_eq!(path("a.trace"), Path::new("a.trace"));
    }

    #[test]
    fn a_place_that_nothing_is_known_for_is_refused_by_its_name() {
        let got = |text: &str| match text.parse::<TraceFile>() {
            Err(TraceFileError::UnknownPlace { got }) => got,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(got("a-{host}-{node}"), "{host}");
        assert_eq!(got("{node}-{started"), "{started");
        assert_eq!(got("{node}}"), "}");
        assert_eq!("".parse::<TraceFile>(), Err(TraceFileError::Empty));
        let said = "a-{host}".parse::<TraceFile>().unwrap_err().to_string();
        assert!(
            said.starts_with("{host} in the name of the file stands for nothing: {node} and {started} do"),
            "{said}"
        );
    }
}
