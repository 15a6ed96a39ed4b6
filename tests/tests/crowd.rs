//! Fifty members and one Redis. They have the machine to themselves: other tests would wait for them.
#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cluster_core::discovery::LEASE_LIFE;
use cluster_tests::{Guard, Member, RedisServer, Setup};
use futures_util::future::join_all;

const MEMBERS: usize = 50;
/// A condition of so many members that has not come true by then never will.
const PATIENCE: Duration = Duration::from_secs(120);
/// What Redis does for one member in a period of 4 s, at most: four commands of the client, two of them scripts (the lease,
/// and the mark of the registers), and what these do inside.
const OF_A_PERIOD: [(&str, u64); 10] = [
    ("evalsha", 2),
    ("zrevrangebyscore", 1),
    ("hmget", 1),
    ("time", 1),
    ("zscore", 1),
    ("hget", 2),
    ("zadd", 1),
    ("hset", 1),
    ("zrangebyscore", 1),
    ("pexpire", 2),
];

/// How often each command was called.
fn calls(server: &RedisServer) -> BTreeMap<String, u64> {
    let stats: String = server.command(&["INFO", "commandstats"]);
    let of_line = |line: &str| {
        let (command, stats) = line.strip_prefix("cmdstat_")?.split_once(':')?;
        let calls = stats.split(',').find_map(|stat| stat.strip_prefix("calls=")?.parse().ok())?;
        Some((command.to_owned(), calls))
    };
    let own = ["info", "config|resetstat", "hello", "client|setinfo", "ping"];
    stats.lines().filter_map(of_line).filter(|(command, _)| !own.contains(&command.as_str())).collect()
}

/// Starts them at the same moment, and waits until each knows all others.
async fn crowd(server: &RedisServer) -> Vec<Member> {
    let began = Instant::now();
    let starting = (0..MEMBERS).map(|number| {
        let member = Setup::new(&format!("node-{number}")).in_redis(&server.setting());
        // Less to do for the machine: this is about finding each other.
        member.with(|config| config.heartbeat(Duration::from_secs(5))).start()
    });
    let members = join_all(starting).await;
    for member in &members {
        while member.cluster.status().members.len() < MEMBERS - 1 {
            let found = member.cluster.status().members.len();
            assert!(began.elapsed() < PATIENCE, "{} has found {found} others", member.name());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    println!("{MEMBERS} members that started at once know each other after {:?}", began.elapsed());
    members
}

#[tokio::test]
async fn fifty_members_that_start_at_once_find_each_other_and_cost_a_constant_number_of_commands() {
    let server = RedisServer::start(Guard::Open);
    let members = crowd(&server).await;
    server.command::<()>(&["CONFIG", "RESETSTAT"]);
    let began = Instant::now();
    // Over several renewals of each.
    tokio::time::sleep(LEASE_LIFE).await;
    let (calls, took) = (calls(&server), began.elapsed());
    let renewals = calls["zrevrangebyscore"];
    let all: u64 = calls.values().sum();
    let a_second = |calls: u64| calls as f64 / took.as_secs_f64() / MEMBERS as f64;
    let of_client: u64 = ["evalsha", "zrevrangebyscore", "hmget"].iter().map(|name| calls[*name]).sum();
    println!(
        "{MEMBERS} members: {:.2} commands a second for each, {:.2} with those inside of the script; {calls:?}",
        a_second(of_client),
        a_second(all)
    );
    // Each renews every 3.6 s to 4 s.
    let most = MEMBERS as u64 * (took.as_secs() * 1_000 / 3_600 + 2);
    assert!(renewals > 0 && renewals <= most, "{renewals} renewals");
    for (command, calls) in &calls {
        let known = OF_A_PERIOD.iter().find(|(known, _)| known == command);
        let times = known.unwrap_or_else(|| panic!("{command} is called")).1;
        assert!(*calls <= (renewals + MEMBERS as u64) * times, "{command}: {calls} in {renewals} renewals");
    }
    for member in &members {
        assert_eq!(member.provider().addresses, MEMBERS - 1, "{}", member.name());
    }
    assert_eq!(server.command::<usize>(&["HLEN", "{kuzzle}:cluster:leases"]), MEMBERS);
}
