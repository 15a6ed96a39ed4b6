//! Registers on real sockets: what one node writes, the hosts of the others are told, and newcomers know.

use cluster_core::discovery::MemoryDirectory;
use cluster_core::engine::registers::{MAX_VALUE, RegisterError, RegisterKey, Written};
use cluster_core::keeper::MemoryKeeper;

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

#[tokio::test]
async fn a_keeper_is_read_first_and_told_everything_again_after_each_failure() {
    let keeper = MemoryKeeper::default();
    let start =
        async || TestNode::start_as("n0", |builder| builder, |builder| builder.keeper(keeper.clone())).await;
    let node = start().await;
    tokio::time::timeout(GIVE_UP, node.cluster.wait_ready()).await.unwrap();
    node.cluster.set_register(&key("k"), "v").unwrap();
    let is_kept = |kept: bool| {
        let keeper = &keeper;
        async move {
            let until = async {
                while keeper.entries().is_empty() == kept {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(GIVE_UP, until).await.unwrap();
        }
    };
    is_kept(true).await;
    keeper.clear();
    is_kept(true).await;
    keeper.set_down(true);
    node.cluster.set_register(&key("k"), "w").unwrap();
    drop(node);
    let again = start().await;
    // By then the keeper may have failed, and the reason goes on with why.
    let waits_for_the_keeper = |told: &Told| match told {
        Told::NotReady(reasons) => {
            matches!(&reasons[..], [reason] if reason.starts_with("the registers in the store are not read yet"))
        }
        _ => false,
    };
    again.told(waits_for_the_keeper).await;
    let failed = async {
        while again.cluster.status().keeper.unwrap().last_error.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(GIVE_UP, failed).await.unwrap();
    keeper.set_down(false);
    tokio::time::timeout(GIVE_UP, again.cluster.wait_ready()).await.unwrap();
    assert_eq!(
        again.cluster.register(&key("k")).unwrap(),
        "v",
        "what the keeper did not hear of went with its writer"
    );
    let status = again.cluster.status().keeper.unwrap();
    assert!(status.read && status.last_error.is_some(), "{status:?}");
}
