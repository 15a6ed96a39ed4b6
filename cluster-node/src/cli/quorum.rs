//! `quorum`: what would happen if some nodes were gone.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::remote::{self, Url};
use super::{Failure, say};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where one of the nodes serves clients, such as http://127.0.0.1:7512
    #[arg(value_name = "URL")]
    url: Url,
    /// The nodes that would be gone; without it, how many could be
    #[arg(long, value_name = "a,b", value_delimiter = ',')]
    without: Vec<String>,
}

pub(super) async fn quorum(arguments: &Arguments) -> Result<(), Failure> {
    let url = &arguments.url;
    let not_understood = || Failure::Remote(format!("{url}: its status is not understood"));
    let now = Quorum::read(&remote::get(url, remote::STATUS).await?).ok_or_else(not_understood)?;
    say(format_args!("now: {now}"));
    if arguments.without.is_empty() {
        return Ok(());
    }
    let left = now.without(&arguments.without)?;
    say(format_args!("without {}: {left}", arguments.without.join(", ")));
    if left.spare().is_none() && now.spare().is_some() {
        return Err(Failure::Quorum { left: left.nodes.len(), minimum: left.minimum });
    }
    Ok(())
}

/// The nodes that one node counts, and how many are needed.
#[derive(Clone, Debug)]
struct Quorum {
    nodes: BTreeSet<String>,
    /// Of these, the ones that may be gone already.
    doubted: BTreeSet<String>,
    minimum: usize,
}

impl Quorum {
    fn read(status: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let pool = status.get("pool")?.as_array()?;
        let me = text(status.get("current")?.get("id")?)?;
        let (mut nodes, mut doubted) = (BTreeSet::from([me]), BTreeSet::new());
        for member in pool {
            let id = text(member.get("id")?)?;
            if member.get("state")? != "connected" {
                doubted.insert(id.clone());
            }
            nodes.insert(id);
        }
        let minimum = usize::try_from(status.get("minimumNodes")?.as_u64()?).ok()?;
        Some(Self { nodes, doubted, minimum })
    }

    fn without(&self, gone: &[String]) -> Result<Self, Failure> {
        if let Some(unknown) = gone.iter().find(|node| !self.nodes.contains(*node)) {
            let known: Vec<&str> = self.nodes.iter().map(String::as_str).collect();
            return Err(Failure::Usage(format!(
                "{unknown} is no node of this cluster: it has {}",
                known.join(", ")
            )));
        }
        let left =
            |nodes: &BTreeSet<String>| nodes.iter().filter(|node| !gone.contains(node)).cloned().collect();
        Ok(Self { nodes: left(&self.nodes), doubted: left(&self.doubted), minimum: self.minimum })
    }

    /// How many more could be gone; none if there are too few already.
    fn spare(&self) -> Option<usize> {
        self.nodes.len().checked_sub(self.minimum)
    }
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, doubted, minimum } = self;
        let join = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        write!(f, "{} of at least {minimum} nodes (minimumNodes)", nodes.len())?;
        if !nodes.is_empty() {
            write!(f, ": {}", join(nodes))?;
        }
        match self.spare() {
            None => write!(f, "; too few: they stop being ready, a second after they have noticed")?,
            Some(0) => write!(f, "; enough, and none can be spared")?,
            Some(1) => write!(f, "; enough, and one can be spared")?,
            Some(spare) => write!(f, "; enough, and {spare} can be spared")?,
        }
        if !doubted.is_empty() {
            write!(f, " (in doubt: {})", join(doubted))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn three() -> Quorum {
        let member = |id: &str, state: &str| json!({ "id": id, "state": state });
        let pool = [member("b", "connected"), member("c", "in doubt")];
        Quorum::read(&json!({ "current": { "id": "a" }, "pool": pool, "minimumNodes": 2 })).unwrap()
    }

    #[test]
    fn what_is_left_is_counted_against_what_is_needed() {
        let now = three();
        assert_eq!(
            now.to_string(),
            "3 of at least 2 nodes (minimumNodes): a, b, c; enough, and one can be spared (in doubt: c)"
        );
        let left = now.without(&["c".to_owned()]).unwrap();
        assert_eq!(
            left.to_string(),
            "2 of at least 2 nodes (minimumNodes): a, b; enough, and none can be spared"
        );
        let left = now.without(&["a".to_owned(), "c".to_owned()]).unwrap();
        assert_eq!(
            left.to_string(),
            "1 of at least 2 nodes (minimumNodes): b; too few: they stop being ready, a second after they have noticed"
        );
    }

    #[test]
    fn a_node_that_is_not_there_cannot_be_gone() {
        let error = three().without(&["x".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "x is no node of this cluster: it has a, b, c");
    }

    #[test]
    fn a_status_of_something_else_is_not_understood() {
        assert!(Quorum::read(&json!({ "pool": [] })).is_none());
    }
}
