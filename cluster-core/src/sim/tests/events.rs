//! Every event of every node against what the others see.

use super::*;
use crate::engine::{ClusterEvent, IndexEntry};

fn every_event() -> Vec<ClusterEvent> {
    let entry = IndexEntry { index: "i".into(), collection: None, scope: "public".into() };
    vec![
        ClusterEvent::IndexCacheAdded(entry.clone()),
        ClusterEvent::IndexCacheRemoved(entry),
        ClusterEvent::ProfileInvalidated { id: "admin".into() },
        ClusterEvent::RoleInvalidated { id: "default".into() },
        ClusterEvent::ValidatorsChanged,
        ClusterEvent::SecurityReset,
        ClusterEvent::Custom { name: "mine".into(), payload: vec![7; 3] },
    ]
}

#[test]
fn every_event_of_every_node_is_seen_once_by_each_other_and_not_by_itself() {
    let mut sim = formed(3);
    for node in 0..3 {
        for event in every_event() {
            assert_eq!(sim.tell(node, &event), 2);
        }
    }
    calm(&mut sim);
    for node in 0..3 {
        for publisher in 0..3 {
            let from = Sim::id(publisher);
            let seen = sim.host(node).events().iter().filter(|(peer, _)| *peer == from);
            let seen: Vec<_> = seen.map(|(_, event)| event.clone()).collect();
            let expected = if node == publisher { Vec::new() } else { every_event() };
            assert_eq!(seen, expected, "of n{publisher} on n{node}");
        }
    }
}

#[test]
fn whoever_may_have_missed_events_of_a_dead_node_is_told_to_read_again() {
    let mut sim = formed(3);
    let told = |sim: &Sim| [(0, 1), (2, 1), (0, 2)].map(|(node, of)| sim.host(node).stale(&Sim::id(of)));
    assert_eq!(told(&sim), [1, 1, 1], "at first contact nobody knows what was missed");
    sim.crash(1);
    calm(&mut sim);
    assert_eq!(told(&sim), [2, 2, 1]);
}
