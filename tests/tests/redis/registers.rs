//! Registers in real Redis servers: they outlive the cluster, and the cluster outlives them.

use cluster_core::engine::registers::{RegisterEntry, RegisterKey, Stamp};
use cluster_core::keeper::{Keeper as _, Mark, RedisKeeper};
use cluster_tests::{Guard, Member, RedisCluster, RedisServer, Told};
use serde_json::Value;

use crate::leases::setup;
use crate::store::store;

const HASH: &str = "{kuzzle}:cluster:registers";

fn key(text: &str) -> RegisterKey {
    text.parse().unwrap()
}

fn value(member: &Member, name: &str) -> Option<String> {
    member.cluster.register(&key(name)).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

async fn complete(member: &Member) {
    member.status(|status| status.keeper.as_ref().is_some_and(|keeper| keeper.complete)).await;
}

/// As they stand in Redis, the mark left out.
fn fields(server: &RedisServer) -> Vec<String> {
    let mut fields: Vec<String> = server.command(&["HKEYS", HASH]);
    fields.retain(|field| !field.is_empty());
    fields.sort_unstable();
    fields
}

async fn pair(setting: &Value) -> (Member, Member) {
    let a = setup("a", setting).start().await;
    let b = setup("b", setting).start().await;
    a.together_with(&["b"]).await;
    b.together_with(&["a"]).await;
    (a, b)
}

async fn until_kept(member: &Member, server: &RedisServer, names: &[&str]) {
    member.status(|_| fields(server) == names).await;
}

#[tokio::test]
async fn they_are_read_at_a_cold_start_of_the_whole_cluster() {
    let (server, cluster) = (RedisServer::start(Guard::Open), RedisCluster::start(Guard::Password));
    for setting in [server.setting(), cluster.setting()] {
        let (a, b) = pair(&setting).await;
        for n in 0..150 {
            a.cluster.set_register(&key(&format!("k{n:03}")), format!("value {n}")).unwrap();
        }
        a.cluster.set_register(&key("gone"), "x").unwrap();
        b.status(|status| status.registers == 151).await;
        b.cluster.remove_register(&key("gone")).unwrap();
        complete(&a).await;
        complete(&b).await;
        // Leaving is no moment to write: what was acknowledged by now is there.
        for member in [&a, &b] {
            member.status(|status| status.converged).await;
        }
        let in_redis = RedisKeeper::new(store(setting.clone()));
        let kept =
            async || in_redis.read().await.unwrap().iter().filter(|entry| entry.value().is_some()).count();
        while kept().await < 150 || in_redis.read().await.unwrap().len() < 151 {
            tokio::task::yield_now().await;
        }
        a.kill();
        b.kill();
        let again = setup("c", &setting).start().await;
        tokio::time::timeout(cluster_tests::GIVE_UP, again.cluster.wait_ready()).await.unwrap();
        assert_eq!(again.cluster.registers(None, 1_000).len(), 150);
        assert_eq!(value(&again, "k149").as_deref(), Some("value 149"));
        again.cluster.set_register_default(&key("gone"), "back").unwrap();
        assert_eq!(value(&again, "gone"), None, "its removal was kept too");
    }
}

#[tokio::test]
async fn a_node_waits_for_the_store_when_nobody_else_has_them() {
    let server = RedisServer::start(Guard::Open);
    server.freeze();
    let a = setup("a", &server.setting()).start().await;
    a.cluster.set_register_default(&key("k"), "mine").unwrap();
    let waits = format!(
        "the registers in the store are not read yet (the Redis 127.0.0.1:{} cannot be ",
        server.port()
    );
    a.status(|status| {
        !status.ready
            && status.reasons.iter().any(|reason| reason.starts_with(&waits))
            && status.keeper.as_ref().is_some_and(|keeper| keeper.last_error.is_some())
    })
    .await;
    server.thaw();
    let entry = entry("k", 5, "theirs");
    RedisKeeper::new(store(server.setting())).offer(&[entry], None).await.unwrap();
    tokio::time::timeout(cluster_tests::GIVE_UP, a.cluster.wait_ready()).await.unwrap();
    a.status(|_| value(&a, "k").as_deref() == Some("theirs")).await;
}

fn entry(name: &str, counter: u64, value: &'static str) -> RegisterEntry {
    let stamp = Stamp { counter, node: "z".parse().unwrap() };
    RegisterEntry::new(key(name), stamp, Some(value.into())).unwrap()
}

#[tokio::test]
async fn nothing_is_lost_when_a_running_clusters_redis_is_emptied_or_restarted_empty() {
    let mut server = RedisServer::start(Guard::Open);
    let (a, b) = pair(&server.setting()).await;
    a.cluster.set_register(&key("one"), "1").unwrap();
    b.cluster.set_register(&key("two"), "2").unwrap();
    until_kept(&a, &server, &["one", "two"]).await;
    complete(&a).await;
    complete(&b).await;
    server.command::<()>(&["FLUSHALL"]);
    until_kept(&a, &server, &["one", "two"]).await;
    server.kill();
    b.cluster.set_register(&key("while-down"), "3").unwrap();
    a.status(|_| value(&a, "while-down").is_some()).await;
    a.status(|status| status.keeper.as_ref().is_some_and(|keeper| keeper.answers == Some(false))).await;
    assert!(a.cluster.readiness().ready && b.cluster.readiness().ready);
    server.restart();
    until_kept(&a, &server, &["one", "two", "while-down"]).await;
    // Either of the two may have brought it back, and the other one offers what it has when it finds another mark.
    a.status(|status| {
        let kept = status.keeper.as_ref();
        kept.is_some_and(|kept| kept.read && kept.offered >= 2 && kept.offered_ms.is_some())
    })
    .await;
    let removed = |told: &Told| matches!(told, Told::Removed(..));
    assert!(!a.recorder.told().iter().any(removed));
}

#[tokio::test]
async fn a_newcomer_to_an_emptied_redis_does_not_keep_the_others_from_offering_theirs() {
    let server = RedisServer::start(Guard::Open);
    let (a, b) = pair(&server.setting()).await;
    a.cluster.set_register(&key("one"), "1").unwrap();
    until_kept(&a, &server, &["one"]).await;
    complete(&a).await;
    complete(&b).await;
    server.command::<()>(&["FLUSHALL"]);
    // As a newcomer does that has read nothing there: it leaves its mark.
    RedisKeeper::new(store(server.setting())).offer(&[], Some(Mark(7))).await.unwrap();
    until_kept(&a, &server, &["one"]).await;
}

#[tokio::test]
async fn an_old_dump_holds_at_a_cold_start_and_gives_way_to_what_members_know() {
    let server = RedisServer::start(Guard::Open);
    let keeper = RedisKeeper::new(store(server.setting()));
    let old = [entry("k", 3, "old"), entry("other", 1, "old too")];
    keeper.offer(&old, Some(Mark(1))).await.unwrap();
    let a = setup("a", &server.setting()).start().await;
    tokio::time::timeout(cluster_tests::GIVE_UP, a.cluster.wait_ready()).await.unwrap();
    assert_eq!(value(&a, "k").as_deref(), Some("old"), "there is nobody who knows better");
    a.cluster.set_register(&key("k"), "new").unwrap();
    complete(&a).await;
    // The dump comes back under a running cluster, as a restart from disk does it.
    server.command::<()>(&["FLUSHALL"]);
    keeper.offer(&old, Some(Mark(1))).await.unwrap();
    let newer = async || keeper.offer(&old, None).await.unwrap().newer.len();
    tokio::time::timeout(cluster_tests::GIVE_UP, async {
        while newer().await < 1 {
            a.cluster.reset(cluster_core::runtime::Reset::Verify).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(value(&a, "k").as_deref(), Some("new"));
    a.cluster.remove_register(&key("other")).unwrap();
    let status = a.cluster.status();
    assert_eq!((status.registers, status.register_tombstones), (2, 1));
}

#[tokio::test]
async fn a_newer_write_in_the_store_is_taken_and_counted() {
    let server = RedisServer::start(Guard::Open);
    let a = setup("a", &server.setting()).start().await;
    tokio::time::timeout(cluster_tests::GIVE_UP, a.cluster.wait_ready()).await.unwrap();
    complete(&a).await;
    // As another node does whose link to this one is cut.
    RedisKeeper::new(store(server.setting())).offer(&[entry("k", 9, "theirs")], None).await.unwrap();
    a.cluster.set_register(&key("k"), "ours").unwrap();
    a.status(|status| status.keeper.as_ref().is_some_and(|keeper| keeper.conflicts == 1)).await;
    assert_eq!(value(&a, "k").as_deref(), Some("theirs"));
}

#[tokio::test]
async fn the_store_keeps_the_write_that_wins_whatever_the_order() {
    let server = RedisServer::start(Guard::Open);
    let keeper = RedisKeeper::new(store(server.setting()));
    let (older, newer) = (entry("k", 9, "older"), entry("k", 10, "newer"));
    assert_eq!(keeper.offer(std::slice::from_ref(&newer), None).await.unwrap().newer, []);
    let offered = keeper.offer(&[older, entry("other", 1, "x")], Some(Mark(9))).await.unwrap();
    assert_eq!((offered.newer, offered.mark), (vec![newer.clone()], Some(Mark(9))));
    assert_eq!(keeper.offer(&[], Some(Mark(10))).await.unwrap().mark, Some(Mark(9)), "the first mark stays");
    assert_eq!(keeper.read().await.unwrap(), [newer, entry("other", 1, "x")]);
    let foreign: Vec<&str> = vec!["HSET", HASH, "foreign", "whatever"];
    server.command::<()>(&foreign);
    assert_eq!(keeper.read().await.unwrap().len(), 2, "what is no register is left alone");
}

#[tokio::test]
async fn in_steady_state_a_node_asks_a_constant_number_of_times() {
    let server = RedisServer::start(Guard::Open);
    let (a, b) = pair(&server.setting()).await;
    for n in 0..500 {
        a.cluster.set_register(&key(&format!("k{n}")), "x").unwrap();
    }
    b.status(|status| status.registers == 500).await;
    complete(&a).await;
    complete(&b).await;
    // What b has heard from a it offers once. From then on each node asks for the mark alone, and renews its lease.
    let within = async {
        let mut before = commands(&server);
        loop {
            tokio::task::yield_now().await;
            let now = commands(&server);
            let (scripts, others) = (now.0 - before.0, now.1 - before.1);
            if scripts >= 6 && others <= 4 * scripts {
                return;
            }
            if scripts >= 6 {
                before = now;
            }
        }
    };
    tokio::time::timeout(2 * cluster_tests::GIVE_UP, within).await.unwrap();
    assert_eq!(fields(&server).len(), 500);
}

/// How many scripts were called, and how often hashes were read and written.
fn commands(server: &RedisServer) -> (u64, u64) {
    let stats: String = server.command(&["INFO", "commandstats"]);
    let calls = |name: &str| -> u64 {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
    };
    (calls("evalsha"), calls("hget") + calls("hset") + calls("hsetnx"))
}
