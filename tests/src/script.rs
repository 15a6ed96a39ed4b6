//! Runs a script with node.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a script of a folder beside the tests on the ports of nodes; `answer` does what it asks for. Its figures go to the test's output.
pub fn run(folder: &str, script: &str, ports: &[u16], mut answer: impl FnMut(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    assert!(folder.join("node_modules").is_dir(), "run `npm ci` in {}", folder.display());
    let mut child = Command::new("node")
        .current_dir(folder)
        .arg(script)
        .args(ports.iter().map(ToString::to_string))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut answers = child.stdin.take().expect("a pipe");
    let mut last = String::new();
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        last = line.expect("text");
        match last.strip_prefix("ask ") {
            Some(request) => writeln!(answers, "{}", answer(request)).expect("a script that waits"),
            None => println!("{script}: {last}"),
        }
    }
    let status = child.wait().expect("a child");
    assert!(status.success() && last == "passed", "{script} ended with {status}, its last line: {last:?}");
}
