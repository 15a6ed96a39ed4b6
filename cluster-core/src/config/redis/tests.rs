//! Which Redis a configuration means, in the places and shapes that operators have it in.

use serde_json::{Value, json};

use crate::config::{
    Config, ConfigError, PemSource, RedisOptions, RedisSettings, RedisTopology, RedisVerification, Sources,
};

fn file(given: &Value) -> Sources {
    Sources::new().file("kuzzle.json", given.to_string())
}

fn own(redis: Value) -> Sources {
    file(&json!({ "plugins": { "cluster": { "redis": redis } } }))
}

fn cache(cache: Value) -> Sources {
    file(&json!({ "services": { "internalCache": cache } }))
}

fn redis(sources: &Sources) -> Option<RedisSettings> {
    Config::load(sources).unwrap_or_else(|error| panic!("{error}")).redis().cloned()
}

fn shown(sources: &Sources) -> Option<String> {
    let redis = redis(sources)?;
    let password = redis.login().password.as_ref().map_or("", |password| password.expose());
    let user = redis.login().user.as_deref().unwrap_or_default();
    let secured = if redis.tls().is_some() { " by TLS" } else { "" };
    Some(format!("{redis} {}{secured} {user}:{password}", redis.database()))
}

fn problem(sources: &Sources) -> String {
    Config::load(sources).unwrap_err().to_string()
}

#[test]
fn every_shape_of_the_original_is_understood() {
    for (sources, wanted) in [
        (own(json!({ "host": "r", "port": 1 })), "the Redis r:1 0 :"),
        (own(json!({ "host": "::1" })), "the Redis [::1]:6379 0 :"),
        (own(json!({})), "the Redis localhost:6379 0 :"),
        (own(json!("r:7")), "the Redis r:7 0 :"),
        (own(json!("rediss://u:p%40@r:7/3")), "the Redis r:7 3 by TLS u:p@"),
        (
            own(json!({ "host": "r", "db": 2, "username": "u", "password": 123, "tls": {} })),
            "the Redis r:6379 2 by TLS u:123",
        ),
        (
            own(json!([{ "host": "a", "port": 1 }, { "host": "b", "port": "2" }])),
            "the Redis Cluster of a:1, b:2 0 :",
        ),
        (
            own(json!({ "sentinels": [{ "host": "s" }, { "host": "t", "port": 9 }], "name": "m", "db": 1 })),
            "the Redis m of the sentinels s:26379, t:9 1 :",
        ),
        (
            cache(json!({ "backend": "redis", "database": 4, "node": { "host": "r", "port": 1 } })),
            "the Redis r:1 4 :",
        ),
        (
            cache(
                json!({ "node": { "host": "r" }, "options": { "password": "p", "db": 5, "lazyConnect": true } }),
            ),
            "the Redis r:6379 5 :p",
        ),
        (
            cache(json!({ "options": { "sentinels": [{ "host": "s" }], "name": "m" } })),
            "the Redis m of the sentinels s:26379 0 :",
        ),
        (
            cache(
                json!({ "node": { "host": "r" }, "nodes": [{ "host": "a" }], "options": { "password": "p" } }),
            ),
            "the Redis Cluster of a:6379 0 :p",
        ),
        (
            cache(json!({
                "nodes": [{ "host": "a" }],
                "clusterOptions": { "enableReadyCheck": true, "redisOptions": { "password": "p", "tls": true } },
            })),
            "the Redis Cluster of a:6379 0 by TLS :p",
        ),
    ] {
        assert_eq!(shown(&sources).as_deref(), Some(wanted), "{sources:?}");
    }
}

#[test]
fn what_the_host_says_to_its_own_client_is_left_alone_save_where_its_server_is() {
    let node = json!({ "host": "r", "unknown": 1, "tls": { "ciphers": "x" } });
    assert_eq!(shown(&cache(json!({ "node": node }))).as_deref(), Some("the Redis r:6379 0 by TLS :"));
    let nodes = json!([{ "host": "a", "unknown": 1 }]);
    assert_eq!(shown(&cache(json!({ "nodes": nodes }))).as_deref(), Some("the Redis Cluster of a:6379 0 :"));
    let socket = problem(&cache(json!({ "node": { "path": "/run/redis.sock" } })));
    let wanted = "services.internalCache.node, given by the file kuzzle.json: path is not known here; ";
    assert!(socket.starts_with(wanted), "{socket}");
}

#[test]
fn none_is_configured_until_a_server_is_named() {
    for sources in [
        Sources::new(),
        own(Value::Null),
        own(json!(false)),
        cache(json!({ "database": 3, "options": { "password": "p" }, "nodes": [] })),
        file(&json!({ "services": { "memoryStorage": { "node": { "host": "r" } } } })),
        file(&json!({
            "plugins": { "cluster": { "redis": false } },
            "services": { "internalCache": { "node": { "host": "r" } } },
        })),
    ] {
        assert_eq!(redis(&sources), None, "{sources:?}");
    }
}

#[test]
fn the_own_setting_counts_more_than_that_of_the_host() {
    let both = file(&json!({
        "plugins": { "cluster": { "redis": { "host": "own" } } },
        "services": { "internalCache": { "nodes": [{ "host": "a" }], "database": 0 } },
    }));
    assert_eq!(shown(&both).as_deref(), Some("the Redis own:6379 0 :"));
}

#[test]
fn single_members_come_from_the_environment_and_the_command_line() {
    let variables = [
        ("kuzzle_services__internalCache__node__host", "r"),
        ("kuzzle_services__internalCache__node__port", "7"),
        ("kuzzle_services__internalCache__options__password", "0123"),
        ("kuzzle_services__internalCache__options__tls", "true"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sources = cache(json!({ "node": { "host": "file", "port": 1 }, "options": { "username": "u" } }))
        .environment(variables);
    assert_eq!(shown(&sources).as_deref(), Some("the Redis r:7 0 by TLS u:0123"));
    let assigned = sources.assign("services.internalCache.options.tls=false");
    let assigned = assigned.assign("services.internalCache.options.password=10");
    assert_eq!(shown(&assigned).as_deref(), Some("the Redis r:7 0 u:10"));
    let replaced = assigned.assign("plugins.cluster.redis=[{\"host\":\"a\"}]");
    assert_eq!(shown(&replaced).as_deref(), Some("the Redis Cluster of a:6379 0 :"));
}

#[test]
fn tls_is_read_with_its_files_and_texts() {
    let tls = json!({
        "ca": ["ca.pem", "-----BEGIN CERTIFICATE-----"], "cert": "c.pem", "key": "k.pem", "rejectUnauthorized": false,
    });
    let settings = redis(&own(json!({ "host": "r", "tls": tls }))).unwrap();
    let tls = settings.tls().unwrap();
    assert_eq!(tls.authorities[0], PemSource::File("ca.pem".into()));
    assert_eq!(tls.authorities[1], PemSource::Text("-----BEGIN CERTIFICATE-----".into()));
    assert_eq!(tls.identity, Some((PemSource::File("c.pem".into()), PemSource::File("k.pem".into()))));
    assert_eq!(tls.verification, RedisVerification::DangerousNone);
    let sentinels = json!([{ "host": "s" }]);
    let given = json!({ "sentinels": sentinels, "name": "m", "sentinelTLS": true, "sentinelPassword": "x" });
    let settings = redis(&own(given)).unwrap();
    let RedisTopology::Sentinel { login, tls, .. } = settings.topology() else { panic!("{settings:?}") };
    assert_eq!(login.password.as_ref().map(|password| password.expose()), Some("x"));
    assert!(tls.is_some() && settings.tls().is_none());
    for (enabled, has_tls) in [(json!(true), true), (Value::Null, true), (json!(false), false)] {
        let given =
            json!({ "sentinels": sentinels, "name": "m", "tls": true, "enableTLSForSentinelMode": enabled });
        assert_eq!(redis(&own(given)).unwrap().tls().is_some(), has_tls, "{enabled}");
    }
}

#[test]
fn a_redis_cluster_with_a_database_other_than_0_is_refused() {
    let by = "given by the file kuzzle.json";
    let remedy =
        "a Redis Cluster has database 0 alone; set the database to 0, or name one server instead of a list";
    let nodes = json!([{ "host": "a" }]);
    for (sources, key, database) in [
        (cache(json!({ "nodes": nodes, "database": 3 })), "services.internalCache.nodes", 3),
        (cache(json!({ "nodes": nodes, "options": { "db": 1 } })), "services.internalCache.nodes", 1),
        (own(json!([{ "host": "a", "db": 2 }])), "plugins.cluster.redis", 2),
    ] {
        let wanted =
            format!("{key}, {by}, is a Redis Cluster, and of one with the database {database}: {remedy}");
        assert_eq!(problem(&sources), wanted);
    }
    assert!(redis(&cache(json!({ "nodes": nodes, "database": 0 }))).is_some());
}

#[test]
fn what_is_wrong_is_named_without_secrets() {
    for (given, wanted) in [
        (json!({ "host": 5, "port": "x" }), "port has to be a number from 1 to 65535"),
        (json!({ "host": ["a"] }), "host has to be a text"),
        (
            json!({ "hots": "r", "password": "hush" }),
            "hots is not known here; known are host, port, username, password, db, tls, sentinels, name, sentinelUsername, sentinelPassword, sentinelTLS, enableTLSForSentinelMode",
        ),
        (
            json!({ "path": "/run/redis.sock" }),
            "path is not known here; known are host, port, username, password, db, tls, sentinels, name, sentinelUsername, sentinelPassword, sentinelTLS, enableTLSForSentinelMode",
        ),
        (json!({ "db": -1 }), "db has to be a whole number"),
        (json!({ "tls": { "cert": "c.pem" } }), "tls.cert and tls.key have to be given together"),
        (
            json!({ "tls": { "servername": "r" } }),
            "tls.servername is not supported: certificates are checked for the host that is dialled",
        ),
        (
            json!({ "tls": { "ciphers": "x" } }),
            "tls.ciphers is not known here; known are ca, cert, key, rejectUnauthorized",
        ),
        (
            json!({ "sentinels": [{ "host": "s" }] }),
            "name is missing: the name that the sentinels know the master by",
        ),
        (
            json!({ "sentinels": ["s"], "name": "m" }),
            "sentinels has to be a list such as [{\"host\": \"sentinel\", \"port\": 26379}]",
        ),
        (json!({ "role": "slave" }), "role has to be master: other nodes are found through the master alone"),
        (
            json!("ftp://hush@r"),
            "the text is no URL of a Redis: write redis://user:password@host:6379/0, with rediss for TLS",
        ),
        (json!([]), "the list of nodes is empty"),
        (json!([{}]), "a node has neither host nor port"),
        (
            json!([{ "host": "a", "password": "hush" }, { "host": "b" }]),
            "its nodes differ in user, password or tls, which a Redis Cluster has in common",
        ),
    ] {
        let wanted = format!("plugins.cluster.redis, given by the file kuzzle.json: {wanted}");
        assert_eq!(problem(&own(given)), wanted);
    }
    assert_eq!(
        problem(&own(json!(true))),
        "plugins.cluster.redis is ***, given by the file kuzzle.json: expected an object such as \
         {\"host\": \"redis\", \"port\": 6379}, a list of such for a Redis Cluster, or false, or null"
    );
}

#[test]
fn secrets_are_not_shown() {
    let tls = json!({ "cert": "c", "key": "-----BEGIN hush" });
    let sources = file(&json!({
        "plugins": { "cluster": { "redis": { "host": "r", "password": "hush", "tls": tls } } },
        "services": { "internalCache": { "node": "redis://u:hush@r", "options": { "sentinelPassword": "hush" } } },
    }));
    let config = Config::load(&sources).unwrap();
    let effective: Vec<_> = config.effective().map(|setting| setting.value).collect();
    let all = format!("{config:?} {effective:?} {:?}", config.redis());
    assert!(!all.contains("hush"), "{all}");
    assert!(effective.iter().any(|value| value.contains("***@r")), "{effective:?}");
}

#[test]
fn a_program_gives_the_same_options() -> Result<(), ConfigError> {
    let config = Config::builder().redis(RedisOptions::from(json!({ "host": "r" }))).build()?;
    assert_eq!(config.redis().map(ToString::to_string).as_deref(), Some("the Redis r:6379"));
    Ok(())
}
