//! The official JavaScript SDK against three processes of the node, with mutual TLS between them.
//!
//! Each test starts a cluster and lets a script of `tests/sdk` use it. The script asserts what clients see; what only the
//! operator of a node can do, to kill it and to start it again, it asks of the test.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod rolling;

use cluster_tests::{Nodes, script};

#[test]
fn each_subscription_gets_exactly_what_its_filter_says() {
    let nodes = Nodes::start();
    script::run("sdk", "filters.mjs", &nodes.ports(), |request| panic!("{request:?} is not expected"));
}

#[test]
fn all_nodes_count_and_list_the_same() {
    let nodes = Nodes::start();
    script::run("sdk", "agreement.mjs", &nodes.ports(), |request| panic!("{request:?} is not expected"));
}

#[test]
fn a_stopped_and_continued_node_stays_a_member_and_misses_nothing() {
    let nodes = Nodes::start();
    script::run("sdk", "frozen.mjs", &nodes.ports(), |request| {
        match request {
            "stop" => nodes.signal_last("STOP"),
            "continue" => nodes.signal_last("CONT"),
            other => panic!("{other:?} is not expected"),
        }
        "done".to_owned()
    });
}

#[test]
fn a_killed_node_is_gone_at_once_and_sees_everything_when_it_is_back() {
    let mut nodes = Nodes::start();
    script::run("sdk", "killed.mjs", &nodes.ports(), |request| match request {
        "kill" => {
            nodes.kill_last();
            "done".to_owned()
        }
        "restart" => nodes.restart_last().as_millis().to_string(),
        other => panic!("{other:?} is not expected"),
    });
}
