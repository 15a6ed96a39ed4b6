//! What is secret stays out of everything that a node writes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use cluster_tests::{Pki, binary};

/// What a POST to a node's administrative route is answered.
fn post(port: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    let head =
        format!("POST /_plugin/cluster/reset HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {token}\r\n");
    stream.write_all(format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_node_that_tells_all_tells_no_secret() {
    let (token, password, guess) = ("t0ken-of-the-admin", "p4ssword-of-redis", "gu3ss-of-a-stranger");
    let pki = Pki::new("kuzzle");
    let files = pki.node("node-a");
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let settings = [
        "server.port=0".to_owned(),
        "plugins.cluster.bind=tcp://127.0.0.1:0".to_owned(),
        format!("plugins.cluster.adminToken={token}"),
        // Nobody listens there: what fails is told at length.
        format!("plugins.cluster.redis=redis://user:{password}@127.0.0.1:1"),
        format!("plugins.cluster.tls.certificate={}", files.certificate.display()),
        format!("plugins.cluster.tls.key={}", files.key.display()),
        format!("plugins.cluster.tls.authorities={}", files.authorities[0].display()),
    ];
    let settings = || settings.iter().flat_map(|setting| ["--set", setting]);
    let shown = Command::new(binary()).args(["run", "--check-config"]).args(settings()).output().unwrap();
    let mut node = Command::new(binary())
        .arg("run")
        .args(settings())
        .env("RUST_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let (_, rest) = first.split_once("127.0.0.1:").unwrap_or_else(|| panic!("no port in {first:?}"));
    let port = rest.split(' ').next().unwrap();
    let (refused, taken) = (post(port, guess), post(port, token));
    node.kill().unwrap();
    node.wait().unwrap();

    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    assert!(taken.starts_with("HTTP/1.1 200"), "{taken}");
    let key = std::fs::read_to_string(&files.key).unwrap();
    let key = key.lines().nth(1).unwrap();
    let written = std::fs::read_to_string(&log).unwrap();
    assert!(written.contains("the Redis 127.0.0.1:1 cannot be reached"), "nothing was told:\n{written}");
    let shown = String::from_utf8(shown.stdout).unwrap();
    for (what, text) in [("the log", &written), ("--check-config", &shown), ("an answer", &refused)] {
        for secret in [token, password, guess, key] {
            assert!(!text.contains(secret), "{what} has {secret}:\n{text}");
        }
    }
}
