//! The documented messages of the membership, against values built here.

use super::super::claims::Claims;
use super::super::wire::{Hint, Question, StateRow};
use super::*;
use crate::engine::wire::Bounded;
use crate::protocol_md::Chapter;

#[test]
fn the_control_messages_are_those_of_the_document() {
    let incarnation = Incarnation { epoch: 1_700_000_000_001, nonce: 7 };
    let question = Question { round: 3, node: node("node-2"), incarnation };
    let hint = Hint {
        node: node("node-2"),
        addresses: Bounded::take_from(["tcp://10.0.0.1:7511".parse().unwrap()]),
    };
    let row = StateRow { owner: node("node-2"), incarnation, version: 300, hash: u128::MAX };
    let mut chapter = Chapter::of("The control lane");
    // These two are the engine's own.
    let _ = (chapter.take("Greeting"), chapter.take("Applied"));
    for (name, message) in [
        ("Heartbeat", Message::Heartbeat(Claims { version: 300, hash: 1, digest: 2, ready: true })),
        ("Ping", Message::Ping(7)),
        ("Pong", Message::Pong(Pong { ping: 7, version: 300 })),
        ("Question", Message::Question(question.clone())),
        ("Opinion", Message::Opinion(Opinion { question, heard: Heard::Before(300) })),
        ("Hints", Message::Hints(Bounded::take_from([hint]))),
        ("Compare", Message::Compare),
        ("View", Message::View(Bounded::take_from([row]))),
        ("Draining", Message::Draining),
    ] {
        let bytes = chapter.take(name);
        assert_eq!(Message::decode(&bytes), Ok(Some(message.clone())), "{name}");
        assert_eq!(message.encode(), bytes, "{name}");
    }
    chapter.assert_empty();
}
