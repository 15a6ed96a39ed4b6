//! A rolling restart of five nodes behind HAProxy under the load of SDK clients; with `CLUSTER_NODE_PREVIOUS` an upgrade.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cluster_tests::{Front, GIVE_UP, NodeProcess, binary, http, reserve_port, script};
use tempfile::TempDir;

const NODES: usize = 5;

/// Five nodes with mutual TLS that know each other's addresses.
struct Fleet {
    certificates: TempDir,
    member_ports: Vec<u16>,
    nodes: Vec<NodeProcess>,
    drain_window: String,
}

impl Fleet {
    fn start(from: &Path, drain_window: String) -> Self {
        let certificates = tempfile::tempdir().expect("a folder");
        let mut certs = Command::new(binary());
        certs.args(["certs", "--shared", "--out"]).arg(certificates.path()).stdout(Stdio::null());
        assert!(certs.status().expect("the binary starts").success());
        let member_ports = (0..NODES).map(|_| reserve_port()).collect();
        let mut fleet = Self { certificates, member_ports, nodes: Vec::new(), drain_window };
        fleet.nodes = (0..NODES).map(|number| fleet.launch(from, number, 0)).collect();
        for node in &mut fleet.nodes {
            node.ready();
        }
        fleet
    }

    fn launch(&self, from: &Path, number: usize, port: u16) -> NodeProcess {
        let folder = self.certificates.path().display();
        let seeds = self.member_ports.iter().map(|port| format!("\"tcp://127.0.0.1:{port}\""));
        let settings = [
            format!("server.port={port}"),
            format!("plugins.cluster.nodeId=node-{number}"),
            format!("plugins.cluster.bind=tcp://127.0.0.1:{}", self.member_ports[number]),
            format!("plugins.cluster.seeds=[{}]", seeds.collect::<Vec<_>>().join(",")),
            "plugins.cluster.minimumNodes=3".to_owned(),
            format!("plugins.cluster.tls.certificate={folder}/shared.pem"),
            format!("plugins.cluster.tls.key={folder}/shared-key.pem"),
            format!("plugins.cluster.tls.authorities={folder}/ca.pem"),
        ];
        let mut words = vec!["run".to_owned(), "--drain-window".to_owned(), self.drain_window.clone()];
        words.extend(settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]));
        NodeProcess::run_from(from, &words, &[])
    }

    fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(NodeProcess::port).collect()
    }

    /// Tells a node to end, as a service manager does, and waits until it takes no new clients.
    fn drain(&self, number: usize) {
        let node = &self.nodes[number];
        node.signal("TERM");
        let is_ready = || {
            http::get(node.port(), "/_plugin/cluster/health/ready").is_some_and(|(status, _)| status == 200)
        };
        let began = Instant::now();
        while is_ready() {
            assert!(began.elapsed() < GIVE_UP, "node {number} does not drain");
            sleep(Duration::from_millis(10));
        }
    }

    fn end(&mut self, number: usize) {
        assert_eq!(self.nodes[number].ended(), Some(0));
    }

    fn start_again(&mut self, number: usize) {
        let mut node = self.launch(binary(), number, self.nodes[number].port());
        node.ready();
        self.nodes[number] = node;
    }
}

#[test]
fn a_rolling_restart_leaves_no_client_without_a_node_and_accounts_for_every_notification() {
    let previous = std::env::var_os("CLUSTER_NODE_PREVIOUS").map(PathBuf::from);
    let window = std::env::var("CLUSTER_ROLLING_WINDOW").unwrap_or_else(|_| "1s".to_owned());
    let mut fleet = Fleet::start(previous.as_deref().unwrap_or(binary()), window);
    let front = Front::haproxy(&fleet.ports());
    let ports = [vec![front.port()], fleet.ports()].concat();
    script::run("sdk", "rolling.mjs", &ports, |request| {
        let (verb, number) = request.split_once(' ').unwrap_or_else(|| panic!("{request:?} is not expected"));
        let number = number.parse().expect("a number");
        match verb {
            "drain" => fleet.drain(number),
            "end" => fleet.end(number),
            "start" => fleet.start_again(number),
            _ => panic!("{request:?} is not expected"),
        }
        "done".to_owned()
    });
}
