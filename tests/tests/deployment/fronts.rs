//! Three nodes with a Redis behind nginx and behind HAProxy: clients that connect notice neither a drain nor a death.

use std::net::SocketAddr;
use std::time::Instant;

use cluster_node::client::{Client, ClientError};
use cluster_tests::{Front, GIVE_UP, Guard, RedisCluster, RedisServer, http};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::topology::Topology;

/// The DNS of containers is not here; the Redis is somewhere else.
fn variables(redis: &RedisServer) -> [(&'static str, String); 3] {
    [
        ("kuzzle_plugins__cluster__dns", "*json:[]".to_owned()),
        ("kuzzle_services__internalCache__node__host", "127.0.0.1".to_owned()),
        ("kuzzle_services__internalCache__node__port", redis.port().to_string()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_behind_nginx_notice_neither_a_drain_nor_a_death() {
    behind(Front::nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_behind_haproxy_notice_neither_a_drain_nor_a_death() {
    behind(Front::haproxy).await;
}

async fn behind(front: fn(&[u16]) -> Front) {
    let redis = RedisServer::start(Guard::Open);
    let mut topology = Topology::start(&["docker-compose.yml"], &variables(&redis));
    let front = front(&topology.ports());
    let names: Vec<String> = topology.nodes.iter().map(|node| node.name().to_owned()).collect();

    let mut clients = Vec::new();
    for name in &names {
        clients.push(until_one_is_on(&front, name).await);
    }
    notifications_reach_all(&mut clients, 1).await;
    admin_routes_are_out_of_reach(&front).await;

    // A drain: the first node is asked by its own address.
    let drained = clients.remove(0);
    drain(topology.nodes[0].port()).await;
    let moved = tokio::spawn(said_to_go(drained));
    while !moved.is_finished() {
        let (_client, name) = connected(&front).await;
        assert_ne!(name, names[0], "a node that drains takes no new clients");
    }
    let farewell = moved.await.unwrap();
    assert_eq!(farewell, "1012: this node is draining: connect again");
    assert_eq!(topology.nodes[0].ended(), Some(0));
    let (client, name) = connected(&front).await;
    assert_ne!(name, names[0]);
    clients.push(client);
    notifications_reach_all(&mut clients, 2).await;

    topology.restart(0);
    let back = topology.nodes[0].name().to_owned();
    clients.push(until_one_is_on(&front, &back).await);
    notifications_reach_all(&mut clients, 3).await;

    // A death.
    topology.nodes[1].kill();
    let (client, name) = connected(&front).await;
    assert_ne!(name, names[1]);
    let mut clients = vec![client];
    for _ in 0..10 {
        let (client, name) = connected(&front).await;
        assert_ne!(name, names[1]);
        clients.push(client);
    }
    topology.restart(1);
    let back = topology.nodes[1].name().to_owned();
    clients.push(until_one_is_on(&front, &back).await);
    notifications_reach_all(&mut clients, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nodes_find_each_other_through_a_redis_cluster_too() {
    let redis = RedisCluster::start(Guard::Open);
    let nodes = format!("*json:{}", redis.setting());
    let variables = [
        ("kuzzle_plugins__cluster__dns", "*json:[]".to_owned()),
        ("kuzzle_services__internalCache__nodes", nodes),
    ];
    let topology = Topology::start(&["docker-compose.yml", "docker-compose.redis-cluster.yml"], &variables);
    let mut clients = Vec::new();
    for port in topology.ports() {
        clients.push(within(Client::connect(at(port))).await.unwrap());
    }
    notifications_reach_all(&mut clients, 1).await;
}

/// A new client, and its node: it is there at the first attempt.
async fn connected(front: &Front) -> (Client, String) {
    let turned_away = |why: &ClientError| println!("a client is turned away: {why}\n{}", front.log());
    let mut client = within(Client::connect(at(front.port()))).await.inspect_err(turned_away).unwrap();
    let Value::Object(request) = json!({ "controller": "server", "action": "now" }) else { unreachable!() };
    let answer = within(client.ask(request)).await.inspect_err(turned_away).unwrap();
    (client, answer["node"].as_str().unwrap().to_owned())
}

/// New clients, each there at the first attempt, until one is on this node.
async fn until_one_is_on(front: &Front, wanted: &str) -> Client {
    let began = Instant::now();
    let mut others = Vec::new();
    loop {
        let (client, name) = connected(front).await;
        if name == wanted {
            return client;
        }
        assert!(began.elapsed() < GIVE_UP, "nobody gets to {wanted}\n{}", front.log());
        // They stay, so that the wanted one has the fewest.
        others.push(client);
        tokio::task::yield_now().await;
    }
}

/// Each publishes once, and each gets what all have published.
async fn notifications_reach_all(clients: &mut [Client], number: u64) {
    let place = |action: &str, body: Value| json!({ "controller": "realtime", "action": action, "index": "sea", "collection": "ships", "body": body });
    for client in &mut *clients {
        let subscribe = place("subscribe", json!({ "equals": { "number": number } }));
        within(client.result_of(subscribe)).await.unwrap();
    }
    let names: Vec<String> = (0..clients.len()).map(|at| format!("from {at}")).collect();
    let (first, others) = clients.split_first_mut().unwrap();
    for name in &names {
        let publish = place("publish", json!({ "number": number, "name": name }));
        within(first.result_of(publish)).await.unwrap();
    }
    for client in others {
        for name in &names {
            let notification = within(client.notification()).await.unwrap();
            let source = &notification["result"]["_source"];
            assert_eq!((&source["number"], &source["name"]), (&json!(number), &json!(name)));
        }
    }
}

/// What a client that listens is told in the end.
async fn said_to_go(mut client: Client) -> String {
    loop {
        match within(client.notification()).await {
            Err(ClientError::Closed { code, reason }) => return format!("{code}: {reason}"),
            Err(other) => panic!("{other}"),
            Ok(_) => {}
        }
    }
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    timeout(GIVE_UP, what).await.expect("it in time")
}

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

async fn drain(port: u16) {
    let command = tokio::process::Command::new(cluster_tests::binary())
        .args(["drain", "--url", &format!("http://127.0.0.1:{port}")])
        .output();
    let drained = command.await.unwrap();
    assert!(drained.status.success(), "{drained:?}");
}

/// Without a token these answer the node's own machine alone, and the front says that it is none.
async fn admin_routes_are_out_of_reach(front: &Front) {
    let port = front.port();
    let command = tokio::process::Command::new(cluster_tests::binary())
        .args(["drain", "--force", "--url", &format!("http://127.0.0.1:{port}")])
        .output();
    let refused = command.await.unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let (status, _) = http::get(port, "/_plugin/cluster/health/ready").unwrap();
    assert_eq!(status, 200);
}
