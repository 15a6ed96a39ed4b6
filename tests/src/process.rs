//! One process of the node.

use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::binary;

/// A process that runs a node, ended with this value.
#[derive(Debug)]
pub struct NodeProcess {
    name: String,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    began: Instant,
    port: u16,
    member_port: u16,
}

impl NodeProcess {
    /// A node with these settings, each `key=value`, once it listens. Its warnings go to the output of the test.
    pub fn launch(name: &str, settings: &[String]) -> Self {
        let binary = binary();
        let began = Instant::now();
        let mut child = Command::new(binary)
            .arg("run")
            .args(["--set", &format!("plugins.cluster.nodeId={name}")])
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut node = Self { name: name.to_owned(), child, lines, began, port: 0, member_port: 0 };
        (node.port, node.member_port) = (node.listening(), node.listening());
        node
    }

    /// The port that a line names.
    fn listening(&mut self) -> u16 {
        let line = self.line();
        let port = line.split_once("127.0.0.1:").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        port.unwrap_or_else(|| panic!("no port in {line:?}"))
    }

    fn line(&mut self) -> String {
        let line = self.lines.next().unwrap_or_else(|| panic!("{} has ended", self.name));
        line.expect("text")
    }

    /// Waits until it says that it is ready; how long that took from its start.
    pub fn ready(&mut self) -> Duration {
        let line = self.line();
        assert_eq!(line, format!("{} is ready", self.name));
        self.began.elapsed()
    }

    /// Its node id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where clients connect, for a socket.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Where members connect.
    pub fn member_port(&self) -> u16 {
        self.member_port
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, such as `STOP`.
    pub fn signal(&self, signal: &str) {
        let kill = Command::new("kill").arg(format!("-{signal}")).arg(self.id().to_string()).status();
        assert!(kill.expect("kill starts").success());
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
