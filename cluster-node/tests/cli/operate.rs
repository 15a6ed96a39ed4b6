//! `status`, `health`, `drain`, `forget`, `hold`, `reset` and `completions`, on running nodes.

use std::net::TcpListener;

use crate::process::{Ended, Process, run};

/// A node on free ports, and where it serves its clients.
fn node(more: &[&str]) -> (Process, String) {
    let free = ["run", "--set", "server.port=0", "--set", "plugins.cluster.bind=tcp://127.0.0.1:0"];
    let arguments: Vec<&str> = free.iter().chain(more).copied().collect();
    let mut node = Process::start(&arguments);
    let line = node.line();
    let url = line.split(' ').find(|word| word.starts_with("http://")).expect("a URL").to_owned();
    let _members = node.line();
    (node, url)
}

fn ready(more: &[&str]) -> (Process, String) {
    let (mut node, url) = node(more);
    assert!(node.line().ends_with(" is ready"));
    (node, url)
}

/// A command that cannot do its work says why in one line.
fn refused(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!((ended.code, ended.errors.lines().count()), (Some(code), 1), "{ended:?}");
    for word in words {
        assert!(ended.errors.contains(word), "{word:?} is not in {:?}", ended.errors);
    }
}

#[test]
fn status_shows_a_ready_node_and_its_code_tells_of_others() {
    let (_node, url) = ready(&["--set", "plugins.cluster.nodeId=node-a"]);
    let shown = run(&["status", &url]);
    let line = "node-a of kuzzle: ready, 1 nodes of 1 needed, 0 rooms, 0 subscriptions, converged\n";
    assert_eq!((shown.code, shown.output.as_str()), (Some(0), line), "{shown:?}");
    let json: serde_json::Value =
        serde_json::from_str(&run(&["status", "--json", &url]).output).expect("JSON");
    assert_eq!(json[0]["status"]["current"]["id"], "node-a");
    assert_eq!(json[0]["url"], url.as_str());

    let (_waiting, alone) = node(&["--set", "plugins.cluster.minimumNodes=2"]);
    refused(&run(&["status", &url, &alone]), 3, &["is not ready: 1 of 2 nodes (minimumNodes)"]);
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let silent = run(&["status", &url, &format!("http://{closed}")]);
    refused(&silent, 1, &["refused"]);
    assert!(silent.output.contains(&format!("http://{closed} does not answer")), "{silent:?}");
    let wrong = run(&["status", "https://127.0.0.1"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.errors.contains("a node serves http and not https"), "{wrong:?}");
}

#[test]
fn health_is_code_0_for_a_ready_node_and_1_with_the_reasons_for_others() {
    let (_node, url) = ready(&["--set", "plugins.cluster.nodeId=node-a"]);
    let well = run(&["health", &url]);
    assert_eq!((well.code, well.output), (Some(0), format!("{url} is ready\n")));
    let (_waiting, alone) = node(&["--set", "plugins.cluster.minimumNodes=2"]);
    refused(&run(&["health", &alone]), 1, &["not ready: 1 of 2 nodes (minimumNodes)"]);
    assert_eq!(run(&["health", "--live", &alone]).code, Some(0), "it waits, and lives");
}

#[test]
fn a_drain_below_the_quorum_is_refused_with_the_numbers_and_a_forced_one_ends_the_node() {
    let (node, url) = ready(&[]);
    refused(&run(&["drain", "--url", &url]), 1, &["0 of 1 nodes", "force"]);
    let drained = run(&["drain", "--url", &url, "--force"]);
    assert_eq!((drained.code, drained.errors.as_str()), (Some(0), ""), "{drained:?}");
    assert_eq!(node.end().code, Some(0));
}

#[test]
fn what_is_asked_for_nodes_that_are_not_there_is_refused() {
    let (_node, url) = ready(&["--set", "plugins.cluster.adminToken=secret"]);
    let wrong = ["forget", "nobody", "--url", &url, "--token", "wrong"];
    refused(&run(&wrong), 1, &["the token is not the one in plugins.cluster.adminToken"]);
    let token = ["--url", &url, "--token", "secret"];
    let with = |command: &[&str]| run(&[command, &token].concat());
    refused(&with(&["forget", "nobody"]), 1, &["nobody is not known here"]);
    refused(&with(&["hold", "nobody", "--for", "5m"]), 1, &["nobody is not known here"]);
    let reset = with(&["reset"]);
    assert_eq!((reset.code, reset.output.ends_with(": done\n")), (Some(0), true), "{reset:?}");
}

#[test]
fn shells_complete_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert_eq!(script.code, Some(0));
        assert!(script.output.contains("cluster-node") && script.output.contains("drain"), "{shell}");
    }
}

#[test]
fn log_lines_are_json_where_it_is_asked_for() {
    let (node, _) = ready(&["--log-format", "json"]);
    node.signal("TERM");
    let ended = node.end();
    assert!(!ended.errors.is_empty());
    for line in ended.errors.lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
}
