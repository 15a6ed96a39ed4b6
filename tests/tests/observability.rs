//! What monitoring and other machines make of a real node: Prometheus' own linter of its figures, and schemathesis, which asks
//! for everything that its OpenAPI description allows and for much that it does not.
#![allow(clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cluster_tests::{NodeProcess, Nodes, http};

const DESCRIPTION: &str = "/_plugin/cluster/openapi.json";

#[test]
fn prometheus_finds_nothing_wrong_with_the_figures() {
    let nodes = Nodes::start();
    for port in nodes.ports() {
        let page = page(port, "/_plugin/cluster/metrics");
        for name in ["cluster_certificate_remaining_seconds", "cluster_peer_connected{peer=\"node-"] {
            assert!(page.contains(name), "{name} is not in {page}");
        }
        let mut linter = Command::new("promtool");
        linter.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut linter =
            linter.spawn().expect("promtool of Debian's package prometheus: tests/run installs it");
        linter.stdin.take().expect("a pipe").write_all(page.as_bytes()).expect("a linter that reads");
        let found = linter.wait_with_output().expect("a child");
        let words = String::from_utf8_lossy(&found.stderr);
        assert!(found.status.success() && words.is_empty(), "{words}\n{page}");
    }
}

/// All routes but two. A drain ends the node, and is asked for below; events never end.
#[test]
fn every_route_answers_as_it_is_described() {
    let nodes = Nodes::start();
    schemathesis(
        nodes.ports()[0],
        &["--exclude-path", "/_plugin/cluster/drain", "--exclude-path", "/_plugin/cluster/events"],
    );
    let still = page(nodes.ports()[0], "/_plugin/cluster/health/ready");
    assert!(still.contains("\"ready\":true"), "{still}");
}

#[test]
fn whoever_has_no_token_is_refused_as_it_is_described() {
    let settings = [
        "server.port=0".to_owned(),
        "plugins.cluster.bind=tcp://127.0.0.1:0".to_owned(),
        "plugins.cluster.adminToken=secret".to_owned(),
    ];
    let mut node = NodeProcess::launch("node-a", &settings);
    node.ready();
    let guarded = ["drain", "reset", "hold"].map(|route| format!("/_plugin/cluster/{route}"));
    let options: Vec<&str> = guarded.iter().flat_map(|path| ["--include-path", path]).collect();
    // Nothing that is sent is accepted.
    schemathesis(
        node.port(),
        &[&options[..], &["--exclude-checks", "positive_data_acceptance,unsupported_method"]].concat(),
    );
    let still = page(node.port(), "/_plugin/cluster/health/ready");
    assert!(still.contains("\"ready\":true"), "{still}");
}

/// Runs it for a while (`CLUSTER_SCHEMATHESIS_SECONDS`, default 10) against a node of loopback.
fn schemathesis(port: u16, options: &[&str]) {
    let program = std::env::var_os("SCHEMATHESIS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemathesis/venv/bin/schemathesis"),
        PathBuf::from,
    );
    let seconds = std::env::var("CLUSTER_SCHEMATHESIS_SECONDS").unwrap_or_else(|_| "10".to_owned());
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(&program);
    command
        .current_dir(folder.path())
        .arg("run")
        .arg(format!("http://127.0.0.1:{port}{DESCRIPTION}"))
        .args(["--max-time", &seconds, "--request-timeout", "10", "--suppress-health-check", "all"])
        .args(["--continue-on-failure", "--no-color"])
        .args(options);
    if !options.contains(&"--exclude-checks") {
        // A method that a path does not have is an unknown URL to a Kuzzle host: 404 and not 405.
        command.args(["--exclude-checks", "unsupported_method"]);
    }
    let run = command.output();
    let run = run.unwrap_or_else(|error| panic!("{}: {error}; tests/run installs it", program.display()));
    let words = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{words}{}", String::from_utf8_lossy(&run.stderr));
    assert!(words.contains("generated"), "it has asked for nothing: {words}");
}

fn page(port: u16, path: &str) -> String {
    let (status, page) = http::get(port, path).expect("an answer");
    assert_eq!(status, 200, "{page}");
    page
}
