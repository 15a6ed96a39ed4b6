//! Who sees whom, and how: every member is asked for what it sees.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use cluster_transport::proto::NodeId;
use serde::{Deserialize, Serialize};

use super::status::Status;
use super::{Cluster, commands};

/// The longest answer that is read: a row of 4,096 members.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// What every node that could be asked sees of every other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Matrix {
    /// All nodes that anybody sees, in order.
    pub nodes: BTreeSet<String>,
    /// Who answered, this node included, with what it sees.
    pub rows: BTreeMap<String, MatrixRow>,
    /// Who is seen by somebody and did not answer this node, and why.
    pub silent: BTreeMap<String, String>,
}

/// What one node sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MatrixRow {
    /// Which life of it.
    pub incarnation: String,
    /// Whether it serves clients.
    pub ready: bool,
    /// Why it does not.
    pub reasons: Vec<String>,
    /// Whether all members hold the same state, as far as it has heard.
    pub converged: bool,
    /// How many rooms all nodes have together, as it knows.
    pub rooms: usize,
    /// How many subscriptions all nodes have together, as it knows.
    pub subscriptions: u64,
    /// Notifications that it has handed to the lanes of members.
    pub notifications_sent: u64,
    /// Notifications of members that its host was given.
    pub notifications_received: u64,
    /// The members that it sees, by their ids.
    pub sees: BTreeMap<String, Sight>,
}

/// How one node sees another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sight {
    /// `connected`, `in doubt`, or `unreachable from here`.
    pub state: String,
    /// Whether what is known of its state is what it claims.
    pub agrees: bool,
    /// What carries the session, if there is one.
    pub transport: Option<String>,
    /// The round trip, in microseconds, if it was measured.
    pub round_trip_us: Option<u64>,
    /// How long the last byte from it is ago, in milliseconds.
    pub last_seen_ms: u64,
    /// How many bytes it is behind, on all lanes.
    pub lag_bytes: usize,
}

impl MatrixRow {
    /// What a node with this status sees.
    pub fn of(status: &Status) -> Self {
        let sight = |member: &super::MemberStatus| {
            let lag_bytes =
                member.lag.values().map(|lane| lane.unsent_bytes + lane.unacknowledged_bytes).sum();
            let sight = Sight {
                state: member.state.to_owned(),
                agrees: member.agrees,
                transport: member.transport.clone(),
                round_trip_us: member.round_trip_us,
                last_seen_ms: member.last_seen_ms,
                lag_bytes,
            };
            (member.node.clone(), sight)
        };
        Self {
            incarnation: status.incarnation.clone(),
            ready: status.ready,
            reasons: status.reasons.clone(),
            converged: status.converged,
            rooms: status.rooms,
            subscriptions: status.subscriptions,
            notifications_sent: status.notifications_sent,
            notifications_received: status.notifications_received,
            sees: status.members.iter().map(sight).collect(),
        }
    }

    /// As it goes to a member that asks.
    pub(super) fn encode(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    fn decode(answer: &[u8]) -> Result<Self, String> {
        if answer.len() > MAX_ANSWER {
            return Err(format!("its answer has {} bytes, and {MAX_ANSWER} are read", answer.len()));
        }
        serde_json::from_slice(answer).map_err(|error| format!("its answer cannot be read: {error}"))
    }
}

impl Cluster {
    /// Asks every member for what it sees, all at once, each for at most this long. Cancel safe.
    ///
    /// A member that does not answer is named with the reason, as is a node that others see and this one does not.
    pub async fn matrix(&self, deadline: Duration) -> Matrix {
        let question = Bytes::from_static(&[commands::VIEW]);
        let answers = self.ask_all(self.members(), |_| question.clone(), deadline).await;
        let own = MatrixRow::of(&self.status());
        let mut matrix = Matrix::default();
        matrix.rows.insert(self.node_id().to_string(), own);
        for (node, answer) in answers {
            let row = answer.map_err(|failure| failure.to_string());
            match row.and_then(|row| MatrixRow::decode(&row)) {
                Ok(row) => drop(matrix.rows.insert(node.to_string(), row)),
                Err(why) => drop(matrix.silent.insert(node.to_string(), why)),
            }
        }
        matrix.name_all(self.node_id());
        matrix
    }
}

impl Matrix {
    fn name_all(&mut self, me: &NodeId) {
        let seen = self.rows.values().flat_map(|row| row.sees.keys());
        self.nodes = self.rows.keys().chain(self.silent.keys()).chain(seen).cloned().collect();
        for node in &self.nodes {
            if !self.rows.contains_key(node) {
                let why = || format!("{me} has no session with it");
                self.silent.entry(node.clone()).or_insert_with(why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sees: &[&str]) -> MatrixRow {
        let sight = |node: &&str| ((*node).to_owned(), Sight::default());
        MatrixRow { sees: sees.iter().map(sight).collect(), ..MatrixRow::default() }
    }

    #[test]
    fn a_node_that_only_others_see_is_named_as_silent() {
        let mut matrix = Matrix::default();
        matrix.rows.insert("a".to_owned(), row(&["b"]));
        matrix.rows.insert("b".to_owned(), row(&["a", "c"]));
        matrix.silent.insert("d".to_owned(), "no answer".to_owned());
        matrix.name_all(&"a".parse().unwrap());
        assert_eq!(matrix.nodes.iter().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        let silent: Vec<_> = matrix.silent.iter().map(|(node, why)| (node.as_str(), why.as_str())).collect();
        assert_eq!(silent, [("c", "a has no session with it"), ("d", "no answer")]);
    }

    #[test]
    fn a_row_of_another_version_is_read_as_far_as_it_goes() {
        let newer = br#"{"ready":true,"later":1,"sees":{"b":{"state":"connected","colour":"blue"}}}"#;
        let row = MatrixRow::decode(newer).unwrap();
        assert_eq!((row.ready, row.sees["b"].state.as_str(), row.rooms), (true, "connected", 0));
        assert_eq!(MatrixRow::decode(&row.encode()), Ok(row));
        assert!(MatrixRow::decode(b"[").is_err());
        assert!(MatrixRow::decode(&vec![b' '; MAX_ANSWER + 1]).is_err());
    }
}
