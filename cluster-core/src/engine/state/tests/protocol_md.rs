//! The documented messages of the state lane, against values built here.

use std::num::NonZeroU32;

use cluster_transport::proto::Incarnation;

use super::super::message::{ASK, Ask, BEGIN, Begin, DELTA, Delta, Position, WireCollection, WireEntry};
use crate::engine::room::RoomId;
use crate::engine::wire::{Bounded, decode, encode};
use crate::protocol_md::Chapter;

#[test]
fn the_state_messages_are_those_of_the_document() {
    let mut chapter = Chapter::of("The state lane");
    let begin = chapter.take("Begin");
    assert_eq!(decode(BEGIN, &begin[1..]), Ok(Begin { start: 300 }));
    assert_eq!(encode(BEGIN, &Begin { start: 300 }), begin);

    let incarnation = Incarnation { epoch: 1_700_000_000_001, nonce: 7 };
    let asked = Ask { position: Position::Pass { incarnation, start: 300, position: 200 } };
    let ask = chapter.take("Ask");
    assert_eq!(decode(ASK, &ask[1..]), Ok(asked));
    assert_eq!(encode(ASK, &asked), ask);

    let (id, count) = (RoomId::new([0x11; 32]), NonZeroU32::new(2).unwrap());
    let told = Delta {
        from: 300,
        to: 302,
        caught_up: Some(5),
        collections: Bounded::take_from([WireCollection { index: "i", collection: "c" }]),
        entries: Bounded::take_from([WireEntry { id, collection: 0, count, filters: b"{}" }]),
        removed: Bounded::take_from([RoomId::new([0x22; 32])]),
    };
    let delta = chapter.take("Delta");
    assert_eq!(decode(DELTA, &delta[1..]), Ok(told.clone()));
    assert_eq!(encode(DELTA, &told), delta);
    chapter.assert_empty();
}
