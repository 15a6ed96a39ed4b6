//! The dashboard in Chromium, on three processes of the node.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use cluster_tests::{Nodes, script};

#[test]
fn the_page_shows_a_node_that_dies_and_comes_back_in_every_size_and_colour() {
    let mut nodes = Nodes::start();
    script::run("dashboard", "dashboard.mjs", &nodes.ports(), |request| match request {
        "kill" => {
            nodes.kill_last();
            "done".to_owned()
        }
        "restart" => nodes.restart_last().as_millis().to_string(),
        other => panic!("{other:?} is not expected"),
    });
}
