//! The connection: every kind of Redis is reached, and what is wrong is said in words.

use std::time::Instant;

use cluster_core::config::{Config, RedisOptions};
use cluster_core::store::Store;
use cluster_tests::{GIVE_UP, Guard, RedisCluster, RedisSentinel, RedisServer, reserve_port};
use serde_json::{Value, json};

pub(crate) fn store(setting: Value) -> Store {
    let config = Config::builder().redis(RedisOptions::from(setting)).build().unwrap();
    Store::new(config.redis().unwrap().clone(), config.cluster_name())
}

/// What a call says that does not succeed.
async fn problem(setting: Value) -> String {
    store(setting).ping().await.unwrap_err().to_string()
}

fn with(mut setting: Value, name: &str, value: impl Into<Value>) -> Value {
    setting[name] = value.into();
    setting
}

#[tokio::test]
async fn one_server_is_reached_with_and_without_password_and_tls() {
    for guard in [Guard::Open, Guard::Password, Guard::Tls, Guard::MutualTls, Guard::Tls12] {
        let server = RedisServer::start(guard);
        store(server.setting()).ping().await.unwrap_or_else(|error| panic!("{guard:?}: {error}"));
    }
}

#[tokio::test]
async fn a_redis_cluster_is_reached_with_and_without_password_and_tls() {
    for guard in [Guard::Open, Guard::Password, Guard::Tls, Guard::MutualTls] {
        let cluster = RedisCluster::start(guard);
        store(cluster.setting()).ping().await.unwrap_or_else(|error| panic!("{guard:?}: {error}"));
    }
}

#[tokio::test]
async fn a_master_is_reached_through_its_sentinel_and_so_is_its_successor() {
    for guard in [Guard::Open, Guard::Password, Guard::Tls, Guard::MutualTls] {
        let mut servers = RedisSentinel::start(guard);
        let store = store(servers.setting());
        store.ping().await.unwrap();
        servers.kill_master();
        servers.wait_for_successor();
        // The first call meets the broken connection.
        let began = Instant::now();
        while let Err(error) = store.ping().await {
            assert!(began.elapsed() < GIVE_UP, "{error}");
        }
    }
}

#[tokio::test]
async fn a_wrong_log_in_is_named_with_where_to_correct_it() {
    let server = RedisServer::start(Guard::Password);
    let (one, at) = (server.setting(), format!("127.0.0.1:{}", server.port()));
    let remedy = "check username and password where it is configured";
    for (setting, wanted) in [
        (
            with(one.clone(), "password", "wrong"),
            format!("the Redis {at} refuses the log-in: Password authentication failed; {remedy}"),
        ),
        (
            with(one.clone(), "password", Value::Null),
            format!("the Redis {at} refuses the log-in: NOAUTH: Authentication required.; {remedy}"),
        ),
        (
            json!([with(one.clone(), "password", "wrong")]),
            format!("the Redis Cluster of {at} refuses the log-in: Password authentication failed; {remedy}"),
        ),
        (
            json!([with(one.clone(), "password", Value::Null)]),
            format!(
                "the Redis Cluster of {at} refuses the log-in: NOAUTH: Authentication required.; {remedy}"
            ),
        ),
        (
            with(one, "db", 99),
            format!(
                "the Redis {at} answers: Redis server refused to switch database: DB index is out of range"
            ),
        ),
    ] {
        assert_eq!(problem(setting).await, wanted);
    }
}

#[tokio::test]
async fn another_kind_of_redis_than_configured_is_named_with_what_to_write_instead() {
    let (server, sentinel) = (RedisServer::start(Guard::Open), RedisSentinel::start(Guard::Open));
    let at = format!("127.0.0.1:{}", server.port());
    assert_eq!(
        problem(json!([server.setting()])).await,
        format!(
            "the Redis Cluster of {at} is configured as a Redis Cluster, but it is a single server: give one server, \
             {{\"host\": …, \"port\": …}}, in plugins.cluster.redis or services.internalCache.node"
        )
    );
    let unknown = problem(with(sentinel.setting(), "name", "other")).await;
    let wanted = "is configured as a master known to its sentinels, but they know no reachable master of this name: \
                  check name, the list of sentinels, and that the master runs";
    assert!(unknown.contains(wanted), "{unknown}");
    // Which node the keys are on is up to the name of the cluster.
    let cluster = RedisCluster::start(Guard::Open);
    let mut refused = 0;
    for node in cluster.setting().as_array().unwrap() {
        if let Err(error) = store(node.clone()).ping().await {
            refused += 1;
            let remedy = "list its nodes in plugins.cluster.redis or services.internalCache.nodes";
            let error = error.to_string();
            assert!(
                error.contains("is configured as a single server, but it is a node of a Redis Cluster"),
                "{error}"
            );
            assert!(error.ends_with(remedy), "{error}");
        }
    }
    assert_eq!(refused, 2);
}

#[tokio::test]
async fn a_redis_that_cannot_be_reached_is_named_with_what_was_seen() {
    let frozen = RedisServer::start(Guard::Open);
    frozen.freeze();
    let (closed, silent) = (reserve_port(), frozen.port());
    for (setting, wanted) in [
        (
            json!({ "host": "127.0.0.1", "port": closed }),
            format!("the Redis 127.0.0.1:{closed} cannot be reached: Connection refused (os error 111)"),
        ),
        (
            json!([{ "host": "127.0.0.1", "port": closed }]),
            format!(
                "the Redis Cluster of 127.0.0.1:{closed} cannot be reached: Connection refused (os error 111)"
            ),
        ),
        (
            json!({ "sentinels": [{ "host": "127.0.0.1", "port": closed }], "name": "m" }),
            format!(
                "the Redis m of the sentinels 127.0.0.1:{closed} cannot be reached: Connection refused (os error 111)"
            ),
        ),
    ] {
        assert_eq!(problem(setting).await, wanted);
    }
    let one = problem(json!({ "host": "127.0.0.1", "port": silent })).await;
    assert!(one.starts_with(&format!("the Redis 127.0.0.1:{silent} cannot be reached: no answer ")), "{one}");
    let all = problem(json!([{ "host": "127.0.0.1", "port": silent }])).await;
    assert!(
        all.starts_with(&format!("the Redis Cluster of 127.0.0.1:{silent} cannot be reached: no answer ")),
        "{all}"
    );
    let unknown = problem(json!({ "host": "no-such-host.invalid" })).await;
    assert!(unknown.starts_with("the Redis no-such-host.invalid:6379 cannot be reached: "), "{unknown}");
}

#[tokio::test]
async fn a_certificate_that_a_server_or_a_sentinel_wants_is_named_with_where_to_give_it() {
    let server = RedisServer::start(Guard::MutualTls);
    let mut without = server.setting();
    without["tls"] = json!({ "ca": without["tls"]["ca"] });
    let remedy = "received fatal alert: CertificateRequired; it wants a certificate of its clients: give cert and key in tls";
    assert_eq!(
        problem(without.clone()).await,
        format!("no TLS with the Redis 127.0.0.1:{}: {remedy}", server.port())
    );
    let listed = problem(json!([without])).await;
    assert_eq!(listed, format!("no TLS with the Redis Cluster of 127.0.0.1:{}: {remedy}", server.port()));
    let sentinel = RedisSentinel::start(Guard::MutualTls);
    for part in ["tls", "sentinelTLS"] {
        let mut without = sentinel.setting();
        without[part] = json!({ "ca": without[part]["ca"] });
        let told = problem(without).await;
        assert!(
            told.starts_with("no TLS with the Redis themaster of the sentinels ") && told.ends_with(remedy),
            "{told}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_tls_is_named() {
    let (plain, secured) = (RedisServer::start(Guard::Open), RedisServer::start(Guard::Tls));
    let at = format!("127.0.0.1:{}", secured.port());
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (setting, wanted) in [
        (
            with(secured.setting(), "tls", true),
            format!(
                "no TLS with the Redis {at}: invalid peer certificate: UnknownIssuer; give its authority as ca in tls"
            ),
        ),
        (
            json!([with(secured.setting(), "tls", true)]),
            format!(
                "no TLS with the Redis Cluster of {at}: invalid peer certificate: UnknownIssuer; give its authority as ca in tls"
            ),
        ),
        (
            with(secured.setting(), "tls", json!({ "ca": "/nonexistent/ca.pem" })),
            format!(
                "no TLS with the Redis {at}: cannot read /nonexistent/ca.pem: No such file or directory (os error 2)"
            ),
        ),
        (
            with(secured.setting(), "tls", json!({ "ca": pem })),
            format!("no TLS with the Redis {at}: Unable to parse TLS trust anchors"),
        ),
        (
            with(secured.setting(), "tls", false),
            format!(
                "the Redis {at} cannot be reached: Connection reset by peer (os error 104); if it wants TLS, \
                 configure tls"
            ),
        ),
        (
            with(plain.setting(), "tls", true),
            format!(
                "the Redis 127.0.0.1:{} cannot be reached: no answer within 2s; tls is configured: does it serve TLS \
                 at this port?",
                plain.port()
            ),
        ),
    ] {
        assert_eq!(problem(setting).await, wanted);
    }
    let unverified = with(secured.setting(), "tls", json!({ "rejectUnauthorized": false }));
    store(unverified).ping().await.unwrap();
}
