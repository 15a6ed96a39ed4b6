//! What a change costs, and joining in the middle of changes.

use super::harness::{NOW, Net, node_id, room_id};
use crate::engine::state::StateLimits;

#[test]
fn one_subscription_beside_10_000_rooms_costs_a_peer_at_most_400_bytes() {
    let mut net = Net::connected(2);
    for number in 0..10_000 {
        net.nodes[0].subscribe(number, number);
    }
    net.settle();
    for number in [5_000, 10_000] {
        net.bytes_sent = 0;
        net.nodes[0].subscribe(20_000, number);
        net.settle();
        assert!((1..=400).contains(&net.bytes_sent), "room {number} cost {} bytes", net.bytes_sent);
    }
    assert_eq!(net.nodes[1].state.count(&room_id(5_000)), Some(2));
}

#[test]
fn a_joiner_takes_100_000_rooms_over_while_they_change() {
    const ROOMS: u64 = 100_000;
    let mut net = Net::new(2, 3, StateLimits::default());
    for number in 0..ROOMS {
        net.nodes[0].subscribe(number, number);
    }
    net.connect(0, 1);
    while net.deliver_control(1, 0) {}
    let mut number = 0;
    while net.send(0, 1, 64 * 1024) {
        assert!(net.deliver_state(0, 1));
        if net.nodes[1].state.is_caught_up(&node_id(0), 0) {
            break;
        }
        for _ in 0..100 {
            number = (number + 7_919) % ROOMS;
            net.nodes[0].unsubscribe(number, number);
            net.nodes[0].subscribe(ROOMS + number, ROOMS + number);
        }
    }
    net.settle();
    net.assert_converged();
    assert_eq!(net.nodes[1].state.counters().passes_begun, 1);
    assert!(number > 0);
}

#[test]
fn a_delta_is_cut_at_what_the_lane_takes() {
    let mut net = Net::connected(2);
    net.nodes[0].subscribe(1, 1);
    assert!(!net.send(0, 1, 60), "nothing fits");
    assert!(net.send(0, 1, 200));
    net.settle();
    for number in 0..3_000 {
        net.nodes[0].subscribe(2, number);
    }
    let mut messages = 0;
    while net.send(0, 1, usize::MAX) {
        messages += 1;
    }
    net.settle();
    assert_eq!(messages, 4, "60 KiB a message");
    net.assert_converged();
}

#[test]
fn members_beyond_the_64th_are_left_out_of_what_does_not_concern_them_too() {
    let mut net = Net::new(70, 5, StateLimits::default());
    for other in 0..69 {
        net.connect(other, 69);
    }
    for holder in [3, 67] {
        net.nodes[holder].subscribe(1, 1);
    }
    net.settle();
    let interested: Vec<_> = net.nodes[69].state.interested(&[room_id(1), room_id(2)]).collect();
    assert_eq!(interested, [&node_id(3), &node_id(67)]);
    assert_eq!(net.nodes[69].state.interested(&[room_id(2)]).count(), 0);
}

#[test]
fn the_rooms_of_a_large_member_that_is_gone_leave_in_pieces() {
    let mut net = Net::connected(3);
    for number in 0..2_500 {
        net.nodes[0].subscribe(number, number);
    }
    net.nodes[1].subscribe(1, 0);
    net.settle();
    let survivor = &mut net.nodes[2].state;
    survivor.handle_member_removed(&node_id(0));
    let mut rooms = vec![survivor.rooms()];
    while survivor.has_chores() {
        assert_eq!(survivor.do_chore(NOW), None);
        rooms.push(survivor.rooms());
    }
    assert_eq!(rooms.len(), 3);
    assert_eq!((rooms[2], survivor.count(&room_id(0))), (1, Some(1)));
}

#[test]
fn what_a_pass_did_not_confirm_leaves_in_pieces_and_is_compared_afterwards() {
    let mut net = Net::new(2, 3, StateLimits::default().with_tombstones(0));
    for number in 0..2_500 {
        net.nodes[0].subscribe(number, number);
    }
    net.connect(0, 1);
    net.settle();
    net.cut(0, 1);
    for number in 0..2_400 {
        net.nodes[0].unsubscribe(number, number);
    }
    net.connect(0, 1);
    net.exchange();
    let reader = &mut net.nodes[1].state;
    assert_eq!(
        (reader.rooms(), reader.counters().passes_finished),
        (1_500, 1),
        "the first piece is done at once"
    );
    assert_eq!([reader.do_chore(NOW), reader.do_chore(NOW)], [None, Some(node_id(0))]);
    assert_eq!((reader.rooms(), reader.counters().passes_finished), (100, 2));
    assert_eq!(reader.counters().hash_mismatches, 0);
    net.settle();
    net.assert_converged();
}

#[test]
fn a_change_that_comes_during_a_sweep_is_neither_swept_nor_taken_for_a_difference() {
    let mut net = Net::new(2, 3, StateLimits::default().with_tombstones(0));
    for number in 0..2_500 {
        net.nodes[0].subscribe(number, number);
    }
    net.connect(0, 1);
    net.settle();
    net.cut(0, 1);
    for number in 0..2_500 {
        net.nodes[0].unsubscribe(number, number);
    }
    net.connect(0, 1);
    net.exchange();
    for number in 0..2_500 {
        net.nodes[0].subscribe(9_999, number);
    }
    assert!(net.send(0, 1, 1_000) && net.deliver_state(0, 1), "a part of what changed");
    while net.nodes[1].state.has_chores() {
        net.nodes[1].state.do_chore(NOW);
    }
    net.settle();
    net.assert_converged();
    assert_eq!(net.nodes[1].state.counters().hash_mismatches, 0);
    assert_eq!(net.nodes[1].state.rooms(), 2_500);
}

#[test]
fn a_large_node_is_blanked_in_pieces() {
    let mut net = Net::connected(2);
    for number in 0..2_500 {
        net.nodes[0].subscribe(number, number);
    }
    net.settle();
    let version = net.nodes[0].state.version();
    let steps: Vec<bool> = (0..3).map(|_| net.nodes[0].state.blank(version)).collect();
    assert_eq!(steps, [false, false, true]);
    assert_eq!(net.nodes[0].state.rooms(), 0);
}
