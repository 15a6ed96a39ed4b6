//! `cluster-node doctor` on what newcomers get wrong, with real processes: each finding is a sentence with its remedy.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;

use cluster_core::config::RedisOptions;
use cluster_tests::{Guard, Pki, RedisServer, Setup, binary, reserve_port};
use serde_json::Value;

/// What it says of these settings, and its exit code.
fn examine(settings: &[String], more: &[&str]) -> (String, i32) {
    let mut command = Command::new(binary());
    command.arg("doctor").args(more);
    finish(command, settings)
}

fn finish(mut command: Command, settings: &[String]) -> (String, i32) {
    for setting in settings {
        command.args(["--set", setting]);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    (text, status.code().unwrap())
}

fn on_loopback() -> String {
    "plugins.cluster.bind=tcp://127.0.0.1:0".to_owned()
}

fn has(text: &str, wanted: &str) {
    assert!(text.lines().any(|line| line.starts_with(wanted)), "{wanted:?} is not in:\n{text}");
}

#[test]
fn a_node_that_needs_nobody_is_fine_and_json_says_so_too() {
    let (text, code) = examine(&[on_loopback()], &[]);
    assert_eq!(code, 0, "{text}");
    has(&text, "fine     no other member was found, and none is needed.");
    let (json, code) = examine(&[on_loopback()], &["--json", "--offline"]);
    let value: Value = serde_json::from_str(&json).unwrap();
    let findings = value["findings"].as_array().unwrap();
    assert!(code == 0 && findings.iter().all(|finding| finding["severity"] == "fine"), "{json}");
}

#[test]
fn what_is_wrong_with_this_machines_settings_is_found_without_joining() {
    let anywhere = "plugins.cluster.tls.dangerousPlaintext=true".to_owned();
    let port = reserve_port();
    let everywhere = format!("plugins.cluster.bind=tcp://0.0.0.0:{port}");
    let (text, code) = examine(&[everywhere.clone(), anywhere], &["--offline"]);
    assert_eq!(code, 0, "{text}");
    has(
        &text,
        &format!(
            "warning  tcp://0.0.0.0:{port} listens on every interface, and other members are told tcp://"
        ),
    );
    let (text, code) = examine(&[everywhere], &["--offline"]);
    has(&text, "PROBLEM  ");
    assert!(code == 1 && text.contains("dangerousPlaintext") && text.contains("problems found"), "{text}");
    let own = format!("plugins.cluster.bind=tcp://127.0.0.1:{port}");
    let (text, code) =
        examine(&[own, format!("plugins.cluster.seeds=tcp://localhost:{port}")], &["--offline"]);
    assert_eq!(code, 0, "{text}");
    has(&text, "warning  all that plugins.cluster.seeds names is this node itself (tcp://localhost:");
}

#[test]
fn a_certificate_that_has_expired_or_is_of_another_key_is_named() {
    let pki = Pki::new("kuzzle");
    let (a, b, expired) = (pki.node("a"), pki.node("b"), pki.expired("c"));
    let tls = |certificate: &cluster_transport::tls::TlsFiles, key: &cluster_transport::tls::TlsFiles| {
        vec![
            on_loopback(),
            format!("plugins.cluster.tls.certificate={}", certificate.certificate.display()),
            format!("plugins.cluster.tls.key={}", key.key.display()),
            format!("plugins.cluster.tls.authorities={}", pki.authority().display()),
        ]
    };
    let (text, code) = examine(&tls(&a, &a), &["--offline"]);
    assert_eq!(code, 0, "{text}");
    has(
        &text,
        &format!("fine     the certificate {} fits its key and is valid for ", a.certificate.display()),
    );
    let (text, code) = examine(&tls(&a, &b), &["--offline"]);
    has(&text, "PROBLEM  ");
    assert!(code == 1 && text.contains(&b.key.display().to_string()), "{text}");
    let (text, code) = examine(&tls(&expired, &expired), &["--offline"]);
    assert_eq!(code, 1, "{text}");
    has(&text, &format!("PROBLEM  the certificate {} has expired.", expired.certificate.display()));
}

#[test]
fn few_open_files_are_a_warning_that_says_how_to_have_more() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 256 && exec \"$0\" \"$@\""]).arg(binary()).args(["doctor", "--offline"]);
    let (text, code) = finish(command, &[on_loopback()]);
    assert_eq!(code, 0, "{text}");
    has(
        &text,
        "warning  this process may have 256 open files, and each client and member takes one. Remedy: ",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_refuses_the_log_in_or_has_foreign_nodes_is_named() {
    let closed = format!(r#"plugins.cluster.redis={{"host":"127.0.0.1","port":{}}}"#, reserve_port());
    let (text, code) = examine(&[on_loopback(), closed], &["--offline"]);
    assert_eq!(code, 1, "{text}");
    has(&text, "PROBLEM  the Redis 127.0.0.1:");
    let guarded = RedisServer::start(Guard::Password);
    let setting = |setting: &Value| format!("plugins.cluster.redis={setting}");
    let mut wrong = guarded.setting();
    wrong["password"] = "wrong".into();
    let (text, code) = examine(&[on_loopback(), setting(&wrong)], &["--offline"]);
    assert!(code == 1 && text.contains("refuses the log-in"), "{text}");
    let foreign = Setup::new("a").with(|config| config.redis(RedisOptions::from(guarded.setting())));
    let foreign = foreign.with(|config| config.filter_seed(Some("another".parse().unwrap()))).start().await;
    foreign.together_with(&[]).await;
    let (text, code) = examine(&[on_loopback(), setting(&guarded.setting())], &[]);
    assert_eq!(code, 0, "{text}");
    has(&text, "fine     the Redis 127.0.0.1:");
    has(&text, "warning  redis names 1 nodes with which no session can come about");
}

/// Stands before a Redis and tells another time than it does, by so many seconds; where it listens.
fn with_another_clock(redis: u16, ahead: i64) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", redis)).unwrap());
            let (mut asks, mut asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut asks, &mut asked));
            thread::spawn(move || answer(server, client, ahead));
        }
    });
    port
}

/// Passes answers on; those of TIME, an array of two texts of which the first has ten digits, with another one.
fn answer(mut server: TcpStream, mut client: TcpStream, ahead: i64) {
    const TIME: &[u8] = b"*2\r\n$10\r\n";
    let mut bytes = [0; 4_096];
    while let Ok(length @ 1..) = server.read(&mut bytes) {
        if bytes.starts_with(TIME) {
            let digits = &mut bytes[TIME.len()..TIME.len() + 10];
            let seconds: i64 = std::str::from_utf8(digits).unwrap().parse().unwrap();
            digits.copy_from_slice((seconds + ahead).to_string().as_bytes());
        }
        // Whoever has asked may be gone.
        let _ = client.write_all(&bytes[..length]);
    }
}

#[test]
fn a_redis_whose_clock_is_off_is_told_by_how_much_and_one_whose_is_right_is_not() {
    let server = RedisServer::start(Guard::Open);
    let examined = |port: u16| {
        let setting = format!(r#"plugins.cluster.redis={{"host":"127.0.0.1","port":{port}}}"#);
        let (text, code) = examine(&[on_loopback(), setting], &["--offline"]);
        assert_eq!(code, 0, "{text}");
        has(&text, &format!("fine     the Redis 127.0.0.1:{port} answers."));
        text
    };
    let right = examined(server.port());
    assert!(!right.contains("clock"), "{right}");
    for (ahead, way) in [(100, "ahead of"), (-100, "behind")] {
        let port = with_another_clock(server.port(), ahead);
        let text = examined(port);
        let told = [99, 100].map(|apart| {
            format!(
                "warning  the clock of the Redis 127.0.0.1:{port} is {apart} s {way} this machine's. Remedy: have both set by NTP"
            )
        });
        assert!(told.iter().any(|told| text.contains(told)), "{text}");
    }
}

#[test]
fn a_redis_that_lets_nobody_run_scripts_is_told_with_what_to_allow() {
    let server = RedisServer::start(Guard::Open);
    server.command::<()>(&["ACL", "SETUSER", "default", "-@scripting"]);
    let setting = format!("plugins.cluster.redis={}", server.setting());
    let (text, code) = examine(&[on_loopback(), setting], &["--offline"]);
    assert_eq!(code, 1, "{text}");
    let refused = "answers: NoPerm: this user has no permissions to run the 'evalsha' command, when it is asked to run a script";
    has(&text, &format!("PROBLEM  the Redis 127.0.0.1:{} {refused}", server.port()));
    assert!(text.contains("Remedy: let this user call EVALSHA, EVAL and SCRIPT LOAD"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_calls_back_and_says_where_it_reaches_this_node_and_where_not() {
    let a = Setup::new("a").start().await;
    let seed = format!("plugins.cluster.seeds={}", a.address());
    let (text, code) = examine(&[on_loopback(), seed.clone()], &[]);
    assert_eq!(code, 0, "{text}");
    has(&text, "fine     members in session: a.");
    has(&text, "fine     a reaches this node at tcp://127.0.0.1:");
    has(&text, &format!("fine     this node reaches a at {}.", a.address()));
    let closed = format!("tcp://127.0.0.1:{}", reserve_port());
    let told = format!("plugins.cluster.advertise={closed}");
    let (text, code) = examine(&[on_loopback(), seed, told], &[]);
    assert_eq!(code, 1, "{text}");
    has(
        &text,
        &format!("PROBLEM  a does not reach this node at {closed}, where it says that it can be dialled"),
    );
    a.together_with(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_found_where_somebody_is_needed_and_a_port_in_use_are_said() {
    let needs = "plugins.cluster.minimumNodes=2".to_owned();
    let seed = format!("plugins.cluster.seeds=tcp://127.0.0.1:{}", reserve_port());
    let (text, code) = examine(&[on_loopback(), needs, seed], &[]);
    assert_eq!(code, 1, "{text}");
    has(&text, "PROBLEM  no other member was found within 5s, and 2 nodes are needed");
    let a = Setup::new("a").start().await;
    let taken = format!("plugins.cluster.bind={}", a.address());
    let (text, code) = examine(&[taken], &[]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("if this node runs already, its route /_plugin/cluster/status says how it is"),
        "{text}"
    );
}
