//! Whole configurations: what sources give, which of them counts, and what is refused in which words.

mod laws;
mod refused;

use std::path::Path;
use std::time::Duration;

use cluster_transport::proto::{ClusterName, NodeId};
use serde_json::{Value, json};

use super::*;

fn file(text: &str) -> Sources {
    Sources::new().file("kuzzle.json", text)
}

/// The settings under `plugins.cluster` of a file.
fn cluster(settings: &Value) -> Sources {
    file(&json!({ "plugins": { "cluster": settings } }).to_string())
}

fn variables(given: &[(&str, &str)]) -> Vec<(String, String)> {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn values(config: &Config) -> Vec<(&'static str, String)> {
    config.effective().map(|setting| (setting.key, setting.value)).collect()
}

/// The settings that do not have their default, with where they came from.
fn changed(config: &Config) -> Vec<(&'static str, String, String)> {
    let given = config.effective().filter(|setting| *setting.source != Source::Default);
    given.map(|setting| (setting.key, setting.value, setting.source.to_string())).collect()
}

fn bindings(config: &Config) -> Vec<(BindingName, String)> {
    config.listeners().iter().map(|listener| (listener.name(), listener.binding().to_string())).collect()
}

const SAMPLE: &str = include_str!("../../../../docs/config.sample.jsonc");
const KUZZLERC: &str = include_str!("kuzzlerc.json");
const NODES: &str =
    r#"[{"host":"redis1","port":6379},{"host":"redis2","port":6379},{"host":"redis3","port":6379}]"#;

#[test]
fn the_sample_file_holds_every_setting_with_its_default() {
    let sample: Value = jsonc_parser::parse_to_serde_value(SAMPLE, &Default::default()).unwrap();
    for key in Settings::KEYS {
        let path = format!("/{}", key.replace('.', "/"));
        assert!(sample.pointer(&path).is_some(), "{key} is missing in the sample");
    }
    let loaded = Config::load(&file(SAMPLE)).unwrap();
    assert_eq!(values(&loaded), values(&Config::builder().build().unwrap()));
}

#[test]
fn a_node_without_configuration_is_alone_on_loopback() {
    let config = Config::load(&Sources::new()).unwrap();
    assert_eq!(changed(&config), []);
    assert_eq!(bindings(&config), [(BindingName::Pub, "tcp://127.0.0.1:7511".to_owned())]);
    assert_eq!(config.security(), &Security::Plaintext(Plaintext::LoopbackOnly));
    assert_eq!((config.minimum_nodes().get(), config.heartbeat()), (1, Duration::from_millis(500)));
    assert_eq!(config.filter_seed(), FilterSeed::of_cluster(&config.cluster_name()));
}

#[test]
fn the_complete_sample_of_the_original_means_what_it_says() {
    let config = Config::load(&file(KUZZLERC)).unwrap();
    let from = |key, value: &str| (key, value.to_owned(), "the file kuzzle.json".to_owned());
    assert_eq!(
        changed(&config),
        [
            from("plugins.cluster.bindings.pub", "\"tcp://[_site_:ipv4]:7511\""),
            from("plugins.cluster.bindings.router", "\"tcp://[_site_:ipv4]:7510\""),
            from("plugins.cluster.minimumNodes", "1"),
            from("plugins.cluster.retryJoin", "30"),
            from("plugins.cluster.timers.discoverTimeout", "3000"),
            from("plugins.cluster.timers.joinAttemptInterval", "2000"),
            from("plugins.cluster.timers.heartbeat", "5000"),
            from("plugins.cluster.timers.waitForMissingRooms", "4500"),
            from("services.internalCache.nodes", NODES),
            from("services.internalCache.database", "0"),
        ]
    );
    assert_eq!(
        config.redis().map(ToString::to_string).as_deref(),
        Some("the Redis Cluster of redis1:6379, redis2:6379, redis3:6379")
    );
    assert_eq!(config.join_attempt_interval(), Duration::from_secs(2));
    assert_eq!(config.wait_for_missing_rooms(), Duration::from_millis(4500));
}

#[test]
fn one_timer_leaves_the_other_defaults_alone() {
    let config = Config::load(&cluster(&json!({ "timers": { "heartbeat": 1000 } }))).unwrap();
    let source = "the file kuzzle.json".to_owned();
    assert_eq!(changed(&config), [("plugins.cluster.timers.heartbeat", "1000".to_owned(), source)]);
    assert_eq!(config.discover_timeout(), DEFAULT_DISCOVER_TIMEOUT);
}

#[test]
fn the_correct_spelling_wins_within_a_source_and_the_later_source_over_both() {
    let interval = |sources: &Sources| Config::load(sources).unwrap().join_attempt_interval().as_millis();
    let both = json!({ "timers": { "joinAttemptIntervall": 2000, "joinAttemptInterval": 3000 } });
    assert_eq!(interval(&cluster(&both)), 3000);
    let assigned = cluster(&both).assign("plugins.cluster.timers.joinAttemptIntervall=4000");
    assert_eq!(interval(&assigned), 4000);
}

#[test]
fn assignments_count_more_than_the_environment_and_that_more_than_the_file() {
    let sources =
        cluster(&json!({ "minimumNodes": 2, "retryJoin": 2, "clusterName": "two", "nodeId": "n2" }))
            .environment(variables(&[
                ("kuzzle_plugins__cluster__minimumNodes", "3"),
                ("KUZZLE_plugins__cluster__retryJoin", "3"),
                ("kuzzle_plugins__cluster", "*json:{\"clusterName\":\"three\",\"minimumNodes\":9}"),
                ("kuzzle_services__db__client__node", "http://elasticsearch:9200"),
                ("PATH", "/bin"),
                ("kuzzle_", "x"),
                ("é", "x"),
            ]))
            .assign("plugins.cluster.minimumNodes=4")
            .assign("plugins.cluster.minimumNodes=5");
    let from = |key, value: &str, source: &str| (key, value.to_owned(), source.to_owned());
    assert_eq!(
        changed(&Config::load(&sources).unwrap()),
        [
            from(
                "plugins.cluster.clusterName",
                "\"three\"",
                "the environment variable kuzzle_plugins__cluster"
            ),
            from("plugins.cluster.nodeId", "\"n2\"", "the file kuzzle.json"),
            from("plugins.cluster.minimumNodes", "5", "--set"),
            from(
                "plugins.cluster.retryJoin",
                "3",
                "the environment variable KUZZLE_plugins__cluster__retryJoin"
            ),
        ]
    );
}

#[test]
fn texts_of_environment_and_command_line_become_what_the_setting_wants() {
    let digits = "1".repeat(64);
    let config = Config::load(
        &Sources::new()
            .environment(variables(&[
                ("kuzzle_plugins__cluster__adminToken", "12345678"),
                ("kuzzle_plugins__cluster__nodeId", "42"),
                ("kuzzle_plugins__cluster__filterSeed", &digits),
                ("kuzzle_plugins__cluster__tls__dangerousPlaintext", "true"),
                ("kuzzle_plugins__cluster__commands__accept", "*json:[]"),
            ]))
            .assign("plugins.cluster.seeds=[\"a:1\",\"tcp://[::1]:2\"]")
            .assign("plugins.cluster.advertise=node-1:7511")
            .assign("plugins.cluster.timers={\"heartbeat\": 60}")
            .assign("server.host=0.0.0.0"),
    )
    .unwrap();
    assert_eq!(config.admin_token().unwrap().expose(), "12345678");
    assert_eq!(config.node_id().unwrap().as_str(), "42");
    assert_eq!(config.filter_seed().to_string(), digits);
    assert_eq!(config.security(), &Security::Plaintext(Plaintext::DangerousAnywhere));
    assert_eq!(*config.accepted_commands(), []);
    assert_eq!(*config.seeds(), ["tcp://a:1".parse().unwrap(), "tcp://[::1]:2".parse().unwrap()]);
    assert_eq!(*config.advertise(), ["tcp://node-1:7511".parse().unwrap()]);
    assert_eq!(config.heartbeat(), Duration::from_millis(60));
    assert_eq!(config.server_host().as_str(), "0.0.0.0");
}

#[test]
fn null_takes_back_what_earlier_sources_gave() {
    let given = cluster(&json!({ "nodeId": "a", "bindings": { "router": "a", "pub": "b" }, "redis": {} }));
    let taken_back = given
        .assign("plugins.cluster.nodeId=null")
        .assign("plugins.cluster.bindings=null")
        .assign("plugins.cluster.redis=null")
        .assign("plugins.cluster.bind=127.0.0.1:1");
    let config = Config::load(&taken_back).unwrap();
    assert_eq!(config.node_id(), None);
    assert_eq!(bindings(&config), [(BindingName::Bind, "tcp://127.0.0.1:1".to_owned())]);
}

#[test]
fn a_file_may_have_comments_bare_names_and_trailing_commas() {
    let text = "// ours\n{ plugins: { cluster: { \"minimumNodes\": 3, /* quorum */ }, }, }";
    assert_eq!(Config::load(&file(text)).unwrap().minimum_nodes().get(), 3);
    assert!(Config::load(&file("")).is_ok());
}

#[test]
fn bindings_have_names_and_default_ports() {
    for (given, wanted) in [
        (json!({ "bind": "localhost" }), vec![(BindingName::Bind, "tcp://localhost:7511")]),
        (
            json!({ "bindings": { "router": "127.0.0.1" } }),
            vec![(BindingName::Pub, "tcp://127.0.0.1:7511"), (BindingName::Router, "tcp://127.0.0.1:7510")],
        ),
        (json!({ "bindings": { "pub": "tcp://[lo]" } }), vec![(BindingName::Pub, "tcp://[lo:ipv4]:7511")]),
        (
            json!({ "tls": { "certificate": "c.pem", "key": "k.pem", "authorities": "ca.pem" } }),
            vec![(BindingName::Pub, "tcp://[_site_:ipv4]:7511")],
        ),
    ] {
        let config = Config::load(&cluster(&given)).unwrap();
        let wanted: Vec<_> = wanted.into_iter().map(|(name, shown)| (name, shown.to_owned())).collect();
        assert_eq!(bindings(&config), wanted, "{given}");
    }
}

#[test]
fn the_files_of_tls_are_handed_out_together() {
    let given =
        json!({ "tls": { "certificate": "c.pem", "key": "k.pem", "authorities": ["a.pem", "b.pem"] } });
    let config = Config::load(&cluster(&given)).unwrap();
    let Security::Tls(files) = config.security() else { panic!("TLS is configured") };
    assert_eq!((files.certificate(), files.key()), (Path::new("c.pem"), Path::new("k.pem")));
    assert_eq!(files.authorities(), [Path::new("a.pem"), Path::new("b.pem")]);
}

#[test]
fn without_tls_only_loopback_may_be_bound() {
    let tls = json!({ "tls": { "certificate": "c", "key": "k", "authorities": "a" } });
    let dangerous = json!({ "tls": { "dangerousPlaintext": true } });
    for (given, address, allowed) in [
        (json!({}), "127.0.0.1:1", true),
        (json!({}), "127.9.9.9:1", true),
        (json!({}), "[::1]:1", true),
        (json!({}), "[::ffff:127.0.0.1]:1", true),
        (json!({}), "10.0.0.5:1", false),
        (json!({}), "0.0.0.0:1", false),
        (json!({}), "[::]:1", false),
        (dangerous, "0.0.0.0:1", true),
        (tls, "10.0.0.5:1", true),
    ] {
        let config = Config::load(&cluster(&given)).unwrap();
        let outcome = config.check_exposure(config.listeners()[0].binding(), address.parse().unwrap());
        assert_eq!(outcome.is_ok(), allowed, "{address} with {given}");
    }
}

#[test]
fn a_secret_shows_itself_nowhere() {
    let sources = cluster(&json!({ "adminToken": "hush" }));
    let config = Config::load(&sources).unwrap();
    assert_eq!(changed(&config)[0].1, "\"***\"");
    assert!(!format!("{config:?} {sources:?}").contains("hush"));
}

#[test]
fn a_program_sets_the_same_settings() {
    let config = Config::builder()
        .cluster_name("demo".parse::<ClusterName>().unwrap())
        .node_id("a".parse::<NodeId>().unwrap())
        .bind(Binding::parse("tcp://127.0.0.1:0", DEFAULT_PUB_PORT).unwrap())
        .seeds(vec!["tcp://127.0.0.1:1".parse().unwrap()])
        .heartbeat(Duration::from_millis(100))
        .build()
        .unwrap();
    let from = |key, value: &str| (key, value.to_owned(), "the program".to_owned());
    assert_eq!(
        changed(&config),
        [
            from("plugins.cluster.clusterName", "\"demo\""),
            from("plugins.cluster.nodeId", "\"a\""),
            from("plugins.cluster.bind", "\"tcp://127.0.0.1:0\""),
            from("plugins.cluster.seeds", "[\"tcp://127.0.0.1:1\"]"),
            from("plugins.cluster.timers.heartbeat", "100"),
        ]
    );
}
