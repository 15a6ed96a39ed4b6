//! A node under attack, another member of its cluster, and clients of both whose traffic has to go on.
//!
//! The nodes are real processes with mutual TLS. Each attack leaves a row for the table of docs/SECURITY.md in the output of its
//! test: what was tried, what the node did, its resident memory before and after, and the latency of the others' messages.

use std::net::SocketAddr;
use std::time::Duration;

use cluster_transport::proto::Address;
use cluster_transport::tls::{Tls, TlsFiles, TlsIdentity};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::attacker::{Attacker, hello};
use crate::stream::Stream;
use crate::{GIVE_UP, NodeProcess, Pki};

/// What a node may need more after an attack than before it, if nothing else is said: the buffers of its allocator.
pub const SLACK_MIB: u64 = 48;
/// How long the latency without an attack is measured.
const CALM: Duration = Duration::from_millis(500);

/// A cluster of two processes, and a node of it that is being attacked.
#[derive(Debug)]
pub struct Siege {
    victim: NodeProcess,
    friend: NodeProcess,
    pki: Pki,
    streams: Option<[Stream; 2]>,
}

/// What an attack has come to.
#[derive(Debug)]
pub struct Aftermath {
    siege: Siege,
    name: &'static str,
    tries: u64,
    memory: (u64, u64),
}

impl Siege {
    /// Starts both nodes, each with a client that publishes and one that listens to the other's.
    pub async fn begin() -> Self {
        let pki = Pki::new("kuzzle");
        let mut victim = launch("node-a", &pki.node("node-a"), None);
        let mut friend = launch("node-b", &pki.node("node-b"), Some(victim.member_port()));
        victim.ready();
        friend.ready();
        let streams = Some([
            Stream::begin("a-b", victim.address(), friend.address()).await,
            Stream::begin("b-a", friend.address(), victim.address()).await,
        ]);
        Self { victim, friend, pki, streams }
    }

    /// Authorities and certificates.
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// The victim's cluster port.
    pub fn address(&self) -> Address {
        format!("tcp://127.0.0.1:{}", self.victim.member_port()).parse().unwrap()
    }

    /// The victim's cluster port, for a socket.
    pub fn socket(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.victim.member_port()).into()
    }

    /// The friend's cluster port.
    pub fn friend(&self) -> Address {
        format!("tcp://127.0.0.1:{}", self.friend.member_port()).parse().unwrap()
    }

    /// The credentials of a member with this name.
    pub fn credentials(&self, node: &str) -> Tls {
        Tls::new(TlsIdentity::load(&self.pki.node(node)).unwrap(), &"kuzzle".parse().unwrap()).unwrap()
    }

    /// A member with valid credentials, in session with the victim, that is up to no good.
    pub async fn traitor(&self, node: &str) -> Attacker {
        Attacker::join(&self.address(), Some(&self.credentials(node)), hello("kuzzle", node)).await
    }

    /// Runs an attack beside the traffic, which says how often it tried.
    pub async fn under(self, name: &'static str, attack: impl AsyncFnOnce(&Self) -> u64) -> Aftermath {
        tokio::time::sleep(CALM).await;
        let before = self.resident_kib();
        for stream in self.streams.iter().flatten() {
            stream.under_attack();
        }
        let tries = attack(&self).await;
        let after = self.resident_kib();
        Aftermath { siege: self, name, tries, memory: (before, after) }
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.victim.id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// What the victim says of itself.
    pub async fn status(&self) -> Value {
        let body = get(self.victim.address(), "/_plugin/cluster/status").await;
        serde_json::from_str::<Value>(&body).unwrap()["result"].take()
    }

    /// Waits until what the victim says of itself fits.
    pub async fn shows(&self, what: &str, fits: impl Fn(&Value) -> bool) {
        let deadline = tokio::time::Instant::now() + GIVE_UP;
        loop {
            let status = self.status().await;
            if fits(&status) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{what} is not shown: {status:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a counter of the defence, such as `/turnedAway/TLS`, is at least so high, in the status and in the metrics.
    pub async fn counts(&self, pointer: &str, at_least: u64) {
        let count = |status: &Value| status["defence"].pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        self.shows(pointer, |status| count(status) >= at_least).await;
        let shown = count(&self.status().await);
        let (metric, reason) = match pointer.split('/').collect::<Vec<_>>()[..] {
            ["", "turnedAway", reason] => ("turned_away", format!("{{reason=\"{reason}\"}}")),
            ["", "sessionsClosed", reason] => ("sessions_closed", format!("{{reason=\"{reason}\"}}")),
            ["", "framesSkipped"] => ("frames_skipped", String::new()),
            ["", "requestsRefused"] => ("requests_refused", String::new()),
            ["", "disbelieved"] => ("disbelieved", String::new()),
            _ => panic!("no metric for {pointer}"),
        };
        let page = get(self.victim.address(), "/_plugin/cluster/metrics").await;
        let line = format!("cluster_{metric}_total{reason} ");
        let measured = page.lines().find_map(|shown| shown.strip_prefix(&line)?.parse::<u64>().ok());
        assert!(
            measured.is_some_and(|measured| measured >= shown),
            "{line}: {measured:?}, not {shown}:\n{page}"
        );
    }
}

impl Aftermath {
    /// What is asserted of the victim.
    pub fn siege(&self) -> &Siege {
        &self.siege
    }

    /// The traffic of the others is complete, the two members are as they were, and the memory has stayed within so much; the
    /// row for the table is written.
    pub async fn finish(self, what_it_did: &str, slack_mib: u64) {
        let Self { mut siege, name, tries, memory: (before, after) } = self;
        let mut latencies = Vec::new();
        for stream in siege.streams.take().into_iter().flatten() {
            latencies.push(stream.finish().await);
        }
        siege
            .shows("node-b as it was", |status| {
                let friend =
                    status["pool"].as_array().and_then(|pool| pool.iter().find(|it| it["id"] == "node-b"));
                status["current"]["ready"] == true
                    && friend.is_some_and(|it| it["state"] == "connected" && it["agrees"] == true)
            })
            .await;
        let removed = siege.status().await["activity"].as_array().is_some_and(|activity| {
            activity.iter().any(|it| it["node"] == "node-b" && it["event"] == "removed")
        });
        assert!(!removed, "the victim has removed its friend");
        let [calm, besieged] =
            [0, 1].map(|phase| latencies.iter().map(|it| it[phase]).max().unwrap_or_default());
        let mib = |kib: u64| format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024);
        println!(
            "| {name} | {tries} | {what_it_did} | {} → {} | {:.1} → {:.1} |",
            mib(before),
            mib(after),
            calm.as_secs_f64() * 1e3,
            besieged.as_secs_f64() * 1e3,
        );
        assert!(
            after <= before + slack_mib * 1024,
            "{name}: resident {} → {} MiB, more than {slack_mib} MiB on top",
            mib(before),
            mib(after)
        );
    }
}

fn launch(name: &str, files: &TlsFiles, seed: Option<u16>) -> NodeProcess {
    let seeds: Vec<_> = seed.iter().map(|port| format!("\"tcp://127.0.0.1:{port}\"")).collect();
    NodeProcess::launch(
        name,
        &[
            "server.port=0".to_owned(),
            "plugins.cluster.bind=tcp://127.0.0.1:0".to_owned(),
            format!("plugins.cluster.seeds=[{}]", seeds.join(",")),
            format!("plugins.cluster.minimumNodes={}", if seed.is_some() { 2 } else { 1 }),
            format!("plugins.cluster.tls.certificate={}", files.certificate.display()),
            format!("plugins.cluster.tls.key={}", files.key.display()),
            format!("plugins.cluster.tls.authorities={}", files.authorities[0].display()),
            "plugins.cluster.limits.handshakeTimeoutMs=2000".to_owned(),
            "plugins.cluster.limits.roomsPerMember=5000".to_owned(),
            "plugins.cluster.timers.discoverTimeout=2000".to_owned(),
        ],
    )
}

/// The body of the answer to a GET.
async fn get(server: SocketAddr, path: &str) -> String {
    let answer = async {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(GIVE_UP, answer).await.expect("an answer");
    answer.split_once("\r\n\r\n").expect("a head and a body").1.to_owned()
}
