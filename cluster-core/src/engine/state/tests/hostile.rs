//! Whatever a peer sends, the worst it can do is to hold rooms of its own, which go when it is removed.

use proptest::prelude::*;

use super::harness::{NOW, Net, node_id, room_id};

proptest! {
    #[test]
    fn damaged_messages_never_harm_what_others_hold(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        garbage in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8),
        kinds in prop::collection::vec(1_u8..=3, 8),
    ) {
        let mut net = Net::connected(3);
        for number in 0..20 {
            net.nodes[0].subscribe(1, number);
            net.nodes[1].subscribe(1, number % 4);
        }
        let mut message = net.nodes[0].state.poll_state(&node_id(2), 4_000).unwrap().to_vec();
        for (place, byte) in damage {
            let place = place.index(message.len());
            message[place] = byte;
        }
        message.truncate(cut.map_or(message.len(), |cut| cut.index(message.len()) + 1));
        let victim = &mut net.nodes[2].state;
        let _ = victim.handle_state(NOW, &node_id(0), &message);
        for (kind, mut body) in kinds.into_iter().zip(garbage) {
            body.insert(0, kind);
            let _ = victim.handle_state(NOW, &node_id(0), &body);
        }
        prop_assert!(victim.rooms() <= 20 + 8);
        while net.nodes[2].state.poll_state(&node_id(0), 4_000).is_some() {}
        net.cut(0, 2);
        net.settle();
        net.nodes[2].state.handle_member_removed(&node_id(0));
        net.nodes[2].poll_events();
        prop_assert_eq!(&net.nodes[2].shown, &(0..4).map(room_id).collect());
        for number in 0..4 {
            prop_assert_eq!(net.nodes[2].state.count(&room_id(number)), Some(1));
        }
    }
}
