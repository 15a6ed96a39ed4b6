//! Processes of the binary, each ended at the latest with its test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How long a process may live before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node that runs.
pub(crate) struct Process {
    child: Child,
    /// Held for as long as the process may take its time.
    _alarm: Sender<()>,
    lines: BufReader<ChildStdout>,
}

/// What a process that has ended had to say.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    Process::start(arguments).end()
}

impl Process {
    /// Starts the binary as a user would who wants backtraces.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cluster-node"))
            .args(arguments)
            .env("RUST_BACKTRACE", "full")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { _alarm: alarm(child.id()), child, lines }
    }

    /// The next line of standard output, without its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Sends it a signal, such as `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let kill = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status();
        assert!(kill.expect("kill starts").success());
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let status = self.child.wait().expect("a child");
        let (mut output, mut errors) = (String::new(), String::new());
        self.lines.read_to_string(&mut output).expect("text");
        self.child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
        Ended { code: status.code(), output, errors }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends a process that is not done in time; a process that ends gives no more lines.
fn alarm(process: u32) -> Sender<()> {
    let (held, dropped) = channel();
    thread::spawn(move || {
        if dropped.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            // It may have ended by itself at this very moment.
            let _ = Command::new("kill").arg("-KILL").arg(process.to_string()).status();
        }
    });
    held
}
