//! How soon a process listens, and how much memory an idle one has.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cluster_tests::{Nodes, binary};

/// Ten times what a release build is to keep to: 100 ms and 30 MB.
const LISTENS_WITHIN: Duration = Duration::from_secs(1);
const RESIDENT_KIB: u64 = 300_000;

/// What "idle" means: nothing has been asked of the node for as long.
const IDLE: Duration = Duration::from_secs(5);

#[test]
fn a_node_listens_soon_and_stays_small() {
    binary();
    let mut took: Vec<Duration> = (0..10).map(|_| alone(Duration::ZERO).0).collect();
    took.sort();
    println!("listens after {:?} (median), {:?} (worst of ten)", took[5], took[9]);
    assert!(took[9] < LISTENS_WITHIN, "{took:?}");
    let (_, resident) = alone(IDLE);
    println!("an idle node alone: {resident} KiB resident");
    assert!(resident < RESIDENT_KIB, "{resident} KiB");
}

#[test]
fn idle_nodes_of_a_cluster_stay_small() {
    let nodes = Nodes::start();
    sleep(IDLE);
    let resident: Vec<_> = nodes.processes().into_iter().map(resident).collect();
    println!("idle nodes of a cluster of three: {resident:?} KiB resident");
    assert!(resident.iter().all(|kib| *kib < RESIDENT_KIB), "{resident:?} KiB");
}

/// Runs a node alone: how long it took to say that it listens, and its resident KiB when it has been idle.
fn alone(idle: Duration) -> (Duration, u64) {
    let began = Instant::now();
    let mut child = Command::new(binary())
        .args(["run", "--set", "server.port=0", "--set", "plugins.cluster.bind=tcp://127.0.0.1:0"])
        .env("RUST_LOG", "warn")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let listening = [lines.next(), lines.next()];
    let took = began.elapsed();
    sleep(idle);
    let resident = resident(child.id());
    child.kill().expect("a child that runs");
    child.wait().expect("a child");
    assert!(listening[1].as_ref().is_some_and(|line| line.contains("listens for members")), "{listening:?}");
    (took, resident)
}

fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process that runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
