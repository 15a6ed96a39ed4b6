//! Members that announce themselves in one Redis.

use std::sync::Arc;
use std::time::Instant;

use cluster_tests::{Guard, Member, RedisCluster, RedisServer, Setup, reserve_port};
use cluster_transport::proto::ClusterName;
use serde_json::{Value, json};

/// A member that finds others through a Redis alone.
pub(crate) fn setup(name: &str, redis: &Value) -> Setup {
    Setup::new(name).in_redis(redis)
}

fn of_cluster(setup: Setup, cluster: &str) -> Setup {
    let name: ClusterName = cluster.parse().unwrap();
    setup.with(|config| config.cluster_name(name))
}

/// Its warnings and errors, save that a machine with other things to do may keep Redis waiting.
fn complaints(member: &Member) -> Vec<String> {
    let mut lines = member.logs.complaints();
    lines.retain(|line| !line.contains("no answer"));
    lines
}

fn entries(server: &RedisServer, cluster: &str) -> Vec<String> {
    let mut nodes: Vec<String> = server.command(&["HKEYS", &format!("{{{cluster}}}:cluster:leases")]);
    nodes.sort_unstable();
    nodes
}

/// Enters a node as it enters itself, with a lease that ends so many milliseconds from now.
fn enter(server: &RedisServer, node: &str, life: u64, addresses: &[String], lasts_ms: i64) {
    let now: Vec<String> = server.command(&["TIME"]);
    let ends = now[0].parse::<i64>().unwrap() * 1_000 + lasts_ms;
    let fingerprint = entry_of(server).map_or(Value::Null, |entry| entry["fingerprint"].clone());
    let entry = json!({ "addresses": addresses, "fingerprint": fingerprint });
    let value = format!("{life:016x}{:016x}{entry}", 0);
    server.command::<()>(&["ZADD", "{kuzzle}:cluster:lease-ends", &ends.to_string(), node]);
    server.command::<()>(&["HSET", "{kuzzle}:cluster:leases", node, &value]);
}

/// Any entry that a member has made.
fn entry_of(server: &RedisServer) -> Option<Value> {
    let values: Vec<String> = server.command(&["HVALS", "{kuzzle}:cluster:leases"]);
    serde_json::from_str(values.first()?.get(32..)?).ok()
}

#[tokio::test]
async fn members_find_each_other_and_status_says_how() {
    let (server, cluster) = (RedisServer::start(Guard::Tls), RedisCluster::start(Guard::Password));
    for setting in [server.setting(), cluster.setting()] {
        let a = setup("a", &setting).start().await;
        let b = setup("b", &setting).start().await;
        a.together_with(&["b"]).await;
        b.together_with(&["a"]).await;
        b.status(|status| {
            let known = &status.discovery[0];
            known.addresses == 1
                && known.answers == Some(true)
                && known.lease.as_deref() == Some("held for 12s")
        })
        .await;
        assert_eq!((b.provider().provider.as_str(), b.provider().foreign), ("redis", 0));
    }
}

#[tokio::test]
async fn a_node_that_leaves_takes_its_lease_along_and_a_dead_one_leaves_it_behind() {
    let server = RedisServer::start(Guard::Open);
    let members = ["a", "b", "c"].map(|name| setup(name, &server.setting()));
    let [a, b, c] = members;
    let (a, b, c) = (a.start().await, b.start().await, c.start().await);
    c.together_with(&["a", "b"]).await;
    assert_eq!(entries(&server, "kuzzle"), ["a", "b", "c"]);
    b.cluster.leave().await;
    assert_eq!(entries(&server, "kuzzle"), ["a", "c"]);
    c.kill();
    a.together_with(&[]).await;
    assert_eq!(entries(&server, "kuzzle"), ["a", "c"]);
}

#[tokio::test]
async fn leases_that_have_ended_vanish_with_the_next_renewal() {
    let server = RedisServer::start(Guard::Open);
    for number in 0..10 {
        enter(&server, &format!("dead-{number}"), 1, &[], -1);
    }
    let member = setup("a", &server.setting()).start().await;
    member.cluster.wait_ready().await;
    assert_eq!(entries(&server, "kuzzle"), ["a"]);
    assert_eq!(server.command::<Vec<String>>(&["ZRANGE", "{kuzzle}:cluster:lease-ends", "0", "-1"]), ["a"]);
    // After the last renewal of all, the keys end too.
    for key in ["{kuzzle}:cluster:leases", "{kuzzle}:cluster:lease-ends"] {
        let ttl: i64 = server.command(&["PTTL", key]);
        assert!((1..=24_000).contains(&ttl), "{key} lasts {ttl} ms");
    }
}

#[tokio::test]
async fn a_left_over_lease_delays_nobody() {
    let server = RedisServer::start(Guard::Open);
    let other = setup("other", &server.setting()).start().await;
    other.cluster.wait_ready().await;
    // One address refuses, one accepts and says nothing, as that of a frozen process does.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("tcp://{}", silent.local_addr().unwrap());
    let dead = format!("tcp://127.0.0.1:{}", reserve_port());
    enter(&server, "dead", 1, &[dead, silent], 60_000);
    let began = Instant::now();
    let newcomer = setup("newcomer", &server.setting()).start().await;
    newcomer.cluster.wait_ready().await;
    println!("ready after {:?} beside a left-over lease", began.elapsed());
    assert_eq!(newcomer.provider().addresses, 3);
    newcomer.together_with(&["other"]).await;
}

#[tokio::test]
async fn clusters_of_different_names_share_a_redis_and_never_meet() {
    let server = RedisServer::start(Guard::Open);
    let pair = |cluster: &'static str| {
        ["a", "b"].map(|name| of_cluster(setup(&format!("{cluster}-{name}"), &server.setting()), cluster))
    };
    let mut members = Vec::new();
    for one in [pair("red"), pair("blue")].into_iter().flatten() {
        members.push(one.start().await);
    }
    for (member, other) in members.iter().zip(["red-b", "red-a", "blue-b", "blue-a"]) {
        member.together_with(&[other]).await;
        member.status(|status| status.discovery[0].addresses == 1).await;
        assert_eq!(complaints(member), Vec::<String>::new());
    }
    assert_eq!(entries(&server, "red"), ["red-a", "red-b"]);
    assert_eq!(entries(&server, "blue"), ["blue-a", "blue-b"]);
}

#[tokio::test]
async fn an_entry_with_which_no_session_can_come_about_is_counted_and_not_dialled() {
    let server = RedisServer::start(Guard::Open);
    let stranger = setup("stranger", &server.setting()).with(|config| {
        let seed: cluster_core::config::FilterSeed = "another".parse().unwrap();
        config.filter_seed(Some(seed))
    });
    let stranger = stranger.start().await;
    stranger.cluster.wait_ready().await;
    let member = setup("member", &server.setting()).start().await;
    member.cluster.wait_ready().await;
    let known = member.provider();
    assert_eq!((known.foreign, known.addresses), (1, 0));
    stranger.status(|status| status.discovery[0].foreign == 1).await;
    for one in [&member, &stranger] {
        assert_eq!(complaints(one), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_lease_is_not_taken_from_a_later_life() {
    let server = RedisServer::start(Guard::Open);
    enter(&server, "a", u64::MAX, &[], 60_000);
    let member = setup("a", &server.setting()).start().await;
    member.cluster.wait_ready().await;
    let lease = member.provider().lease.unwrap();
    assert!(lease.starts_with(&format!("outranked: the life {}", u64::MAX)), "{lease}");
    let values: Vec<String> = server.command(&["HVALS", "{kuzzle}:cluster:leases"]);
    assert!(values[0].starts_with("ffffffffffffffff"), "{values:?}");
    // It leaves what is not its own, too.
    member.cluster.leave().await;
    assert_eq!(entries(&server, "kuzzle"), ["a"]);
}

#[tokio::test]
async fn a_superseded_process_writes_no_lease() {
    let server = RedisServer::start(Guard::Open);
    let older = setup("twin", &server.setting()).start().await;
    older.cluster.wait_ready().await;
    let other = setup("other", &server.setting()).start().await;
    older.together_with(&["other"]).await;
    let newer = setup("twin", &server.setting()).start().await;
    let rank = format!("{:016x}", newer.cluster.incarnation().epoch);
    other.status(|status| status.members.iter().any(|member| member.node == "twin")).await;
    let withheld = |lease: &Option<String>| lease.as_ref().is_some_and(|lease| !lease.starts_with("held"));
    older.status(|status| withheld(&status.discovery[0].lease)).await;
    let entry: String = server.command(&["HGET", "{kuzzle}:cluster:leases", "twin"]);
    assert!(entry.starts_with(&rank), "{entry} is not of {rank}");
}

#[tokio::test]
async fn two_processes_of_one_id_and_nobody_else_learn_of_each_other() {
    let server = RedisServer::start(Guard::Open);
    let older = setup("twin", &server.setting()).start().await;
    older.cluster.wait_ready().await;
    let newer = setup("twin", &server.setting()).start().await;
    let epoch = newer.cluster.incarnation().epoch;
    let why = format!("another process of this id runs with epoch {epoch}");
    older.status(|status| !status.ready && status.reasons.contains(&why)).await;
    assert!(newer.cluster.readiness().ready);
}

#[tokio::test]
async fn a_store_that_forgets_everything_is_told_again() {
    let server = RedisServer::start(Guard::Open);
    let a = setup("a", &server.setting()).start().await;
    let b = setup("b", &server.setting()).start().await;
    a.together_with(&["b"]).await;
    server.command::<()>(&["FLUSHALL"]);
    server.command::<()>(&["SCRIPT", "FLUSH"]);
    server.wait_for(&["HLEN", "{kuzzle}:cluster:leases"], |entries: &usize| *entries == 2);
    b.together_with(&["a"]).await;
}

#[tokio::test]
async fn a_node_starts_without_its_redis_says_so_and_joins_when_it_comes() {
    let mut server = RedisServer::start(Guard::Open);
    server.kill();
    let waiting = setup("waiting", &server.setting()).start().await;
    waiting.logs.contain("cannot say who is there: the Redis 127.0.0.1:").await;
    waiting.status(|status| status.discovery[0].answers == Some(false)).await;
    let readiness = waiting.cluster.readiness();
    let wanted = format!(
        "no discovery provider has answered yet (redis: the Redis 127.0.0.1:{} cannot be reached: ",
        server.port()
    );
    assert!(!readiness.ready && readiness.reasons[0].starts_with(&wanted), "{readiness:?}");
    let error = waiting.provider().last_error.unwrap();
    assert!(error.contains("cannot be reached: Connection refused"), "{error}");
    let told = waiting.logs.lines(|line| line.contains("cannot say who is there"));
    assert_eq!(told.len(), 1, "an error that goes on is told once: {told:?}");
    server.restart();
    waiting.cluster.wait_ready().await;
    let other = setup("other", &server.setting()).start().await;
    other.together_with(&["waiting"]).await;
}

#[tokio::test]
async fn a_node_with_seeds_and_a_redis_that_is_down_is_ready() {
    let a = Setup::new("a").start().await;
    let seeds: Arc<[_]> = [a.address()].into();
    let redis = json!({ "host": "127.0.0.1", "port": reserve_port() });
    let b = setup("b", &redis).with(|config| config.seeds(seeds)).start().await;
    b.together_with(&["a"]).await;
    let answers: Vec<_> =
        b.cluster.status().discovery.into_iter().map(|one| (one.provider, one.answers)).collect();
    assert_eq!(answers[0], ("seeds".to_owned(), Some(true)));
    assert_eq!(answers[1].0, "redis");
}
