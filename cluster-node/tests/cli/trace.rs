//! `run --trace` and `trace`: what real nodes were given is decided again by another process.

use std::path::Path;

use cluster_node::client::Client;
use serde_json::{Value, json};

use crate::process::{Process, run};

/// How often a cluster is looked at before a test gives up; each look is a process.
const LOOKS: usize = 500;

/// A node that traces, where it serves its clients, and where members reach it.
fn node(name: &str, file: &Path, seeds: &str) -> (Process, String, String) {
    let mut node = Process::start(&[
        "run",
        "--drain-window",
        "0s",
        "--trace",
        &file.to_string_lossy(),
        "--set",
        "server.port=0",
        "--set",
        "plugins.cluster.bind=tcp://127.0.0.1:0",
        "--set",
        "plugins.cluster.minimumNodes=2",
        "--set",
        &format!("plugins.cluster.nodeId={name}"),
        "--set",
        &format!("plugins.cluster.seeds={seeds}"),
    ]);
    let mut word = |begins: &str| {
        let line = node.line();
        line.split(' ').find(|word| word.starts_with(begins)).expect("an address").to_owned()
    };
    let (url, members) = (word("http://"), word("tcp://"));
    (node, url, members)
}

/// Subscribes to so many rooms of a node; for as long as the client is there.
async fn subscribe(url: &str, rooms: u64) -> Client {
    let address = url.trim_start_matches("http://").parse().expect("an address");
    let mut client = Client::connect(address).await.expect("a connection");
    for room in 0..rooms {
        let request = json!({
            "controller": "realtime", "action": "subscribe", "index": "i", "collection": "c",
            "body": {"equals": {"room": room}},
        });
        client.result_of(request).await.expect("a subscription");
    }
    client
}

/// Waits until a node says so of its cluster.
fn wait_for(url: &str, words: &str) {
    for _ in 0..LOOKS {
        if run(&["status", url]).output.contains(words) {
            return;
        }
    }
    panic!("{url} does not come to {words:?}: {:?}", run(&["status", url]));
}

#[tokio::test]
async fn a_trace_of_a_cluster_with_a_killed_node_replays_the_same_with_the_removal() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let (mut a, url, seed) = node("node-a", &file("a"), "[]");
    let (mut b, url_of_b, _) = node("node-b", &file("b"), &seed);
    let (mut c, _, _) = node("node-c", &file("c"), &seed);
    for node in [&mut a, &mut b, &mut c] {
        assert!(node.line().ends_with(" is ready"));
    }
    let _clients = (subscribe(&url, 20).await, subscribe(&url_of_b, 30).await);
    wait_for(&url, "3 nodes of 2 needed, 30 rooms, 50 subscriptions, converged");
    // What is killed loses what it has not written yet.
    let is_written = || run(&["trace", &file("b").to_string_lossy()]).output.contains("; 30 rooms, ");
    assert!((0..LOOKS).any(|_| is_written()), "nothing of the rooms is written");
    b.signal("KILL");
    wait_for(&url, "2 nodes of 2 needed, 20 rooms, 20 subscriptions");
    a.signal("TERM");
    assert_eq!(a.end().code, Some(0));

    let told = run(&["trace", &file("a").to_string_lossy()]);
    assert_eq!((told.code, told.errors.as_str()), (Some(0), ""), "{told:?}");
    assert!(told.output.contains("  node-a  removed node-b: "), "{told:?}");
    assert!(told.output.contains("\n  node-c: "), "{told:?}");
    assert!(told.output.ends_with(" s: the same; the trace ends: its node stopped\n"), "{told:?}");

    // Killed, it has no end, and what there is replays all the same.
    let killed = run(&["trace", "--json", &file("b").to_string_lossy()]);
    assert_eq!((killed.code, killed.errors.lines().count()), (Some(1), 1), "{killed:?}");
    assert!(killed.errors.contains("the trace has no end: its node was killed"), "{killed:?}");
    let lines: Vec<Value> =
        killed.output.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let (outcome, decisions) = lines.split_last().expect("an outcome");
    assert_eq!((&outcome["same"], &outcome["rooms"]), (&json!(true), &json!(30)), "{outcome}");
    assert_eq!(outcome["decisions"], json!(decisions.len()));
    assert!(decisions.iter().any(|line| line["what"] == "joined" && line["about"] == "node-c"));
}

#[test]
fn what_is_no_trace_or_of_another_format_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |bytes: &[u8], words: &str| {
        let path = folder.path().join("trace");
        std::fs::write(&path, bytes).expect("a file");
        let ended = run(&["trace", &path.to_string_lossy()]);
        assert_eq!((ended.code, ended.errors.lines().count()), (Some(2), 1), "{ended:?}");
        assert!(ended.errors.contains(words), "{ended:?}");
    };
    refused(b"", "not a trace");
    refused(b"{\"wallMs\":1}\n", "not a trace");
    refused(b"cluster trace\n\x09\x00", "a trace of format 9; this version reads format 1");
    refused(b"cluster trace\n\x01\x00\x04", "the trace has no end");
    refused(b"cluster trace\n\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00!", "the trace is damaged");
    let missing = run(&["trace", "/no/such/file"]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
}

#[test]
fn what_a_trace_may_be_is_said_by_the_setting_whoever_sets_it() {
    let refused = |flags: &[&str], words: &[&str]| {
        let ended = run(&[&["run", "--check-config"], flags].concat());
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(words.iter().all(|words| ended.errors.contains(words)), "{ended:?}");
    };
    let key = "plugins.cluster.trace.maxBytes";
    refused(&["--trace", "x", "--trace-limit", "1KiB"], &[key, "from 65536 to 1099511627776", "1024"]);
    refused(&["--trace-limit", "64furlongs"], &["--trace-limit", "KiB, MiB, GiB or TiB"]);
    refused(&["--trace", "{host}.trace"], &["plugins.cluster.trace.file", "{host}", "{node} and {started}"]);
    let shown = |flags: &[&str], line: &str| {
        let set = ["--set", "plugins.cluster.trace.maxBytes=70000", "--set", "server.port=0"];
        let ended = run(&[
            &["run", "--check-config", "--set", "plugins.cluster.bind=tcp://127.0.0.1:0"],
            &set[..],
            flags,
        ]
        .concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.output.contains(line), "{ended:?}");
    };
    shown(&["--trace", "{node}-{started}"], "plugins.cluster.trace.maxBytes = 70000 ");
    shown(&["--trace", "x", "--trace-limit", "2MiB"], "plugins.cluster.trace.maxBytes = 2097152 ");
}

#[tokio::test]
async fn a_start_that_finds_a_file_says_so_and_leaves_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("trace");
    std::fs::write(&file, "of an earlier life").expect("a file");
    let (node, url, _) = node("node-a", &file, "[]");
    wait_for(&url, "1 nodes of 2 needed");
    node.signal("TERM");
    let ended = node.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let words = [&*file.to_string_lossy(), "it is left as it is; remove it, or name another file"];
    assert!(words.iter().all(|words| ended.errors.contains(words)), "{ended:?}");
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "of an earlier life");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
}
