//! Each rung of repair, one at a time.

use std::time::Duration;

use super::harness::{NOW, Net, node_id, room, room_id};
use crate::engine::room::{ConnectionId, RoomId};
use crate::engine::state::message::Position;
use crate::engine::state::receiver::REPAIR_PAUSE;
use crate::engine::state::{Intake, StateEvent, StateLimits};
use crate::engine::wire::{PeerFault, SKIPPABLE, encode};

/// Two connected nodes; the first has rooms 0 to 9.
fn pair() -> Net {
    let mut net = Net::connected(2);
    for number in 0..10 {
        net.nodes[0].subscribe(1, number);
    }
    net.settle();
    net
}

#[test]
fn a_link_that_broke_goes_on_where_it_was() {
    let mut net = pair();
    let passes = net.nodes[1].state.counters().passes_begun;
    net.cut(0, 1);
    net.nodes[0].subscribe(1, 10);
    net.nodes[0].unsubscribe(1, 3);
    net.bytes_sent = 0;
    net.connect(0, 1);
    net.settle();
    net.assert_converged();
    assert_eq!(net.nodes[1].state.counters().passes_begun, passes, "a removal within the log needs no pass");
    assert!(net.bytes_sent < 400, "{} bytes for two changes", net.bytes_sent);
}

#[test]
fn whoever_missed_forgotten_removals_gets_a_pass_that_sweeps_them() {
    let mut net = Net::new(2, 1, StateLimits::default().with_tombstones(0));
    net.connect_all();
    for number in 0..10 {
        net.nodes[0].subscribe(1, number);
    }
    net.settle();
    net.cut(0, 1);
    for number in 0..6 {
        net.nodes[0].unsubscribe(1, number);
    }
    net.connect(0, 1);
    net.settle();
    net.assert_converged();
    let counters = net.nodes[1].state.counters();
    assert_eq!((counters.passes_finished, counters.swept_rooms), (2, 6));
}

#[test]
fn an_interrupted_pass_goes_on_where_it_was() {
    let mut net = Net::new(2, 1, StateLimits::default());
    for number in 0..100 {
        net.nodes[0].subscribe(1, number);
    }
    net.connect(0, 1);
    while net.deliver_control(1, 0) {}
    for _ in 0..4 {
        assert!(net.send(0, 1, 2_000));
        assert!(net.deliver_state(0, 1));
    }
    let Position::Pass { position, .. } = net.nodes[1].state.position_of(&node_id(0)) else {
        panic!("the pass is not under way");
    };
    assert!((20..100).contains(&position), "{position}");
    net.cut(0, 1);
    net.connect(0, 1);
    net.settle();
    net.assert_converged();
    let counters = net.nodes[1].state.counters();
    assert_eq!((counters.passes_begun, counters.passes_finished), (1, 1));
    assert_eq!(net.nodes[1].state.replica(&node_id(0)).unwrap().version, 100);
}

#[test]
fn a_restarted_owner_keeps_its_live_rooms_and_loses_the_others() {
    let mut net = pair();
    net.restart(0);
    for number in 5..12 {
        net.nodes[0].subscribe(9, number);
    }
    net.connect(0, 1);
    assert_eq!(net.nodes[1].state.rooms(), 10, "nothing is taken away before the new one has told");
    assert_eq!(net.nodes[1].state.interested(&[]).count(), 1, "until then it may have any room");
    assert!(!net.nodes[1].state.is_caught_up(&node_id(0), 0));
    net.settle();
    net.assert_converged();
    assert_eq!(net.nodes[1].state.counters().swept_rooms, 5);
}

#[test]
fn a_corrupted_replica_is_repaired_within_a_round_and_counted_once() {
    let mut net = pair();
    net.nodes[1].state.corrupt_replica(&node_id(0), &room_id(4), 77);
    assert_eq!(net.nodes[1].state.count(&room_id(4)), Some(77));
    net.exchange_claims(NOW);
    net.settle();
    net.assert_converged();
    net.exchange_claims(NOW);
    net.settle();
    assert_eq!(net.nodes[1].state.counters().hash_mismatches, 1);
    assert_eq!(net.nodes[1].events, []);
}

#[test]
fn an_owner_that_lies_of_its_hash_is_reported_and_not_asked_for_ever() {
    let mut net = pair();
    let (liar, version) = (node_id(0), net.nodes[0].state.version());
    let passes = net.nodes[1].state.counters().passes_begun;
    for _ in 0..5 {
        net.nodes[1].state.handle_claim(NOW, &liar, version, 1);
        if let Some(ask) = net.nodes[1].state.poll_state(&liar, 1_000) {
            net.nodes[0].state.handle_state(NOW, &node_id(1), &ask).unwrap();
        }
        // The pass of the liar: its deltas carry a wrong hash too, because a room is missing from them.
        let begin = encode(1, &version);
        let delta = encode(2, &(0_u64, version, Some(1_u128), [(); 0], [(); 0], [(); 0]));
        for message in [begin, drop_lists(&delta)] {
            net.nodes[1].state.handle_state(NOW, &liar, &message).unwrap();
        }
    }
    net.nodes[1].poll_events();
    assert_eq!(net.nodes[1].events, [StateEvent::Unrepaired { owner: liar.clone(), version }]);
    let counters = net.nodes[1].state.counters();
    assert_eq!((counters.hash_mismatches, counters.unrepaired), (1, 1));
    assert_eq!(counters.passes_begun, passes + 5);
    let later = NOW + REPAIR_PAUSE + Duration::from_secs(1);
    net.nodes[1].state.handle_claim(later, &liar, version, 1);
    assert_eq!(net.nodes[1].state.counters().hash_mismatches, 1, "nothing has changed since");
}
