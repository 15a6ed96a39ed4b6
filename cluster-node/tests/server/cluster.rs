//! Several nodes: what is done on one is seen on the others.

use cluster_core::config::OnMinority;
use cluster_node::client::{Client, ClientError};
use serde_json::{Value, json};

use crate::support::{Host, cluster, member, minority, plain, realtime, within};

const NAMES: [&str; 3] = ["node-1", "node-2", "node-3"];

fn subscription(filter: &Value) -> Value {
    json!({"index": "i", "collection": "c", "body": filter, "users": "all", "volatile": {"who": "me"}})
}

async fn clients(hosts: &[Host]) -> Vec<Client> {
    let mut clients = Vec::new();
    for host in hosts {
        clients.push(host.client().await);
    }
    clients
}

async fn next(client: &mut Client) -> Value {
    within(client.notification()).await.expect("a notification")
}

async fn stop(hosts: Vec<Host>) {
    for host in hosts {
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_after_the_answer_reaches_the_subscriber_from_every_node() {
    let hosts = cluster(&NAMES).await;
    let mut clients = clients(&hosts).await;
    for round in 0..50 {
        let from = round % 3;
        let to = (round + 1) % 3;
        let filter = json!({"equals": {"round": round}});
        let channel = realtime(&mut clients[to], "subscribe", subscription(&filter)).await["channel"].clone();
        let message = json!({"index": "i", "collection": "c", "body": {"round": round}});
        realtime(&mut clients[from], "publish", message).await;
        let received = next(&mut clients[to]).await;
        let told = (&received["room"], &received["node"], &received["result"]["_source"]["round"]);
        assert_eq!(told, (&channel, &json!(NAMES[from]), &json!(round)), "round {round}");
    }
    drop(clients);
    stop(hosts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_come_and_go_with_the_count_of_the_whole_cluster() {
    let hosts = cluster(&NAMES).await;
    let mut clients = clients(&hosts).await;
    let channel = realtime(&mut clients[0], "subscribe", subscription(&json!({}))).await["channel"].clone();
    let told = |node: &str, user: &str, action: &str, count: u64| {
        json!({
            "type": "user", "status": 200, "user": user, "result": {"count": count}, "node": node,
            "volatile": {"who": "me"}, "index": "i", "collection": "c", "controller": "realtime",
            "action": action, "protocol": "websocket", "room": channel,
        })
    };
    realtime(&mut clients[1], "subscribe", subscription(&json!({}))).await;
    assert_eq!(plain(next(&mut clients[0]).await), told("node-2", "in", "subscribe", 2));
    realtime(&mut clients[2], "subscribe", subscription(&json!({}))).await;
    assert_eq!(plain(next(&mut clients[0]).await), told("node-3", "in", "subscribe", 3));
    drop(clients.pop());
    assert_eq!(plain(next(&mut clients[0]).await), told("node-3", "out", "unsubscribe", 2));
    drop(clients);
    stop(hosts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_joined_counted_and_listed_on_any_node() {
    let hosts = cluster(&NAMES).await;
    let mut clients = clients(&hosts).await;
    let room = realtime(&mut clients[0], "subscribe", subscription(&json!({}))).await["roomId"].clone();
    let body = json!({"body": {"roomId": room}});
    realtime(&mut clients[2], "join", body.clone()).await;
    let listed = json!({"i": {"c": {room.as_str().expect("a text"): 2}}});
    for client in &mut clients {
        assert_eq!(realtime(client, "count", body.clone()).await, json!({"count": 2}));
        assert_eq!(realtime(client, "list", json!({})).await, listed);
    }
    drop(clients);
    stop(hosts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_node_had_is_gone_and_what_others_had_stays() {
    let mut hosts = cluster(&NAMES).await;
    let mut clients = clients(&hosts).await;
    let kept = realtime(&mut clients[0], "subscribe", subscription(&json!({}))).await["roomId"].clone();
    realtime(&mut clients[2], "subscribe", subscription(&json!({}))).await;
    realtime(&mut clients[2], "subscribe", subscription(&json!({"exists": "a"}))).await;
    let killed = hosts.pop().expect("three nodes");
    killed.node.cluster().abort();
    for host in &hosts {
        within(host.node.until(|cluster| cluster.members().len() == 1)).await;
    }
    let listed = json!({"i": {"c": {kept.as_str().expect("a text"): 1}}});
    for client in &mut clients[..2] {
        assert_eq!(realtime(client, "list", json!({})).await, listed);
    }
    drop(clients);
    stop(hosts).await;
}

#[tokio::test]
async fn a_minority_serves_its_own_clients_unless_it_is_told_not_to() {
    let serving = minority(OnMinority::ServeLocal).await;
    let mut client = serving.client().await;
    realtime(&mut client, "subscribe", subscription(&json!({}))).await;
    realtime(&mut client, "publish", json!({"index": "i", "collection": "c", "body": {"a": 1}})).await;
    assert_eq!(next(&mut client).await["result"]["_source"]["a"], 1);
    drop(client);
    serving.stop().await;

    let stopped = minority(OnMinority::Stop).await;
    let mut client = stopped.client().await;
    let answer = within(client.result_of(json!({"controller": "realtime", "action": "list"}))).await;
    let Err(ClientError::Refused { error }) = answer else { panic!("{answer:?}") };
    assert_eq!((&error["id"], &error["status"]), (&json!("api.process.not_enough_nodes"), &json!(503)));
    drop(client);
    stopped.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_the_successor_is_told_to_clients_too() {
    let hosts = cluster(&NAMES).await;
    let status = json!({"controller": "cluster", "action": "status"});
    let told = within(hosts[0].client().await.result_of(status)).await.expect("a status");
    let nodes = told["nodes"].as_array().expect("nodes").iter();
    let names: Value = nodes.map(|node| node["id"].clone()).collect();
    assert_eq!((&told["activeNodes"], names), (&json!(3), json!(["node-2", "node-3", "node-1"])));
    assert_eq!(told["activity"].as_array().map(Vec::len), Some(2));
    stop(hosts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strategies_are_the_same_on_every_node_and_known_to_newcomers() {
    let mut hosts = cluster(&NAMES[..2]).await;
    let key = |name: &str| name.parse().expect("a key");
    let first = hosts[0].node.cluster();
    for name in ["strategy/local", "strategy/oauth", "secret"] {
        first.set_register(&key(name), "{}").expect("a register");
    }
    first.remove_register(&key("strategy/oauth")).expect("a register");
    let seed = first.bound()[0].1.clone();
    hosts.push(member("node-3", &[seed]).await);
    for host in &hosts {
        let mut client = host.client().await;
        let ask = || json!({"controller": "auth", "action": "getStrategies"});
        within(async {
            // What was written a moment ago may still be on its way; a node that has become ready has it.
            while client.result_of(ask()).await.expect("an answer") != json!(["local"]) {
                assert_ne!(host.node.name(), "node-3");
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    stop(hosts).await;
}
