//! One process of the node.

use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{GIVE_UP, binary};

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
        let mut command = Command::new(binary());
        command.arg("run").args(["--set", &format!("plugins.cluster.nodeId={name}")]);
        command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        Self::spawn(command)
    }

    /// A node with this command line (from `run` on) and these variables beside those of the test, once it listens.
    pub fn run(words: &[String], environment: &[(String, String)]) -> Self {
        Self::run_from(binary(), words, environment)
    }

    /// The same from a binary of the caller's choice.
    pub fn run_from(binary: &Path, words: &[String], environment: &[(String, String)]) -> Self {
        let mut command = Command::new(binary);
        command.args(words).envs(environment.iter().cloned());
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let began = Instant::now();
        command.env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut node = Self { name: String::new(), child, lines, began, port: 0, member_port: 0 };
        let first = node.line();
        node.name = first.split(' ').next().unwrap_or_default().to_owned();
        node.port = listening(&first);
        node.member_port = listening(&node.line());
        node
    }

    fn line(&mut self) -> String {
        let line = self.lines.next().unwrap_or_else(|| panic!("{} has ended", self.name));
        line.expect("text")
    }

    /// Waits until it says that it is ready; how long that took from its start.
    pub fn ready(&mut self) -> Duration {
        let mut line = self.line();
        // A node that speaks QUIC names the TCP address beside it too.
        while line.contains(" listens for members on ") {
            line = self.line();
        }
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

    /// Waits until it has ended by itself; its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => return status.code(),
                None => assert!(began.elapsed() < GIVE_UP, "{} goes on", self.name),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port of loopback that a line names.
fn listening(line: &str) -> u16 {
    let port = line.split_once("127.0.0.1:").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    port.unwrap_or_else(|| panic!("no port in {line:?}"))
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
