//! Registers on real sockets: what one node writes, the hosts of the others are told, and newcomers know.

use cluster_core::discovery::MemoryDirectory;
use cluster_core::engine::registers::{MAX_VALUE, RegisterError, RegisterKey, Written};

use crate::harness::{GIVE_UP, TestNode, Told, three_in};

fn key(text: &str) -> RegisterKey {
    text.parse().unwrap()
}

fn value(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn each_other_host_is_told_of_a_value_and_of_its_removal() {
    let nodes = three_in(&MemoryDirectory::default()).await;
    assert!(matches!(nodes[0].cluster.set_register(&key("k"), "v"), Ok(Written::Now { .. })));
    for node in &nodes[1..] {
        node.told(|told| *told == Told::Register("k".into(), value("v"))).await;
        assert_eq!(node.cluster.register(&key("k")).unwrap(), "v");
    }
    nodes[2].cluster.remove_register(&key("k")).unwrap();
    for node in &nodes[..2] {
        node.told(|told| *told == Told::Register("k".into(), None)).await;
        assert_eq!(node.cluster.register(&key("k")), None);
    }
    assert_eq!(nodes[0].count(|told| matches!(told, Told::Register(_, Some(_)))), 0, "it wrote that itself");
    let long = nodes[0].cluster.set_register(&key("k"), vec![0; MAX_VALUE + 1]);
    assert_eq!(long, Err(RegisterError::ValueTooLong { got: MAX_VALUE + 1 }));
}

#[tokio::test]
async fn a_newcomer_is_ready_with_all_registers_and_its_default_gives_way() {
    let directory = MemoryDirectory::default();
    let nodes = three_in(&directory).await;
    nodes[0].cluster.set_register_default(&key("secret"), "first").unwrap();
    let big = "x".repeat(MAX_VALUE);
    for n in 0..200 {
        nodes[n % 3].cluster.set_register(&key(&format!("k{n:03}")), big.clone()).unwrap();
    }
    let newcomer = TestNode::start("n3", &directory, |builder| builder).await;
    newcomer.cluster.set_register_default(&key("secret"), "late").unwrap();
    tokio::time::timeout(GIVE_UP, newcomer.cluster.wait_ready()).await.unwrap();
    assert_eq!(newcomer.cluster.registers(None, 1_000).len(), 201);
    assert_eq!(newcomer.cluster.register(&key("secret")).unwrap(), "first");
    let page: Vec<String> = newcomer
        .cluster
        .registers(Some(&key("k197")), 2)
        .into_iter()
        .map(|(key, _)| key.to_string())
        .collect();
    assert_eq!(page, ["k198", "k199"]);
    assert_eq!(newcomer.cluster.status().registers, 201);
}
