//! `quorum` and `timeline`.

use crate::process::{Process, run};

#[test]
fn a_node_is_asked_what_would_happen_to_its_quorum() {
    let mut node = Process::start(&[
        "run",
        "--set",
        "server.port=0",
        "--set",
        "plugins.cluster.bind=tcp://127.0.0.1:0",
        "--set",
        "plugins.cluster.nodeId=node-a",
    ]);
    let line = node.line();
    let url = line.split(' ').next_back().expect("a URL").to_owned();
    let now = run(&["quorum", &url]);
    let expected = "now: 1 of at least 1 nodes (minimumNodes): node-a; enough, and none can be spared\n";
    assert_eq!((now.code, now.output.as_str(), now.errors.as_str()), (Some(0), expected, ""));
    let lost = run(&["quorum", &url, "--without", "node-a"]);
    assert_eq!(lost.code, Some(1), "{lost:?}");
    assert!(lost.errors.contains("the quorum would be lost: 0 of 1 nodes (minimumNodes)"), "{lost:?}");
    let unknown = run(&["quorum", &url, "--without", "node-x"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.errors.contains("node-x is no node of this cluster: it has node-a"), "{unknown:?}");
    drop(node);
    let nobody = run(&["quorum", &url]);
    assert_eq!((nobody.code, nobody.errors.lines().count()), (Some(1), 1), "{nobody:?}");
    assert!(nobody.errors.contains(&url), "{nobody:?}");
    let tls = run(&["quorum", "https://127.0.0.1:1"]);
    assert_eq!(tls.code, Some(2), "{tls:?}");
}

#[test]
fn flight_recorders_are_put_together_or_the_bad_line_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    };
    let line = |wall: u64, node: &str, text: &str| {
        format!(
            r#"{{"wallMs":{wall},"atMs":1,"node":"{node}","incarnation":"1.0","what":"ready","text":"{text}"}}"#
        )
    };
    let a = file("a", &[line(1_000, "a", "ready"), line(3_000, "a", "not ready: none")].join("\n"));
    let b = file("b", &line(2_000, "b", "a joined"));
    let told = run(&["timeline", &a, &b]);
    let expected = "1970-01-01T00:00:01.000Z  a  ready\n1970-01-01T00:00:02.000Z  b  a joined\n\
                    1970-01-01T00:00:03.000Z  a  not ready: none\n";
    assert_eq!((told.code, told.output.as_str()), (Some(0), expected), "{told:?}");
    let bad = run(&["timeline", &a, &file("bad", "no JSON")]);
    assert_eq!((bad.code, bad.errors.lines().count()), (Some(2), 1), "{bad:?}");
    assert!(bad.errors.contains("bad, line 1 is not of a flight recorder"), "{bad:?}");
}
