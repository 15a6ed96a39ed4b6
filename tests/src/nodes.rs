//! Three processes of the node.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const NAMES: [&str; 3] = ["node-a", "node-b", "node-c"];

/// A cluster of processes with mutual TLS, each ended at the latest with this value.
#[derive(Debug)]
pub struct Nodes {
    certificates: TempDir,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    child: Child,
    /// Where clients connect, and where members do.
    port: u16,
    member_port: u16,
}

impl Nodes {
    /// Three nodes that are ready.
    pub fn start() -> Self {
        let certificates = tempfile::tempdir().expect("a folder");
        let mut certs = Command::new(binary());
        certs.args(["certs", "--nodes", &NAMES.join(","), "--out"]).arg(certificates.path());
        assert!(certs.stdout(Stdio::null()).status().expect("the binary starts").success());
        let mut nodes = Self { certificates, nodes: Vec::new() };
        let mut lines = Vec::new();
        for name in NAMES {
            let (node, rest) = nodes.launch(name, (0, 0));
            nodes.nodes.push(node);
            lines.push((name, rest));
        }
        for (name, mut lines) in lines {
            assert_eq!(lines.next(), Some(format!("{name} is ready")));
        }
        nodes
    }

    /// Where clients connect.
    pub fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(|node| node.port).collect()
    }

    /// The processes, in the order of their ports.
    pub fn processes(&self) -> Vec<u32> {
        self.nodes.iter().map(|node| node.child.id()).collect()
    }

    /// Sends the last node a signal, such as `STOP`.
    pub fn signal_last(&self, signal: &str) {
        let last = self.nodes.last().expect("three nodes");
        let kill = Command::new("kill").arg(format!("-{signal}")).arg(last.child.id().to_string()).status();
        assert!(kill.expect("kill starts").success());
    }

    /// Ends the last node as `kill -9` does.
    pub fn kill_last(&mut self) {
        let last = self.nodes.last_mut().expect("three nodes");
        last.child.kill().expect("a child that runs");
        last.child.wait().expect("a child");
    }

    /// Starts the last node again, on its addresses; how long it took until it was ready.
    pub fn restart_last(&mut self) -> Duration {
        let began = Instant::now();
        let last = self.nodes.pop().expect("three nodes");
        let (node, mut lines) = self.launch("node-c", (last.port, last.member_port));
        assert_eq!(lines.next().as_deref(), Some("node-c is ready"));
        self.nodes.push(node);
        began.elapsed()
    }

    /// Starts a node that finds the others by its seeds; the lines that it prints once it listens.
    fn launch(
        &self,
        name: &str,
        (port, member_port): (u16, u16),
    ) -> (Node, impl Iterator<Item = String> + use<>) {
        let folder = self.certificates.path().display();
        let seeds: Vec<_> =
            self.nodes.iter().map(|node| format!("\"tcp://127.0.0.1:{}\"", node.member_port)).collect();
        let settings = [
            format!("server.port={port}"),
            format!("plugins.cluster.nodeId={name}"),
            format!("plugins.cluster.bind=tcp://127.0.0.1:{member_port}"),
            format!("plugins.cluster.seeds=[{}]", seeds.join(",")),
            "plugins.cluster.minimumNodes=2".to_owned(),
            format!("plugins.cluster.tls.certificate={folder}/{name}.pem"),
            format!("plugins.cluster.tls.key={folder}/{name}-key.pem"),
            format!("plugins.cluster.tls.authorities={folder}/ca.pem"),
        ];
        let mut child = Command::new(binary())
            .arg("run")
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let mut listening = || {
            let line = lines.next().unwrap_or_else(|| panic!("{name} has ended"));
            let port =
                line.split_once("127.0.0.1:").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
            port.unwrap_or_else(|| panic!("no port in {line:?}"))
        };
        let (port, member_port) = (listening(), listening());
        (Node { child, port, member_port }, lines)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The node's binary: that of `CLUSTER_NODE_BINARY`, or else built with the profile of the tests.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(chosen) = std::env::var_os("CLUSTER_NODE_BINARY") {
            return PathBuf::from(chosen);
        }
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "cluster-node", "--bin", "cluster-node"])
            .arg("--message-format=json-render-diagnostics")
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo starts");
        assert!(built.status.success(), "the binary does not build");
        let messages = String::from_utf8(built.stdout).expect("text");
        let mut artifacts =
            messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let executable = artifacts.find_map(|artifact| artifact["executable"].as_str().map(PathBuf::from));
        executable.expect("an executable")
    })
}
