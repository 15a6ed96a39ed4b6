//! Random histories: whatever happened, once it is calm every node tells what is true.

use super::harness::{NOW, Net, Node, node_id, room_id};
use crate::engine::state::{StateCounters, StateLimits};

const NODES: usize = 4;
const ROOMS: usize = 24;
const CONNECTIONS: usize = 6;
/// This connection of each node stays in a room of its own.
const ANCHORED: u64 = 1_000;
const HISTORIES: u64 = 2_000;

/// Names the seed when a history fails.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {0}; replay: CLUSTER_SEED={0} cargo test -p cluster-core histories", self.0);
        }
    }
}

fn seeds() -> std::ops::Range<u64> {
    match std::env::var("CLUSTER_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..HISTORIES,
    }
}

fn anchor(node: usize) -> u64 {
    ANCHORED + u64::try_from(node).unwrap()
}

/// Which nodes have seen which node's anchor, which must then stay.
#[derive(Default)]
struct Anchors([[bool; NODES]; NODES]);

impl Anchors {
    fn check(&mut self, net: &Net) {
        for (observer, seen) in self.0.iter_mut().enumerate() {
            for (owner, seen) in seen.iter_mut().enumerate() {
                let is_there = net.nodes[observer].state.count(&room_id(anchor(owner))).is_some();
                assert!(is_there || !*seen, "{observer} lost a live room of {owner}");
                *seen = is_there;
            }
        }
    }
}

fn act(net: &mut Net, anchors: &mut Anchors) {
    let (a, b) = (net.pick(NODES), net.pick(NODES));
    let number = u64::try_from(net.pick(ROOMS)).unwrap();
    let connection = u64::try_from(net.pick(CONNECTIONS)).unwrap();
    let limit = 300 + net.pick(2_000);
    match net.pick(100) {
        0..12 => net.nodes[a].subscribe(connection, number),
        12..24 => net.nodes[a].unsubscribe(connection, number),
        24..26 => net.nodes[a].disconnect(connection),
        26..50 => drop(net.send(a, b, limit)),
        50..74 => drop(net.deliver_state(a, b)),
        74..84 => drop(net.deliver_control(a, b)),
        84..88 => net.acknowledge(a),
        88..92 if a != b && !net.is_connected(a, b) => net.connect(a, b),
        92..95 if a != b => net.cut(a, b),
        95 if a != b => {
            net.remove(a, b);
            anchors.0[a][b] = false;
        }
        96 => {
            net.restart(a);
            net.nodes[a].subscribe(ANCHORED, anchor(a));
            anchors.0[a] = [false; NODES];
        }
        97 => drop(net.nodes[a].state.verify()),
        _ => net.nodes[a].poll_events(),
    }
    anchors.check(net);
}

fn add(sum: &mut StateCounters, of: StateCounters) {
    sum.passes_restarted += of.passes_restarted;
    sum.passes_finished += of.passes_finished;
    sum.swept_rooms += of.swept_rooms;
}

#[test]
fn after_any_history_all_nodes_tell_what_is_true() {
    let mut sum = StateCounters::default();
    for seed in seeds() {
        let _replay = Replay(seed);
        let mut net = Net::new(NODES, seed, StateLimits::default().with_tombstones(4));
        for node in 0..NODES {
            net.nodes[node].subscribe(ANCHORED, anchor(node));
        }
        let mut anchors = Anchors::default();
        net.connect_all();
        for _ in 0..300 {
            act(&mut net, &mut anchors);
        }
        net.connect_all();
        net.settle();
        net.exchange_claims(NOW);
        net.settle();
        anchors.check(&net);
        net.assert_converged();
        for node in &net.nodes {
            let counters = node.state.counters();
            let wrong = [counters.gaps, counters.hash_mismatches, counters.faults, counters.filter_conflicts];
            assert_eq!(wrong, [0; 4], "{counters:?}");
            add(&mut sum, counters);
        }
    }
    assert!(seeds().end - seeds().start == 1 || sum.passes_restarted > 200, "{sum:?}");
    assert!(seeds().end - seeds().start == 1 || sum.swept_rooms > 300, "{sum:?}");
}

#[test]
fn after_any_corruption_one_round_repairs_every_replica() {
    for seed in seeds().take(300) {
        let _replay = Replay(seed);
        let mut net = Net::new(NODES, seed, StateLimits::default());
        for _ in 0..60 {
            let (node, connection, number) = (net.pick(NODES), net.pick(CONNECTIONS), net.pick(ROOMS));
            let (connection, number) = (u64::try_from(connection), u64::try_from(number));
            net.nodes[node].subscribe(connection.unwrap(), number.unwrap());
        }
        net.connect_all();
        net.settle();
        let (observer, owner) = (net.pick(NODES), net.pick(NODES));
        let number = u64::try_from(net.pick(ROOMS)).unwrap();
        let wrong_count = u32::try_from(net.pick(3)).unwrap();
        let before = net.nodes[observer].state.replica(&node_id(owner));
        net.nodes[observer].state.corrupt_replica(&node_id(owner), &room_id(number), wrong_count);
        let is_corrupted = net.nodes[observer].state.replica(&node_id(owner)) != before;
        for _ in 0..3 {
            net.exchange_claims(NOW);
            net.settle();
            net.assert_converged();
        }
        let counted = |node: &Node| (node.state.counters().hash_mismatches, node.state.counters().unrepaired);
        let expected: Vec<_> =
            (0..NODES).map(|node| (u64::from(node == observer && is_corrupted), 0)).collect();
        assert_eq!(net.nodes.iter().map(counted).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let run = || {
        let mut net = Net::new(NODES, 42, StateLimits::default().with_tombstones(4));
        let mut anchors = Anchors::default();
        for _ in 0..500 {
            act(&mut net, &mut anchors);
        }
        let counters: Vec<_> = net.nodes.iter().map(|node| node.state.counters()).collect();
        (net.bytes_sent, counters, net.nodes.iter().map(|node| node.state.hash()).collect::<Vec<_>>())
    };
    assert_eq!(run(), run());
    assert_ne!(run().0, 0);
}
