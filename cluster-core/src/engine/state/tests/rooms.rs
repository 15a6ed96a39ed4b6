//! What a host sees of rooms through the verbs, the lists and the events of one node and of two.

use super::harness::{Net, listed, node_id, room, room_id};
use crate::engine::room::{ConnectionId, RoomInfo};
use crate::engine::state::{
    Change, CollectionName, JoinError, Left, NotSubscribed, RoomEvent, State, StateEvent, StateLimits,
    SubscribeError, Subscribed,
};

const ALICE: ConnectionId = ConnectionId(1);
const BOB: ConnectionId = ConnectionId(2);

fn alone(limits: StateLimits) -> State {
    let mut net = Net::new(1, 1, limits);
    net.nodes.remove(0).state
}

fn events(state: &mut State) -> Vec<RoomEvent> {
    std::iter::from_fn(|| state.poll_room_event()).collect()
}

#[test]
fn each_verb_answers_with_the_count_and_the_version_it_made() {
    let mut state = alone(StateLimits::default());
    let id = room_id(1);
    let subscribed = |at, version, count, changed| Ok(Subscribed { at, version, count, changed });
    assert_eq!(state.subscribe(ALICE, &room(1)), subscribed(1, 1, 1, true));
    assert_eq!(state.subscribe(ALICE, &room(1)), subscribed(1, 1, 1, false));
    assert_eq!(state.join(BOB, id), Ok(Subscribed { at: 2, version: 2, count: 2, changed: true }));
    assert_eq!(state.connections(&id).collect::<Vec<_>>(), [ALICE, BOB]);
    assert_eq!(state.unsubscribe(ALICE, id), Ok(Left { room: id, at: 3, version: 3, count: 1 }));
    assert_eq!(state.unsubscribe(ALICE, id), Err(NotSubscribed { connection: ALICE, room: id }));
    assert_eq!(state.disconnect(BOB), [Left { room: id, at: 4, version: 4, count: 0 }]);
    assert_eq!(state.disconnect(BOB), []);
    assert_eq!((state.count(&id), state.room(&id), state.rooms()), (None, None, 0));
    assert_eq!(state.tombstones(), 0, "there is nobody to tell");
    assert_eq!(state.join(BOB, id), Err(JoinError::UnknownRoom { room: id }));
}

#[test]
fn the_limit_on_own_rooms_is_named_and_does_not_stop_known_rooms() {
    let mut state = alone(StateLimits::default().with_rooms(1));
    state.subscribe(ALICE, &room(1)).unwrap();
    state.subscribe(BOB, &room(1)).unwrap();
    assert_eq!(state.subscribe(ALICE, &room(2)), Err(SubscribeError::TooManyRooms { limit: 1 }));
    assert_eq!(state.rooms(), 1);
}

#[test]
fn a_room_is_told_once_when_it_appears_and_once_when_it_is_gone() {
    let mut state = alone(StateLimits::default());
    state.subscribe(ALICE, &room(1)).unwrap();
    state.subscribe(BOB, &room(1)).unwrap();
    assert_eq!(events(&mut state), [RoomEvent { at: 2, change: Change::Appeared(room(1)) }]);
    state.disconnect(ALICE);
    assert_eq!(events(&mut state), []);
    state.disconnect(BOB);
    assert_eq!(events(&mut state), [RoomEvent { at: 4, change: Change::Disappeared(room_id(1)) }]);
}

#[test]
fn what_comes_and_goes_unnoticed_is_never_told() {
    let mut state = alone(StateLimits::default());
    for _ in 0..3 {
        state.subscribe(ALICE, &room(1)).unwrap();
        state.disconnect(ALICE);
    }
    assert_eq!(events(&mut state), []);
    state.subscribe(ALICE, &room(1)).unwrap();
    assert_eq!(events(&mut state).len(), 1);
    state.disconnect(ALICE);
    state.subscribe(ALICE, &room(1)).unwrap();
    assert_eq!(events(&mut state), []);
}

#[test]
fn collections_and_rooms_are_listed_in_order_and_only_while_they_have_rooms() {
    let mut state = alone(StateLimits::default());
    for number in [9, 0, 6, 1, 3] {
        state.subscribe(ALICE, &room(number)).unwrap();
    }
    let name = |collection: &str| CollectionName { index: "index".into(), collection: collection.into() };
    let names = |state: &State| state.collections(None).cloned().collect::<Vec<_>>();
    assert_eq!(names(&state), [name("collection-0"), name("collection-1")]);
    let listed = state.list(&name("collection-0")).iter().map(|listed| listed.room).collect::<Vec<_>>();
    assert_eq!(listed, [0, 3, 6, 9].map(room_id));
    state.unsubscribe(ALICE, room_id(1)).unwrap();
    assert_eq!(names(&state), [name("collection-0")]);
    assert_eq!(state.list(&name("collection-1")), []);
}

#[test]
fn a_room_of_another_node_can_be_joined_by_its_id() {
    let mut net = Net::connected(2);
    net.nodes[0].subscribe(1, 5);
    net.settle();
    assert!(net.nodes[1].state.is_used_elsewhere(&room_id(5)));
    let answer = net.nodes[1].state.join(BOB, room_id(5)).unwrap();
    assert_eq!((answer.count, answer.changed), (2, true));
    net.settle();
    assert_eq!(net.nodes[0].state.count(&room_id(5)), Some(2));
    net.nodes[0].disconnect(1);
    net.settle();
    assert_eq!(net.nodes[0].state.room(&room_id(5)), Some(room(5)), "it lives on where it was joined");
}

#[test]
fn the_first_description_of_a_room_stands_and_another_one_is_named() {
    let mut net = Net::connected(2);
    net.nodes[0].subscribe(1, 5);
    net.settle();
    let other = RoomInfo::new(room_id(5), "index", "elsewhere", "{}").unwrap();
    net.nodes[1].state.subscribe(BOB, &other).unwrap();
    let told = |owner, rooms| StateEvent::FilterConflict { owner: node_id(owner), room: room_id(5), rooms };
    net.nodes[1].poll_events();
    assert_eq!(net.nodes[1].events, [told(1, 1)]);
    assert_eq!(net.nodes[1].state.room(&room_id(5)), Some(room(5)));
    assert_eq!(net.nodes[1].state.counters().filter_conflicts, 1);
    net.settle();
    assert_eq!(net.nodes[0].events, [], "both tell the first description");
}

#[test]
fn nodes_that_met_with_different_descriptions_agree_on_the_counts() {
    let mut net = Net::new(2, 1, StateLimits::default());
    net.nodes[0].subscribe(1, 5);
    let other = RoomInfo::new(room_id(5), "index", "elsewhere", "{}").unwrap();
    net.nodes[1].state.subscribe(BOB, &other).unwrap();
    net.connect_all();
    net.settle();
    for node in &net.nodes {
        assert_eq!(node.state.count(&room_id(5)), Some(2));
        assert_eq!(node.events.len(), 1);
        assert_eq!(node.state.counters().hash_mismatches, 0);
    }
}

#[test]
fn a_removed_member_takes_its_counts_along_and_leaves_the_others() {
    let mut net = Net::connected(3);
    for (node, number) in [(0, 1), (1, 1), (1, 2), (2, 2)] {
        net.nodes[node].subscribe(1, number);
    }
    net.settle();
    net.remove(0, 1);
    net.remove(2, 1);
    net.nodes[0].poll_events();
    assert_eq!(listed(&net.nodes[0].state), [(room_id(1), 1), (room_id(2), 1)].into());
    net.remove(0, 2);
    net.nodes[0].poll_events();
    assert_eq!(listed(&net.nodes[0].state), [(room_id(1), 1)].into());
    assert_eq!(net.nodes[0].shown, [room_id(1)].into());
    assert_eq!(net.nodes[0].state.replica(&node_id(2)), None);
}
