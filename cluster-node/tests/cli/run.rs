//! `run` and `certs`.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::process::{Ended, Process, run};

const FREE: [&str; 5] = ["run", "--set", "server.port=0", "--set", "plugins.cluster.bind=tcp://127.0.0.1:0"];

fn free<'a>(more: &[&'a str]) -> Vec<&'a str> {
    FREE.iter().chain(more).copied().collect()
}

/// A command that cannot do its work says why in one line.
fn refused(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!((ended.code, ended.errors.lines().count()), (Some(code), 1), "{ended:?}");
    for word in words {
        assert!(ended.errors.contains(word), "{word:?} is not in {:?}", ended.errors);
    }
}

#[test]
fn a_node_says_where_it_listens_and_when_it_is_ready_and_leaves_at_a_signal() {
    for signal in ["TERM", "INT"] {
        let mut node = Process::start(&free(&["--set", "plugins.cluster.nodeId=node-a"]));
        let lines = [node.line(), node.line(), node.line()];
        let [clients, members, ready] = &lines;
        assert!(clients.starts_with("node-a serves clients on http://127.0.0.1:"), "{clients}");
        assert!(members.starts_with("node-a listens for members on tcp://127.0.0.1:"), "{members}");
        assert_eq!(ready, "node-a is ready");
        assert!(!clients.ends_with(":0") && members.ends_with(" (bind)"), "{lines:?}");
        let asked = Instant::now();
        node.signal(signal);
        let ended = node.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(asked.elapsed() < Duration::from_secs(2), "SIG{signal}: {:?}", asked.elapsed());
    }
}

#[test]
fn a_node_over_quic_says_that_it_listens_over_tcp_too_and_wants_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_str().expect("a path");
    assert_eq!(run(&["certs", "--out", out, "--nodes", "node-a"]).code, Some(0));
    let bind = "plugins.cluster.bind=quic://127.0.0.1:0";
    let tls = ["certificate=node-a.pem", "key=node-a-key.pem", "authorities=ca.pem"].map(|setting| {
        let (key, file) = setting.split_once('=').expect("a key and a file");
        format!("plugins.cluster.tls.{key}={out}/{file}")
    });
    let [certificate, key, authorities] = tls.each_ref().map(String::as_str);
    let arguments = ["--set", bind, "--set", certificate, "--set", key, "--set", authorities];
    let mut node = Process::start(&free(&arguments));
    let lines = [node.line(), node.line(), node.line(), node.line()];
    let port = |line: &str, scheme: &str| {
        let rest = line.strip_prefix(&format!("node-a listens for members on {scheme}://127.0.0.1:"));
        rest.and_then(|rest| rest.strip_suffix(" (bind)")).expect("where it listens").to_owned()
    };
    assert_eq!(port(&lines[1], "quic"), port(&lines[2], "tcp"), "{lines:?}");
    assert_eq!(lines[3], "node-a is ready");
    refused(&run(&free(&["--set", bind])), 2, &["quic://127.0.0.1:0", "QUIC always has TLS", "tcp://"]);
}

#[test]
fn a_port_in_use_is_one_line_and_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let server = format!("server.port={port}");
    refused(&run(&free(&["--set", &server])), 1, &["cannot serve clients on 127.0.0.1", &port]);
    let bind = format!("plugins.cluster.bind=tcp://127.0.0.1:{port}");
    refused(&run(&free(&["--set", &bind])), 1, &[&port]);
}

#[test]
fn a_configuration_that_cannot_be_is_one_line_and_code_2() {
    let cases: [(&str, &[&str]); 5] = [
        ("plugins.cluster.minimumNode=2", &["minimumNodes"]),
        ("plugins.cluster.minimumNodes=none", &["minimumNodes", "none"]),
        ("plugins.cluster.bind=tcp://[nope0:ipv4]:7511", &["nope0"]),
        ("plugins.cluster.bind=tcp://0.0.0.0:0", &["0.0.0.0"]),
        ("plugins.cluster.tls.certificate=a.pem", &["key"]),
    ];
    for (assignment, words) in cases {
        refused(&run(&free(&["--set", assignment])), 2, words);
    }
    refused(&run(&["run", "--config", "/nowhere/kuzzlerc"]), 2, &["/nowhere/kuzzlerc"]);
}

/// The complete sample configuration of the original's documentation, which binds the site's addresses and knows no TLS.
const ORIGINAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../cluster-core/src/config/tests/kuzzlerc.json");

#[test]
fn the_sample_of_the_original_stops_for_want_of_tls_and_names_both_remedies() {
    let remedies = ["tcp://[_site_:ipv4]:7511", "plugins.cluster.tls.certificate", "dangerousPlaintext"];
    refused(&run(&["run", "--config", ORIGINAL, "--set", "server.port=0"]), 2, &remedies);
}

#[test]
fn timers_of_the_original_are_honoured_in_either_spelling_and_the_others_keep_their_defaults() {
    let anywhere = "plugins.cluster.tls.dangerousPlaintext=true";
    let ended = run(&["run", "--check-config", "--config", ORIGINAL, "--set", anywhere]);
    let one = run(&["run", "--check-config", "--set", "plugins.cluster.timers.joinAttemptIntervall=2000"]);
    let shown = |ended: &Ended, setting: &str| ended.output.lines().any(|line| line.starts_with(setting));
    for ended in [&ended, &one] {
        assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
        assert!(shown(ended, "plugins.cluster.timers.joinAttemptInterval = 2000"), "{ended:?}");
        assert!(shown(ended, "plugins.cluster.timers.discoverTimeout = 3000"), "{ended:?}");
    }
    assert!(shown(&ended, "plugins.cluster.timers.waitForMissingRooms = 4500"), "{ended:?}");
    assert!(shown(&one, "plugins.cluster.timers.waitForMissingRooms = 500"), "{one:?}");
}

#[test]
fn the_check_says_why_a_node_would_not_start_and_what_it_would_do_with_certificates() {
    let stopped = run(&["run", "--check-config", "--config", ORIGINAL]);
    for word in ["tcp://[_site_:ipv4]:7511", "plugins.cluster.tls.certificate", "dangerousPlaintext"] {
        assert!(stopped.errors.contains(word), "{stopped:?}");
    }
    assert_eq!(stopped.code, Some(2), "{stopped:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_str().expect("a path");
    assert_eq!(run(&["certs", "--out", out, "--nodes", "node-a"]).code, Some(0));
    let tls = format!(
        r#"plugins.cluster.tls={{"certificate":"{out}/node-a.pem","key":"{out}/node-a-key.pem","authorities":"{out}/ca.pem"}}"#
    );
    let ended = run(&["run", "--check-config", "--config", ORIGINAL, "--set", &tls]);
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{ended:?}");
    for line in [
        "It would look for members through the Redis Cluster of redis1:6379, redis2:6379, redis3:6379.",
        "Registers are kept in the Redis Cluster of redis1:6379, redis2:6379, redis3:6379 besides.",
        "It would be ready with no other node.",
        "Note: a heartbeat of 5000 is the original's: a silent member is doubted after 10s; with the default of 500 it is after 1.5s.",
    ] {
        assert!(ended.output.lines().any(|shown| shown == line), "{line:?} is not in {ended:?}");
    }
    let other = format!("{tls},x");
    assert_eq!(run(&["run", "--check-config", "--set", &other]).code, Some(2));
}

#[test]
fn the_check_keeps_secrets_to_itself_in_text_and_in_json() {
    let settings = [
        "plugins.cluster.adminToken=open-sesame",
        r#"plugins.cluster.redis={"host":"redis","port":6379,"password":"open-sesame"}"#,
        "plugins.cluster.filterSeed=open-sesame",
        "plugins.cluster.minimumNodes=3",
    ];
    let sets: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let shown = run(&[&["run", "--check-config"], &sets[..]].concat());
    let json = run(&[&["run", "--check-config", "--json"], &sets[..]].concat());
    for ended in [&shown, &json] {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(!ended.output.contains("open-sesame") && ended.output.contains("***"), "{ended:?}");
    }
    let value: serde_json::Value = serde_json::from_str(&json.output).expect("JSON");
    let settings = value["settings"].as_array().expect("settings");
    let minimum = settings.iter().find(|setting| setting["key"] == "plugins.cluster.minimumNodes");
    assert_eq!(
        minimum,
        Some(&serde_json::json!({"key": "plugins.cluster.minimumNodes", "value": 3, "source": "--set"}))
    );
    assert_eq!(value["plan"]["listening"][0]["addresses"], serde_json::json!(["127.0.0.1:7511"]));
    assert_eq!(value["plan"]["problems"], serde_json::json!([]));
}

#[test]
fn the_settings_in_effect_can_be_shown() {
    let ended = run(&["run", "--check-config", "--set", "plugins.cluster.timers.heartbeat=5000"]);
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    let lines: Vec<&str> = ended.output.lines().collect();
    assert!(lines.contains(&"plugins.cluster.timers.heartbeat = 5000  (--set)"), "{lines:#?}");
    assert!(lines.contains(&"server.port = 7512  (the default)"), "{lines:#?}");
    assert_eq!(lines.last(), Some(&"A member is doubted after 10s without a byte from it."));
}

#[test]
fn certificates_are_made_and_not_overwritten_unasked() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_str().expect("a path");
    let made = run(&["certs", "--out", out, "--nodes", "node-a,node-b"]);
    assert_eq!((made.code, made.output.lines().count()), (Some(0), 3), "{made:?}");
    for file in ["ca.pem", "ca-key.pem", "node-a.pem", "node-a-key.pem", "node-b.pem", "node-b-key.pem"] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
    refused(&run(&["certs", "--out", out, "--nodes", "node-a"]), 2, &["exists already", "--force"]);
    refused(&run(&["certs", "--out", out, "--nodes", "node-a", "--ca", out]), 2, &["node-a"]);
    let again = run(&["certs", "--out", out, "--nodes", "node-a", "--ca", out, "--force"]);
    assert_eq!(again.code, Some(0), "{again:?}");
}

#[test]
fn one_certificate_for_all_nodes_is_made_once_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_str().expect("a path");
    let made = || run(&["certs", "--out", out, "--shared", "--keep"]);
    let (first, read) = (made(), || std::fs::read(folder.path().join("shared.pem")).expect("a file"));
    assert_eq!((first.code, first.output.lines().count()), (Some(0), 2), "{first:?}");
    let certificate = read();
    let second = made();
    assert_eq!((second.code, second.output.ends_with("are kept\n")), (Some(0), true), "{second:?}");
    assert_eq!(read(), certificate);
    refused(&run(&["certs", "--out", out, "--shared", "--nodes", "shared"]), 2, &["shared is named twice"]);
    assert_eq!(run(&["certs", "--out", out]).code, Some(2), "a certificate for nobody");
}

#[test]
fn an_existing_authority_signs_into_any_folder_and_what_is_wrong_with_it_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let (home, out, other) = (path("home"), path("out"), path("other"));
    assert_eq!(run(&["certs", "--out", &home, "--nodes", "node-a"]).code, Some(0));
    for ca in [home.clone(), format!("{home}/ca.pem")] {
        let made = run(&["certs", "--out", &out, "--nodes", "node-b,node-c", "--ca", &ca, "--force"]);
        assert_eq!((made.code, made.output.lines().count()), (Some(0), 3), "{made:?}");
    }
    let read = |file: String| std::fs::read(file).expect("a file");
    assert_eq!(read(format!("{out}/ca.pem")), read(format!("{home}/ca.pem")));
    assert!(!folder.path().join("out/ca-key.pem").exists());

    assert_eq!(run(&["certs", "--out", &other, "--nodes", "node-x"]).code, Some(0));
    let into_other = ["certs", "--out", &other, "--nodes", "node-d", "--ca", &home];
    refused(&run(&into_other), 2, &["other/ca.pem is the certificate of another authority", "--force"]);
    std::fs::copy(format!("{other}/ca-key.pem"), format!("{home}/ca-key.pem")).expect("a copy");
    let with_home = |nodes| run(&["certs", "--out", &out, "--nodes", nodes, "--ca", &home]);
    refused(&with_home("node-d"), 2, &["home/ca-key.pem is not the key of", "home/ca.pem"]);
    std::fs::remove_file(format!("{home}/ca-key.pem")).expect("it was there");
    refused(&with_home("node-d"), 2, &["cannot read", "home/ca-key.pem"]);
    refused(&run(&["certs", "--out", &out, "--nodes", "node-e,node-e"]), 2, &["node-e is named twice"]);
    assert!(!folder.path().join("out/node-e.pem").exists());
}

#[test]
fn a_node_does_not_start_with_the_certificate_of_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_str().expect("a path");
    assert_eq!(run(&["certs", "--out", out, "--nodes", "node-a"]).code, Some(0));
    let tls = ["certificate=node-a.pem", "key=node-a-key.pem", "authorities=ca.pem"].map(|setting| {
        let (key, file) = setting.split_once('=').expect("a key and a file");
        format!("plugins.cluster.tls.{key}={out}/{file}")
    });
    let arguments: Vec<&str> = tls.iter().flat_map(|setting| ["--set", setting]).collect();
    let arguments: Vec<&str> = [&arguments[..], &["--set", "plugins.cluster.nodeId=node-b"]].concat();
    refused(&run(&free(&arguments)), 2, &["node-b"]);
}

#[test]
fn what_is_no_command_is_code_2_and_help_and_version_are_code_0() {
    assert_eq!(run(&["dance"]).code, Some(2));
    let version = run(&["--version"]);
    let expected = format!("cluster-node {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((version.code, version.output), (Some(0), expected));
    let help = run(&["--help"]);
    assert_eq!((help.code, help.output.contains("Exit codes:")), (Some(0), true));
}
