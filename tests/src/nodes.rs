//! Three processes of the node.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use crate::NodeProcess;

const NAMES: [&str; 3] = ["node-a", "node-b", "node-c"];

/// A cluster of processes with mutual TLS, each ended at the latest with this value.
#[derive(Debug)]
pub struct Nodes {
    scheme: &'static str,
    certificates: TempDir,
    nodes: Vec<NodeProcess>,
}

impl Nodes {
    /// Three nodes that are ready.
    pub fn start() -> Self {
        Self::start_over("tcp")
    }

    /// The same over `tcp` or `quic`.
    pub fn start_over(scheme: &'static str) -> Self {
        let certificates = tempfile::tempdir().expect("a folder");
        let mut certs = Command::new(binary());
        certs.args(["certs", "--nodes", &NAMES.join(","), "--out"]).arg(certificates.path());
        assert!(certs.stdout(Stdio::null()).status().expect("the binary starts").success());
        let mut nodes = Self { scheme, certificates, nodes: Vec::new() };
        for name in NAMES {
            let node = nodes.launch(name, (0, 0));
            nodes.nodes.push(node);
        }
        for node in &mut nodes.nodes {
            node.ready();
        }
        nodes
    }

    /// Where clients connect.
    pub fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(NodeProcess::port).collect()
    }

    /// The processes, in the order of their ports.
    pub fn processes(&self) -> Vec<u32> {
        self.nodes.iter().map(NodeProcess::id).collect()
    }

    /// Sends the last node a signal, such as `STOP`.
    pub fn signal_last(&self, signal: &str) {
        self.nodes.last().expect("three nodes").signal(signal);
    }

    /// Ends the last node as `kill -9` does.
    pub fn kill_last(&mut self) {
        self.nodes.last_mut().expect("three nodes").kill();
    }

    /// Starts the last node again, on its addresses; how long it took until it was ready.
    pub fn restart_last(&mut self) -> Duration {
        let last = self.nodes.pop().expect("three nodes");
        let mut node = self.launch("node-c", (last.port(), last.member_port()));
        let took = node.ready();
        self.nodes.push(node);
        took
    }

    /// Starts a node that finds the others by its seeds.
    fn launch(&self, name: &str, (port, member_port): (u16, u16)) -> NodeProcess {
        let (scheme, folder) = (self.scheme, self.certificates.path().display());
        let seed = |node: &NodeProcess| format!("\"{scheme}://127.0.0.1:{}\"", node.member_port());
        let seeds: Vec<_> = self.nodes.iter().map(seed).collect();
        let settings = [
            format!("server.port={port}"),
            format!("plugins.cluster.bind={scheme}://127.0.0.1:{member_port}"),
            format!("plugins.cluster.seeds=[{}]", seeds.join(",")),
            "plugins.cluster.minimumNodes=2".to_owned(),
            format!("plugins.cluster.tls.certificate={folder}/{name}.pem"),
            format!("plugins.cluster.tls.key={folder}/{name}-key.pem"),
            format!("plugins.cluster.tls.authorities={folder}/ca.pem"),
        ];
        NodeProcess::launch(name, &settings)
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
