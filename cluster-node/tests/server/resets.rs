//! Resets over HTTP, from several nodes at once, while clients go on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::http::ask;
use crate::support::{cluster, realtime, within};

const NAMES: [&str; 3] = ["node-1", "node-2", "node-3"];

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_resets_answer_for_each_member_and_no_client_notices() {
    let hosts = cluster(&NAMES).await;
    let addresses: Vec<_> = hosts.iter().map(|host| host.address()).collect();
    let mut listener = hosts[0].client().await;
    let mut publisher = hosts[1].client().await;
    let subscription = json!({"index": "i", "collection": "c", "body": {}});
    let room = realtime(&mut listener, "subscribe", subscription).await["roomId"].clone();
    let over = AtomicBool::new(false);
    let resets = async {
        for round in 0..5 {
            let body = if round % 2 == 0 { "" } else { "{\"blank\": false}" };
            let all = addresses.iter().map(|address| ask(*address, "POST /_plugin/cluster/reset", body));
            let answers: Vec<_> = all.map(within).collect();
            for answer in futures_util::future::join_all(answers).await {
                let done: BTreeMap<_, _> = NAMES.map(|name| (name, json!({"outcome": "done"}))).into();
                let expected = json!({"members": done, "outcome": "ok"});
                assert_eq!((answer.status, &answer.json()["result"]), (200, &expected), "{}", answer.body);
            }
        }
        over.store(true, Ordering::Release);
    };
    let traffic = async {
        let mut sent = 0;
        while !over.load(Ordering::Acquire) || sent < 20 {
            let message = json!({"index": "i", "collection": "c", "body": {"number": sent}});
            realtime(&mut publisher, "publish", message).await;
            let received = within(listener.notification()).await.expect("a notification");
            assert_eq!(received["result"]["_source"]["number"], json!(sent));
            sent += 1;
        }
        let counted = realtime(&mut publisher, "count", json!({"body": {"roomId": room}})).await;
        assert_eq!(counted["count"], 1);
    };
    tokio::join!(resets, traffic);
    for host in hosts {
        assert!(host.node.cluster().readiness().ready);
        host.stop().await;
    }
}
