//! The services of docker-compose.yml as processes: their commands, their environment, their files.

use std::path::Path;
use std::process::{Command, Stdio};

use cluster_tests::{Compose, NodeProcess, binary, compose, reserve_port};
use tempfile::TempDir;

/// The nodes of a compose file. What is an address there is another one here.
#[derive(Debug)]
pub(crate) struct Topology {
    compose: Compose,
    certificates: TempDir,
    environment: Vec<(String, String)>,
    pub(crate) nodes: Vec<NodeProcess>,
}

impl Topology {
    /// The nodes of these files, all ready, with these variables in place of those of the files.
    pub(crate) fn start(files: &[&str], environment: &[(&str, String)]) -> Self {
        let compose = Compose::read(files);
        let mut variables = compose.environment("node");
        for (name, value) in environment {
            variables.retain(|(known, _)| known != name);
            variables.push(((*name).to_owned(), value.clone()));
        }
        let certificates = tempfile::tempdir().unwrap();
        let mut topology = Self { compose, certificates, environment: variables, nodes: Vec::new() };
        topology.make_certificates();
        let replicas = topology.compose.at("/services/node/deploy/replicas").as_u64().unwrap();
        // Members listen at ports that are known beforehand: they find each other as the names of a DNS say.
        topology.nodes = (0..replicas).map(|_| topology.launch(0, reserve_port())).collect();
        for node in &mut topology.nodes {
            node.ready();
        }
        topology
    }

    /// Runs the service that makes certificates, twice, as `up` does when it is called again.
    fn make_certificates(&self) {
        for _ in 0..2 {
            let words = self.compose.command("certificates").into_iter().map(|word| self.here(&word));
            let status = Command::new(binary()).args(words).stdout(Stdio::null()).status();
            assert!(status.unwrap().success());
        }
    }

    fn launch(&self, port: u16, member_port: u16) -> NodeProcess {
        let configuration = self.certificates.path().join("kuzzlerc");
        let text = std::fs::read_to_string(compose::folder().join("kuzzlerc")).unwrap();
        std::fs::write(&configuration, self.here(&text)).unwrap();
        let path = configuration.to_str().unwrap();
        let words = self.compose.command("node").into_iter();
        let words: Vec<_> = words.map(|word| word.replace("/etc/cluster/kuzzlerc", path)).collect();
        let variable = |name: &str, value: String| (format!("kuzzle_{name}"), value);
        let mut environment = self.environment.clone();
        environment.extend([
            variable("server__host", "127.0.0.1".to_owned()),
            variable("server__port", port.to_string()),
            variable("plugins__cluster__bind", format!("tcp://127.0.0.1:{member_port}")),
        ]);
        NodeProcess::run(&words, &environment)
    }

    /// Starts a node that has ended on its ports again, and waits until it is ready.
    pub(crate) fn restart(&mut self, number: usize) {
        let (port, member_port) = (self.nodes[number].port(), self.nodes[number].member_port());
        let mut node = self.launch(port, member_port);
        node.ready();
        self.nodes[number] = node;
    }

    /// Where clients connect.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(NodeProcess::port).collect()
    }

    /// A text in which the volume is a folder of this machine.
    fn here(&self, text: &str) -> String {
        let certificates: &Path = self.certificates.path();
        text.replace("/certs", certificates.to_str().unwrap())
    }
}
