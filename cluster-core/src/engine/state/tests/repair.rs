//! Each rung of repair, one at a time.

use std::num::NonZeroU32;

use bytes::Bytes;
use cluster_transport::proto::{Incarnation, NodeId};

use super::harness::{NOW, Net, node_id, notable, room, room_id};
use crate::engine::room::ConnectionId;
use crate::engine::state::message::{ASK, Ask, BEGIN, Begin, DELTA, Delta, WireCollection, WireEntry};
use crate::engine::state::receiver::REPAIR_PAUSE;
use crate::engine::state::{Intake, Position, State, StateEvent, StateLimits};
use crate::engine::wire::{Bounded, PeerFault, SKIPPABLE, encode};

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
    assert_eq!(net.nodes[1].state.interested(&[]).count(), 1, "it may have subscribed meanwhile");
    net.settle();
    net.assert_converged();
    assert_eq!(net.nodes[1].state.counters().passes_begun, passes, "a removal within the log needs no pass");
    assert!(net.bytes_sent < 400, "{} bytes for two changes", net.bytes_sent);
}

#[test]
fn a_removal_is_kept_until_every_member_has_applied_it() {
    let mut net = Net::connected(3);
    net.nodes[0].subscribe(1, 1);
    net.settle();
    net.cut(0, 2);
    net.nodes[0].unsubscribe(1, 1);
    assert!(net.send(0, 1, 1_000));
    net.cut(0, 1);
    net.connect(0, 1);
    net.settle();
    assert_eq!((net.nodes[0].state.tombstones(), net.nodes[1].state.rooms()), (1, 0));
    net.connect(0, 2);
    net.settle();
    net.assert_converged();
    let passes = net.nodes.iter().map(|node| node.state.counters().passes_served);
    assert_eq!(passes.collect::<Vec<_>>(), [2, 2, 2], "only the first contacts");
}

#[test]
fn a_removal_that_was_sent_and_lost_needs_no_pass() {
    let mut net = Net::connected(3);
    net.nodes[0].subscribe(1, 1);
    net.settle();
    net.nodes[0].unsubscribe(1, 1);
    assert!(net.send(0, 1, 1_000));
    net.cut(0, 1);
    net.remove(0, 2);
    assert_eq!(net.nodes[0].state.tombstones(), 1, "nobody has applied it yet");
    net.connect(0, 1);
    net.settle();
    assert_eq!((net.nodes[1].state.rooms(), net.nodes[0].state.tombstones()), (0, 0));
    assert_eq!(net.nodes[0].state.counters().passes_served, 2, "only the first contacts");
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
    let differs = StateEvent::Differs { owner: node_id(0), version: 10 };
    assert_eq!(net.nodes[1].events, [differs]);
    let of_the_owner = net.nodes[1].state.counters_of(&node_id(0)).unwrap();
    assert_eq!((of_the_owner.hash_mismatches, of_the_owner.passes_finished), (1, 2));
}

/// A delta with these rooms, all of one collection.
fn delta(from: u64, to: u64, caught_up: Option<u128>, rooms: &[(u64, u32)]) -> Bytes {
    let mut delta = Delta {
        from,
        to,
        caught_up,
        collections: Bounded::new(),
        entries: Bounded::new(),
        removed: Bounded::new(),
    };
    delta.collections.push(WireCollection { index: "index", collection: "collection" }).unwrap();
    for (number, count) in rooms {
        let count = NonZeroU32::new(*count).unwrap();
        delta.entries.push(WireEntry { id: room_id(*number), collection: 0, count, filters: b"{}" }).unwrap();
    }
    encode(DELTA, &delta)
}

/// A node with a session of a peer that this test plays: `node-9`.
fn beside_a_stranger(limits: StateLimits) -> (State, NodeId) {
    let mut state = Net::new(1, 1, limits).nodes.remove(0).state;
    let stranger = node_id(9);
    state.handle_peer_up(&stranger, STRANGER);
    (state, stranger)
}

const STRANGER: Incarnation = Incarnation { epoch: 99, nonce: 9 };

#[test]
fn an_owner_that_lies_of_its_hash_is_reported_and_not_asked_for_ever() {
    let (mut state, liar) = beside_a_stranger(StateLimits::default());
    let begin = encode(BEGIN, &Begin { start: 3 });
    let lie = delta(0, 3, Some(1), &[(1, 1)]);
    for _ in 0..2 {
        for message in [&begin, &lie] {
            assert_eq!(state.handle_state(NOW, &liar, message), Ok(Intake::Taken));
        }
        state.handle_claim(NOW, &liar, 3, 1);
        let ask = state.poll_state(&liar, 1_000);
        let is_first = state.counters().passes_begun == 1;
        assert_eq!(ask, is_first.then(|| encode(ASK, &Ask { position: Position::Nothing })));
    }
    let unrepaired = StateEvent::Unrepaired { owner: liar.clone(), version: 3 };
    assert_eq!(notable(&mut state), [StateEvent::Differs { owner: liar.clone(), version: 3 }, unrepaired]);
    state.handle_claim(NOW + REPAIR_PAUSE, &liar, 3, 1);
    assert_eq!(state.poll_state(&liar, 1_000), None, "nothing has changed since");
    state.handle_state(NOW + REPAIR_PAUSE, &liar, &delta(3, 4, Some(1), &[(2, 1)])).unwrap();
    assert!(state.poll_state(&liar, 1_000).is_some(), "it has changed, and the pause is over");
    let counters = state.counters();
    assert_eq!((counters.hash_mismatches, counters.unrepaired), (2, 1));
}

#[test]
fn a_gap_is_asked_for_once_and_a_repetition_is_ignored() {
    let (mut state, owner) = beside_a_stranger(StateLimits::default());
    let take = |state: &mut State, message: Bytes| state.handle_state(NOW, &owner, &message).unwrap();
    take(&mut state, encode(BEGIN, &Begin { start: 3 }));
    take(&mut state, delta(0, 2, None, &[(1, 1)]));
    take(&mut state, delta(4, 5, None, &[(3, 1)]));
    take(&mut state, delta(5, 6, None, &[(4, 1)]));
    let position = Position::Pass { incarnation: STRANGER, start: 3, position: 2 };
    assert_eq!(state.poll_state(&owner, 1_000), Some(encode(ASK, &Ask { position })));
    assert_eq!(state.poll_state(&owner, 1_000), None);
    take(&mut state, delta(0, 2, None, &[(1, 7)]));
    assert_eq!((state.rooms(), state.count(&room_id(1))), (1, Some(1)));
    take(&mut state, delta(1, 6, None, &[(2, 1), (3, 1)]));
    assert_eq!(state.position_of(&owner), Position::Pass { incarnation: STRANGER, start: 3, position: 6 });
    let counters = state.counters();
    assert_eq!((counters.gaps, counters.duplicates, counters.deltas_applied), (2, 1, 2));
}

#[test]
fn what_no_member_sends_is_a_fault_and_changes_nothing() {
    let (mut state, owner) = beside_a_stranger(StateLimits::default());
    let mut take = |message: &[u8]| state.handle_state(NOW, &owner, message);
    assert_eq!(take(&[SKIPPABLE | 9, 1, 2]), Ok(Intake::Taken));
    assert_eq!(take(&[9]), Err(PeerFault::UnknownKind { kind: 9 }));
    assert_eq!(take(&[]), Err(PeerFault::Empty));
    assert_eq!(take(&[BEGIN, 1, 1]), Err(PeerFault::Trailing { kind: BEGIN, extra: 1 }));
    assert_eq!(take(&delta(3, 2, None, &[])), Err(PeerFault::ImpossibleDelta { from: 3, to: 2 }));
    assert_eq!(take(&encode(BEGIN, &Begin { start: 3 })), Ok(Intake::Taken));
    assert_eq!(take(&delta(0, 2, Some(0), &[])), Err(PeerFault::ImpossibleDelta { from: 0, to: 2 }));
    let nameless = [DELTA, 0, 1, 0, 0, 1].iter().copied().chain([32]).chain([7; 32]).chain([0, 1, 0, 0]);
    assert_eq!(take(&nameless.collect::<Vec<_>>()), Err(PeerFault::Malformed { kind: DELTA }));
    assert_eq!(state.handle_applied(&owner, 1), Err(PeerFault::FutureVersion { got: 1, limit: 0 }));
    assert_eq!((state.rooms(), state.counters().faults, state.counters().unknown_messages), (0, 7, 1));
}

#[test]
fn messages_without_a_session_are_not_taken() {
    let (mut state, owner) = beside_a_stranger(StateLimits::default());
    state.handle_peer_down(&owner);
    state.handle_state(NOW, &owner, &encode(BEGIN, &Begin { start: 0 })).unwrap();
    state.handle_state(NOW, &node_id(5), &encode(BEGIN, &Begin { start: 0 })).unwrap();
    assert_eq!((state.counters().strays, state.counters().passes_begun), (2, 0));
}

#[test]
fn a_member_over_budget_is_shown_and_no_longer_applied_until_it_shrinks() {
    for limits in [StateLimits::default().with_rooms(2), StateLimits::default().with_bytes(2 * 162)] {
        let (mut state, owner) = beside_a_stranger(limits);
        let begin = encode(BEGIN, &Begin { start: 3 });
        state.handle_state(NOW, &owner, &begin).unwrap();
        let flood = delta(0, 3, Some(1), &[(1, 1), (2, 1), (3, 1)]);
        assert_eq!(state.handle_state(NOW, &owner, &flood), Ok(Intake::OverBudget));
        assert_eq!(state.handle_state(NOW, &owner, &begin), Ok(Intake::OverBudget));
        assert_eq!(notable(&mut state), [StateEvent::OverBudget { owner: owner.clone() }]);
        assert_eq!((state.rooms(), state.is_over_budget(&owner)), (2, true));
        assert_eq!(state.interested(&[room_id(9)]).collect::<Vec<_>>(), [&owner]);
        assert_eq!(state.poll_applied(), None);
        state.handle_peer_up(&owner, STRANGER);
        for message in [encode(BEGIN, &Begin { start: 4 }), delta(0, 4, Some(1), &[(1, 1)])] {
            assert_eq!(state.handle_state(NOW, &owner, &message), Ok(Intake::Taken));
        }
        assert_eq!((state.rooms(), state.is_over_budget(&owner)), (1, false));
        assert_eq!(state.usage(&owner), Some((1, 162)));
        assert_eq!(state.counters().over_budget, 1);
    }
}

#[test]
fn a_verification_is_a_pass_from_every_owner_and_each_is_told() {
    let mut net = Net::connected(3);
    for node in 0..3 {
        net.nodes[node].subscribe(1, 7);
    }
    net.settle();
    assert_eq!(net.nodes[0].state.verify(), [node_id(1), node_id(2)]);
    net.cut(0, 2);
    net.settle();
    let verified = |node| StateEvent::Verified { owner: node_id(node), equal: true };
    assert_eq!(net.nodes[0].events, [verified(1)]);
    net.restart(2);
    net.connect(0, 2);
    net.settle();
    assert_eq!(net.nodes[0].events, [verified(1), verified(2)], "the next incarnation answers for its node");
    assert_eq!(net.nodes[0].state.counters().hash_mismatches, 0);
}

#[test]
fn a_blanked_node_forgets_what_was_recorded_before() {
    let mut net = pair();
    net.nodes[1].subscribe(1, 3);
    let version = net.nodes[0].state.version();
    net.nodes[0].subscribe(2, 20);
    assert!(net.nodes[0].state.blank(version));
    assert_eq!(net.nodes[0].state.tombstones(), 0, "the pass that follows stands in for them");
    net.settle();
    net.nodes[0].clients.retain(|room, _| *room == room_id(20));
    net.assert_converged();
    assert_eq!(net.nodes[0].state.rooms_of(ConnectionId(1)).count(), 0);
    assert_eq!(net.nodes[1].state.room(&room_id(20)), Some(room(20)));
}

#[test]
fn who_applied_a_version_is_heard_of() {
    let mut net = pair();
    assert_eq!(net.nodes[0].state.applied_by(&node_id(1)), Some(10));
    net.nodes[0].subscribe(1, 10);
    assert_eq!(net.nodes[0].state.applied_by(&node_id(1)), Some(10));
    assert!(net.send(0, 1, 1_000));
    assert!(net.deliver_state(0, 1));
    net.acknowledge(1);
    assert!(net.deliver_control(1, 0));
    assert_eq!(net.nodes[0].state.applied_by(&node_id(1)), Some(11));
}
