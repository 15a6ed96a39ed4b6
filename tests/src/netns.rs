//! Nodes as real processes, each in a network namespace of its own, and what is done to the network between them.
//!
//! A test runs inside a namespace of its own as well (`inside`), so nothing of it reaches the machine's network: the bridge that
//! joins the nodes is in there, and every namespace is gone when the test ends.

mod clients;
mod lab;
mod link;
mod process;
mod view;

use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

pub use lab::{Lab, Views};
pub use process::Starvation;
pub use view::View;

/// Set in the process that runs inside the namespace.
const INSIDE: &str = "CLUSTER_TESTS_NETNS";

/// Runs a test in a network namespace of its own: this test alone, in another process of this binary. Without root, `ip` or
/// `iptables` it says what is missing and does nothing.
pub fn inside(test: fn(&str)) {
    // One at a time: they share the processor, and tell figures.
    static ALONE: Mutex<()> = Mutex::new(());
    if let Some(name) = std::env::var_os(INSIDE) {
        return test(&name.into_string().expect("a name of ours"));
    }
    if let Some(missing) = missing() {
        eprintln!("SKIPPED: tests in network namespaces need {missing}");
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let thread = std::thread::current();
    let test = thread.name().expect("the name of the test");
    let namespace = Namespace::new(format!("cluster-{}-{:04x}", std::process::id(), fold(test)));
    let status = Command::new("ip")
        .args(["netns", "exec", &namespace.name])
        .arg(std::env::current_exe().expect("this binary"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, &namespace.name)
        .status();
    assert!(status.expect("ip starts").success(), "{test} failed in its namespace");
}

/// What of that which these tests need is not there.
fn missing() -> Option<&'static str> {
    let works = |program: &str, argument: &str| {
        let run = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    };
    let uid = Command::new("id").arg("-u").output().map(|output| output.stdout);
    match () {
        () if uid.ok().as_deref() != Some(b"0\n") => Some("root"),
        () if !works("ip", "-Version") => Some("ip, of the package iproute2"),
        () if !works("iptables", "--version") => Some("iptables"),
        () => None,
    }
}

/// Four digits of a name, so that tests that run side by side have different ones.
fn fold(text: &str) -> u16 {
    text.bytes().fold(0, |sum: u16, byte| sum.wrapping_mul(31).wrapping_add(u16::from(byte)))
}

/// A network namespace, deleted with this value.
#[derive(Debug)]
struct Namespace {
    name: String,
}

impl Namespace {
    fn new(name: String) -> Self {
        run("ip", &["netns", "add", &name]);
        Self { name }
    }

    /// A command that runs in it.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program).args(arguments).output().expect("ip starts");
        check(program, arguments, &output);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Whoever made it is root; a failure would leave an empty namespace behind and nothing else.
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    check(program, arguments, &output.unwrap_or_else(|error| panic!("{program}: {error}")));
}

fn check(program: &str, arguments: &[&str], output: &Output) {
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {} failed: {why}", arguments.join(" "));
}
