//! What is refused, in which words.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use super::{cluster, file, variables};
use crate::config::{Config, Plaintext, Sources};

fn error(sources: &Sources) -> String {
    Config::load(sources).unwrap_err().to_string()
}

#[test]
fn an_unknown_key_or_a_bad_number_in_a_file_is_named_with_what_fits() {
    let by = "given by the file kuzzle.json";
    for (given, wanted) in [
        (
            json!({ "minimumNode": 3 }),
            format!(
                "plugins.cluster.minimumNode, {by}, is not a setting: the nearest one is plugins.cluster.minimumNodes"
            ),
        ),
        (
            json!({ "heartbeat": 1 }),
            format!(
                "plugins.cluster.heartbeat, {by}, is not a setting: the nearest one is plugins.cluster.timers.heartbeat"
            ),
        ),
        (
            json!({ "minimumNodes": "three" }),
            format!(
                "plugins.cluster.minimumNodes is \"three\", {by}: expected a whole number from 1 to 10000"
            ),
        ),
        (
            json!({ "minimumNodes": 0 }),
            format!("plugins.cluster.minimumNodes is 0, {by}: expected a whole number from 1 to 10000"),
        ),
        (
            json!({ "retryJoin": 1.5 }),
            format!("plugins.cluster.retryJoin is 1.5, {by}: expected a whole number from 0 to 1000000"),
        ),
        (
            json!({ "timers": { "heartbeat": 5 } }),
            format!(
                "plugins.cluster.timers.heartbeat is 5, {by}: expected a whole number of milliseconds from 50 to 60000"
            ),
        ),
        (json!({ "timers": 5 }), format!("plugins.cluster.timers is a number, {by}: expected an object")),
    ] {
        assert_eq!(error(&cluster(&given)), wanted);
    }
}

#[test]
fn a_bad_text_or_list_in_a_file_is_named_with_what_fits() {
    let by = "given by the file kuzzle.json";
    for (given, wanted) in [
        (
            json!({ "nodeId": "Node_1" }),
            format!(
                "plugins.cluster.nodeId, {by}: \"Node_1\" is not a DNS label: use 1 to 63 of a-z, 0-9 and '-', with no '-' at either end"
            ),
        ),
        (json!({ "nodeId": 7 }), format!("plugins.cluster.nodeId is 7, {by}: expected a DNS label, or null")),
        (
            json!({ "seeds": ["a:1", "b"] }),
            format!(
                "plugins.cluster.seeds, {by}: \"b\" is not an address: the port is missing (write tcp://host:port or quic://host:port)"
            ),
        ),
        (
            json!({ "seeds": [["a:1"]] }),
            format!(
                "plugins.cluster.seeds is [[\"a:1\"]], {by}: expected tcp://host:port or quic://host:port, or a list of such"
            ),
        ),
        (
            json!({ "bindings": { "pub": "udp://a:1" } }),
            format!(
                "plugins.cluster.bindings.pub, {by}: \"udp://a:1\" is not a binding: the scheme is neither tcp nor quic (write tcp://[interface:family]:port, tcp://host:port or host:port)"
            ),
        ),
        (
            json!({ "bindings": { "pub": 7511 } }),
            format!(
                "plugins.cluster.bindings.pub is 7511, {by}: expected a text such as tcp://[_site_:ipv4]:7511, or null"
            ),
        ),
        (
            json!({ "onMinority": "panic" }),
            format!("plugins.cluster.onMinority, {by}: the choices are serveLocal and stop"),
        ),
        (
            json!({ "commands": { "accept": ["dump", "reboot"] } }),
            format!(
                "plugins.cluster.commands.accept, {by}: the choices are dump, shutdown, blank and verify"
            ),
        ),
        (
            json!({ "tls": { "dangerousPlaintext": "yes" } }),
            format!("plugins.cluster.tls.dangerousPlaintext is \"yes\", {by}: expected true or false"),
        ),
        (
            json!({ "adminToken": 12345 }),
            format!("plugins.cluster.adminToken is ***, {by}: expected a text, or null"),
        ),
        (
            json!({ "adminToken": "two words" }),
            format!(
                "plugins.cluster.adminToken, {by}: a token is 1 to 512 visible ASCII characters, without spaces"
            ),
        ),
        (
            json!({ "limits": { "windowBytes": { "state": 1 } } }),
            format!(
                "plugins.cluster.limits.windowBytes.state is 1, {by}: expected a whole number from 65536 to 1073741824"
            ),
        ),
    ] {
        assert_eq!(error(&cluster(&given)), wanted);
    }
}

#[test]
fn settings_that_contradict_each_other_are_named_together() {
    for (given, wanted) in [
        (
            json!({ "bind": "a:1", "bindings": { "router": "a:2" } }),
            "plugins.cluster.bind (given by the file kuzzle.json) and plugins.cluster.bindings.router (given by the file kuzzle.json) exclude each other: bind means one port for everything; give one of the two",
        ),
        (
            json!({ "tls": { "certificate": "c.pem" } }),
            "plugins.cluster.tls needs certificate, key and authorities together: missing is key and authorities; give it, or none of the three for a node that listens on loopback only",
        ),
        (
            json!({ "tls": { "certificate": "c", "key": "k", "authorities": ["a"], "dangerousPlaintext": true } }),
            "plugins.cluster.tls.dangerousPlaintext (given by the file kuzzle.json) contradicts plugins.cluster.tls.certificate: remove one of the two",
        ),
        (
            json!({ "bind": "quic://127.0.0.1:7511" }),
            "plugins.cluster.bind is quic://127.0.0.1:7511, given by the file kuzzle.json: QUIC always has TLS; give plugins.cluster.tls.certificate, key and authorities, or write tcp:// in place of quic://",
        ),
        (
            json!({ "seeds": ["a:1", "quic://b:2"] }),
            "plugins.cluster.seeds is quic://b:2, given by the file kuzzle.json: QUIC always has TLS; give plugins.cluster.tls.certificate, key and authorities, or write tcp:// in place of quic://",
        ),
        (
            json!({ "limits": { "maxMessageBytes": 200_000, "reassemblyBytesPerMember": 100_000 } }),
            "plugins.cluster.limits.maxMessageBytes is 200000, above plugins.cluster.limits.reassemblyBytesPerMember, which is 100000: lower the first or raise the second",
        ),
    ] {
        assert_eq!(error(&cluster(&given)), wanted);
    }
}

#[test]
fn the_environment_and_the_command_line_are_named_as_the_source() {
    let variable = |name, value| Sources::new().environment(variables(&[(name, value)]));
    let set = |assignment: &str| Sources::new().assign(assignment);
    for (sources, wanted) in [
        (
            variable("kuzzle_plugins__cluster__minimumnodes", "3"),
            "plugins.cluster.minimumnodes, given by the environment variable kuzzle_plugins__cluster__minimumnodes, is not a setting: the nearest one is plugins.cluster.minimumNodes",
        ),
        (
            variable("kuzzle_server__port", "web"),
            "server.port is \"web\", given by the environment variable kuzzle_server__port: expected a whole number from 0 to 65535",
        ),
        (
            variable("kuzzle_plugins__cluster__timers", "{}"),
            "plugins.cluster.timers is a text, given by the environment variable kuzzle_plugins__cluster__timers: expected an object, as *json:{…}",
        ),
        (
            variable("kuzzle_plugins__cluster__seeds", "*json:[a:1]"),
            "the environment variable kuzzle_plugins__cluster__seeds is not JSON: expected value at line 1 column 2",
        ),
        (
            set("minimumNodes"),
            "--set minimumNodes is not an assignment: write --set plugins.cluster.minimumNodes=3",
        ),
        (
            set("minimumNodes=3"),
            "minimumNodes, given by --set, is not a setting: the nearest one is plugins.cluster.minimumNodes",
        ),
        (
            set("plugins.cluster.minimumNodes=many"),
            "plugins.cluster.minimumNodes is \"many\", given by --set: expected a whole number from 1 to 10000",
        ),
        (
            set("plugins.cluster.trace.file={nod}").flag(
                "--trace",
                "plugins.cluster.trace.file",
                "a-{nodes}",
            ),
            "plugins.cluster.trace.file, given by --trace: {nodes} in the name of the file stands for nothing: {node} and {started} do, and no other brace may be in it",
        ),
        (
            Sources::new().flag("--trace-limit", "plugins.cluster.trace.maxBytes", 5),
            "plugins.cluster.trace.maxBytes is 5, given by --trace-limit: expected a whole number from 65536 to 1099511627776",
        ),
    ] {
        assert_eq!(error(&sources), wanted);
    }
}

#[test]
fn what_is_refused_is_named_in_one_short_line() {
    let line = format!("plugins.cluster.a\nb{}", "c".repeat(1_000));
    let shown = format!("plugins.cluster.a\\nb{}…", "c".repeat(81));
    assert_eq!(
        error(&cluster(&json!({ line.trim_start_matches("plugins.cluster."): 1 }))),
        format!(
            "{shown}, given by the file kuzzle.json, is not a setting: the nearest one is plugins.cluster.commands.accept"
        )
    );
    assert_eq!(
        error(&Sources::new().assign(&line)),
        format!("--set {shown} is not an assignment: write --set plugins.cluster.minimumNodes=3")
    );
}

#[test]
fn a_text_that_is_no_json_is_named_with_the_place() {
    for (text, wanted) in [
        ("{\n \"plugins\": {", "the file kuzzle.json is not JSON: Unterminated object on line 2 column 14"),
        ("[]", "the configuration is a list, given by the file kuzzle.json: expected an object"),
    ] {
        assert_eq!(error(&file(text)), wanted);
    }
    let nested = error(&file(&"[".repeat(100_000)));
    assert_eq!(
        nested,
        "the file kuzzle.json is not JSON: Maximum nesting depth exceeded on line 1 column 513"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.json");
    let error = Sources::new().read_file(&missing).unwrap_err().to_string();
    let start = format!("cannot read the configuration file {}: ", missing.display());
    assert!(error.starts_with(&start), "{error}");
}

#[test]
fn a_program_is_held_to_the_same_ranges() {
    let error = Config::builder().heartbeat(Duration::from_micros(900)).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugins.cluster.timers.heartbeat is 0, given by the program: \
         expected a whole number of milliseconds from 50 to 60000"
    );
    assert!(Config::builder().plaintext(Plaintext::DangerousAnywhere).build().is_ok());
}

#[test]
fn a_binding_that_strangers_reach_is_refused_with_both_remedies() {
    let config = Config::load(&cluster(&json!({ "bind": "tcp://[_site_:ipv4]:7511" }))).unwrap();
    let address: SocketAddr = "10.0.0.5:7511".parse().unwrap();
    let error = config.check_exposure(config.listeners()[0].binding(), address).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tcp://[_site_:ipv4]:7511 is refused: without TLS only loopback may be bound, and it means 10.0.0.5:7511; \
         configure plugins.cluster.tls.certificate, key and authorities, or set \
         plugins.cluster.tls.dangerousPlaintext to true if everybody who can reach this address may join and read all"
    );
}
