//! `demo`.

use cluster_node::cli::Failure;
use cluster_node::cli::demo::{Cast, Story};

use crate::process::{Process, run};

/// A line without its numbers.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for word in line.split(' ') {
        let word = match word.strip_prefix("http://").or(word.strip_prefix("tcp://")) {
            Some(rest) if rest.ends_with(',') => "ADDRESS,",
            Some(_) => "ADDRESS",
            None if word.bytes().all(|byte| byte.is_ascii_digit()) => "N",
            None => word,
        };
        shape.push_str(if shape.is_empty() { "" } else { " " });
        shape.push_str(word);
    }
    shape
}

#[test]
fn the_story_is_told_once_and_ends_with_code_0() {
    let ended = run(&["demo", "--once", "--base-port", "0"]);
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    let told: Vec<String> = ended.output.lines().map(shape).collect();
    let expected = [
        "node-1 serves clients on ADDRESS, members on ADDRESS (mutual TLS)",
        "node-2 serves clients on ADDRESS, members on ADDRESS (mutual TLS)",
        "node-3 serves clients on ADDRESS, members on ADDRESS (mutual TLS)",
        "node-1 has found node-2, node-3",
        "node-2 has found node-1, node-3",
        "node-3 has found node-1, node-2",
        "node-1 is ready",
        "node-2 is ready",
        "node-3 is ready",
        r#"a client on node-1 has subscribed to {"equals":{"city":"Lyon"}}"#,
        "node-1 counts N in the room",
        "node-2 counts N in the room",
        "node-3 counts N in the room",
        r#"a client on node-2 has published {"city":"Paris"}"#,
        r#"a client on node-2 has published {"city":"Lyon"}"#,
        r#"the client on node-1 was notified of {"city":"Lyon"}, and of nothing else"#,
        "a client on node-3 has joined the room",
        "node-1 counts N in the room",
        "node-2 counts N in the room",
        "node-3 was dropped without a word",
        "node-1 has noticed that node-3 is gone, at most N ms after",
        "node-1 counts N in the room",
        "node-2 has noticed that node-3 is gone, at most N ms after",
        "node-2 counts N in the room",
        "node-3 is back on ADDRESS, ready after N ms",
        "node-1 counts N in the room",
        "node-2 counts N in the room",
        "node-3 counts N in the room",
    ];
    assert_eq!(told, expected);
}

#[test]
fn the_names_of_many_nodes_are_found_in_any_order() {
    let ended = run(&["demo", "--once", "--base-port", "0", "--no-tls", "--nodes", "11"]);
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{}", ended.output);
    assert!(ended.output.contains("node-2 has found node-1, node-10, node-11, node-3"), "{}", ended.output);
}

#[test]
fn after_the_story_the_nodes_serve_until_a_signal() {
    let mut demo = Process::start(&["demo", "--base-port", "0", "--no-tls", "--nodes", "2"]);
    let mut urls = Vec::new();
    loop {
        let line = demo.line();
        if line.starts_with("Ctrl-C") {
            break;
        }
        urls.extend(line.split_once(": http://").map(|(_, address)| address.to_owned()));
    }
    assert_eq!(urls.len(), 2);
    for url in &urls {
        std::net::TcpStream::connect(url).expect("a node that serves");
    }
    demo.signal("INT");
    assert_eq!(demo.end().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_certificate_of_another_authority_fails_the_story_by_name() {
    let (ours, theirs) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let cast = Cast::new(3, 0).and_then(|cast| cast.secured(ours.path()));
    let cast = cast.and_then(|cast| cast.with_a_stranger(theirs.path())).expect("a cast");
    let (mut story, mut told) = (Story::new(cast), Vec::new());
    let failure = story.tell(&mut |line| told.push(line)).await.expect_err("a stranger among the nodes");
    story.end().await;
    let Failure::Step { step, why } = &failure else { panic!("{failure}") };
    assert_eq!((step.as_str(), why.as_str()), ("node-1 finds all others", "not within 10s"));
    assert_eq!((failure.code(), told.len()), (1, 3), "{told:#?}");
}
