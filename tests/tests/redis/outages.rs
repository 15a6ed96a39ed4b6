//! Three processes of the node, and what the end, the silence and the fail-over of their Redis do to them: nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cluster_node::client::Client;
use cluster_tests::{GIVE_UP, Guard, NodeProcess, RedisCluster, RedisSentinel, RedisServer, binary};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// How soon a newcomer is to be ready once the store is back, and three nodes after their start.
const JOINS_WITHIN: Duration = Duration::from_secs(5);
const READY_WITHIN: Duration = Duration::from_millis(1_500);
/// By how much a figure may be missed before a test fails.
const LENIENCE: u32 = 10;
/// The keep-alive of clients.
const PING: &str = r#"{"p":1}"#;
/// How many rooms are subscribed to while the store is away.
const ROOMS: usize = 10;

/// How long a store stays away: 3 s, or so many seconds as `CLUSTER_OUTAGE_SECONDS` says.
fn outage() -> Duration {
    let given = std::env::var("CLUSTER_OUTAGE_SECONDS").ok();
    Duration::from_secs(given.and_then(|seconds| seconds.parse().ok()).unwrap_or(3))
}

fn launch(name: &str, redis: &Value, quorum: usize) -> NodeProcess {
    let settings = [
        "server.port=0".to_owned(),
        "plugins.cluster.bind=tcp://127.0.0.1:0".to_owned(),
        format!("plugins.cluster.minimumNodes={quorum}"),
        format!("plugins.cluster.redis={redis}"),
    ];
    NodeProcess::launch(name, &settings)
}

/// Three nodes that need each other, and find each other through this Redis alone.
fn three(what: &str, redis: &Value) -> Vec<NodeProcess> {
    // Before the clock runs: it may have to be built.
    binary();
    let began = Instant::now();
    let mut nodes: Vec<_> = ["node-a", "node-b", "node-c"].map(|name| launch(name, redis, 3)).into();
    for node in &mut nodes {
        node.ready();
    }
    let took = began.elapsed();
    println!("{what}: three nodes are ready {took:?} after the first one was started");
    assert!(took < READY_WITHIN * LENIENCE, "{what}: {took:?}");
    nodes
}

/// The status of a node, as its route tells it.
fn status(node: SocketAddr) -> Value {
    let mut socket = TcpStream::connect(node).unwrap();
    socket.set_read_timeout(Some(GIVE_UP)).unwrap();
    let request = "GET /_plugin/cluster/status HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer in {answer:?}"));
    let body = &body[body.find('{').unwrap()..=body.rfind('}').unwrap()];
    serde_json::from_str::<Value>(body).unwrap()["result"].take()
}

/// Who is a member, each with its life.
fn members(status: &Value) -> Vec<(Value, Value)> {
    let members = status["pool"].as_array().unwrap().iter();
    members.map(|member| (member["id"].clone(), member["incarnation"].clone())).collect()
}

/// Looks at all nodes for as long as it is not finished: each is ready, and knows the same lives of the two others.
fn watch(nodes: &[NodeProcess], finish: &Arc<AtomicBool>) -> JoinHandle<u64> {
    let (nodes, finish): (Vec<_>, _) = (nodes.iter().map(NodeProcess::address).collect(), Arc::clone(finish));
    let before: Vec<_> = nodes.iter().map(|node| members(&status(*node))).collect();
    tokio::task::spawn_blocking(move || {
        let mut looks = 0;
        while !finish.load(Ordering::Relaxed) {
            for (node, before) in nodes.iter().zip(&before) {
                let now = status(*node);
                assert_eq!(now["current"]["ready"], true, "{now:#}");
                for member in before {
                    assert!(members(&now).contains(member), "{member:?} is gone: {now:#}");
                }
            }
            looks += 1;
            std::thread::sleep(Duration::from_millis(50));
        }
        looks
    })
}

/// Numbered messages from a client of one node to a subscriber of another.
struct Load {
    finish: Arc<AtomicBool>,
    publisher: JoinHandle<u64>,
    subscriber: JoinHandle<Vec<u64>>,
}

impl Load {
    async fn start(from: &NodeProcess, to: &NodeProcess, finish: &Arc<AtomicBool>) -> Self {
        let mut subscriber = Client::connect(to.address()).await.unwrap();
        subscribe(&mut subscriber, "load").await;
        let subscriber = tokio::spawn(async move {
            let mut numbers = Vec::new();
            loop {
                let message = next(&mut subscriber).await;
                match message["number"].as_u64() {
                    Some(number) => numbers.push(number),
                    None => return numbers,
                }
                if numbers.len() % 1_000 == 0 {
                    subscriber.send(PING).await.unwrap();
                }
            }
        });
        let mut publisher = Client::connect(from.address()).await.unwrap();
        let finished = Arc::clone(finish);
        let publisher = tokio::spawn(async move {
            let mut number = 0;
            while !finished.load(Ordering::Relaxed) {
                publish(&mut publisher, json!({ "room": "load", "number": number })).await;
                number += 1;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            publish(&mut publisher, json!({ "room": "load" })).await;
            number
        });
        Self { finish: Arc::clone(finish), publisher, subscriber }
    }

    /// Ends, and asserts that every number has arrived, once and in order; how many there were.
    async fn finish(self) -> u64 {
        self.finish.store(true, Ordering::Relaxed);
        let sent = self.publisher.await.unwrap();
        let arrived = tokio::time::timeout(GIVE_UP, self.subscriber).await.unwrap().unwrap();
        assert_eq!(arrived, (0..sent).collect::<Vec<_>>());
        sent
    }
}

/// The next message that was published.
async fn next(client: &mut Client) -> Value {
    loop {
        let mut notification = client.notification().await.unwrap();
        // What remains is the answer to a ping.
        if notification["type"] == "document" {
            return notification["result"]["_source"].take();
        }
    }
}

/// Stays connected for so long: a node sends a client away that is silent for a minute.
async fn stay(client: &mut Client, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        client.send(PING).await.unwrap();
        let left = until.saturating_duration_since(Instant::now());
        tokio::time::sleep(left.min(Duration::from_secs(10))).await;
    }
}

async fn publish(client: &mut Client, body: Value) {
    let (controller, action) = ("realtime", "publish");
    let request = json!({
        "controller": controller, "action": action, "index": "index", "collection": "collection", "body": body,
    });
    client.result_of(request).await.unwrap();
}

async fn subscribe(client: &mut Client, room: &str) -> String {
    let (controller, action) = ("realtime", "subscribe");
    let body = json!({ "equals": { "room": room } });
    let request = json!({
        "controller": controller, "action": action, "index": "index", "collection": "collection", "body": body,
    });
    client.result_of(request).await.unwrap()["roomId"].as_str().unwrap().to_owned()
}

async fn count(node: &NodeProcess, room: &str) -> Value {
    let mut client = Client::connect(node.address()).await.unwrap();
    let request = json!({ "controller": "realtime", "action": "count", "body": { "roomId": room } });
    client.result_of(request).await.unwrap()["count"].take()
}

/// Three nodes under load while their Redis goes away and comes back: nobody notices but a newcomer, who waits for it.
async fn survives(what: &str, redis: Value, go_away: impl FnOnce(), come_back: impl FnOnce()) {
    let nodes = three(what, &redis);
    let finish = Arc::new(AtomicBool::new(false));
    let watch = watch(&nodes, &finish);
    let load = Load::start(&nodes[0], &nodes[2], &finish).await;
    go_away();
    let mut newcomer = launch("newcomer", &redis, 4);
    let mut client = Client::connect(nodes[1].address()).await.unwrap();
    let mut rooms = Vec::new();
    for number in 0..ROOMS {
        rooms.push(subscribe(&mut client, &format!("room-{number}")).await);
    }
    stay(&mut client, outage()).await;
    come_back();
    let back = Instant::now();
    newcomer.ready();
    let took = back.elapsed();
    for node in nodes.iter().chain([&newcomer]) {
        for room in &rooms {
            assert_eq!(count(node, room).await, 1, "{what}: at {}", node.name());
        }
    }
    // What is subscribed to is delivered to, from the newcomer too.
    let mut publisher = Client::connect(newcomer.address()).await.unwrap();
    publish(&mut publisher, json!({ "room": "room-0", "last": true })).await;
    let last = tokio::time::timeout(GIVE_UP, next(&mut client)).await.unwrap();
    assert_eq!(last["last"], true, "{last}");
    let sent = load.finish().await;
    let looks = watch.await.unwrap();
    println!(
        "{what}: away for {:?}, a newcomer is ready {took:?} after its return; {sent} messages, {looks} looks",
        outage()
    );
    assert!(took < JOINS_WITHIN * LENIENCE, "{what}: {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_that_is_killed_and_comes_back_empty_costs_nothing() {
    let server = RedisServer::start(Guard::Password);
    let (setting, server) = (server.setting(), std::sync::Mutex::new(server));
    let go_away = || server.lock().unwrap().kill();
    survives("a killed Redis", setting, go_away, || server.lock().unwrap().restart()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_that_is_frozen_costs_nothing() {
    let server = RedisServer::start(Guard::Open);
    survives("a frozen Redis", server.setting(), || server.freeze(), || server.thaw()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_cluster_whose_master_fails_costs_nothing() {
    let cluster = RedisCluster::start_with_replicas(Guard::Open);
    let (setting, cluster) = (cluster.setting(), std::sync::Mutex::new(cluster));
    let go_away = || cluster.lock().unwrap().kill_master_of("{kuzzle}:cluster:leases");
    let come_back = || cluster.lock().unwrap().wait_for_successor();
    survives("a Redis Cluster that fails over", setting, go_away, come_back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_master_behind_a_sentinel_that_fails_costs_nothing() {
    let servers = RedisSentinel::start(Guard::Password);
    let (setting, servers) = (servers.setting(), std::sync::Mutex::new(servers));
    let go_away = || servers.lock().unwrap().kill_master();
    let come_back = || servers.lock().unwrap().wait_for_successor();
    survives("a master behind a sentinel that fails over", setting, go_away, come_back).await;
}
