//! What one node says of the cluster, read from its status route.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A node that does not answer by then counts as one that does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What a node says.
#[derive(Clone, Debug)]
pub struct View {
    /// Whether it serves clients.
    pub ready: bool,
    /// Why it does not.
    pub reasons: Vec<String>,
    /// Whether it agrees with all of its members.
    pub converged: bool,
    /// How many rooms there are.
    pub rooms: u64,
    /// The members besides itself, and how each is: `connected`, `in doubt`, `unreachable from here`.
    pub members: BTreeMap<String, String>,
    /// What carries the session with each: `tls`, or `tunnel` through a third member; none without a session.
    pub transports: BTreeMap<String, Option<String>>,
    /// Of each owner, itself included, the version and the hash of what is here.
    pub states: BTreeMap<String, (u64, String)>,
}

impl View {
    /// Asks the node at this address.
    pub(super) fn of((host, port): (Ipv4Addr, u16)) -> Option<Self> {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from((host, port)), ANSWER_WITHIN).ok()?;
        stream.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
        let request = "GET /_plugin/cluster/status HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Self::read(&serde_json::from_str::<Value>(body).ok()?["result"])
    }

    fn read(status: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let state =
            |value: &Value| Some((text(&value["id"])?, (value["version"].as_u64()?, text(&value["hash"])?)));
        let pool = status["pool"].as_array()?;
        let member = |value: &Value| Some((text(&value["id"])?, text(&value["state"])?));
        Some(Self {
            ready: status["current"]["ready"].as_bool()?,
            reasons: status["reasons"].as_array()?.iter().filter_map(text).collect(),
            converged: status["converged"].as_bool()?,
            rooms: status["rooms"].as_u64()?,
            members: pool.iter().map(member).collect::<Option<_>>()?,
            transports: pool
                .iter()
                .map(|value| Some((text(&value["id"])?, text(&value["transport"]))))
                .collect::<Option<_>>()?,
            states: pool.iter().chain([&status["current"]]).map(state).collect::<Option<_>>()?,
        })
    }
}
